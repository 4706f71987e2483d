//! The integration tests: one binary, a file a subject.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod api_auth;
mod api_errors;
mod api_guard;
mod api_headers;
mod api_middleware;
mod api_openapi;
mod api_pending;
mod api_revert;
mod api_throttle;
mod api_versions;
mod attack;
mod ceph_harness;
mod cli;
mod cli_faults;
mod cli_help;
mod config_oslo;
mod contract;
mod crash;
mod deploy;
mod faults;
mod floors;
mod glance_smoke;
mod grants;
mod interop;
mod keystone_auth;
mod keystone_login;
mod keystone_real;
mod listen;
mod locks;
mod ops;
mod race;
mod readme;
mod revert;
mod schema;
mod scrub;
mod signals;
mod slow;
mod store_file;
mod store_http;
mod store_registry;
mod store_s3;
mod store_suite;
mod support;
mod tls;
