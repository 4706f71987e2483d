//! The integration tests: one binary, a folder for each part of the product, a file for each
//! subject.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod api;
mod auth;
mod cli;
mod concurrency;
mod config;
mod db;
mod fuzzing;
mod interop;
mod real_faults;
mod repository;
mod revert;
mod scrub;
mod server;
mod stores;
mod support;
