//! The HTTP API: operations, bodies, errors, the OpenAPI document.

mod audit;
mod audit_list;
mod auth;
mod bulk;
mod compatibility;
mod contract;
mod errors;
mod examples;
mod guard;
mod headers;
mod login;
mod middleware;
mod openapi;
mod orders;
mod pending;
mod retained;
mod revert;
mod scrubber;
mod summary;
mod tenants;
mod throttle;
mod ui;
mod versions;
