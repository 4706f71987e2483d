//! Callers: Keystone, JWT issuers, `TokenReview`, client certificates.

mod corpus;
mod jwks;
mod keystone;
mod keystone_login;
mod keystone_real;
mod keystone_service;
mod review;
mod review_bounds;
mod tls;
