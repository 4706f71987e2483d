//! The integration tests: one binary, a file a subject.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod listen;
mod ops;
mod signals;
mod store_file;
mod store_http;
mod store_registry;
