//! The integration tests: one binary, a file a subject.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod config_oslo;
mod listen;
mod ops;
mod revert;
mod scrub;
mod signals;
mod store_file;
mod store_http;
mod store_registry;
mod support;
