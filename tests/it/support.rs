//! What the tests stand on.

pub(crate) mod api;
pub(crate) mod binary;
pub(crate) mod canary;
pub(crate) mod ceph;
pub(crate) mod clock;
pub(crate) mod crowd;
pub(crate) mod daemon;
pub(crate) mod database;
pub(crate) mod env;
pub(crate) mod fake_keystone;
pub(crate) mod fakes;
pub(crate) mod glance;
pub(crate) mod images;
pub(crate) mod keystone;
pub(crate) mod log;
pub(crate) mod odds;
pub(crate) mod output;
pub(crate) mod pki;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod raw;
pub(crate) mod rows;
pub(crate) mod s3;
pub(crate) mod server;
pub(crate) mod service;
pub(crate) mod source;
pub(crate) mod swift;
#[expect(dead_code, reason = "some of it is for the tests in the crate alone")]
#[path = "../../src/auth/tests/tokens.rs"]
pub(crate) mod tokens;
pub(crate) mod verifier;
pub(crate) mod world;
