//! Test data: databases, rows, images, keys, secrets.

pub(crate) mod canary;
pub(crate) mod chance;
pub(crate) mod crowd;
pub(crate) mod database;
pub(crate) mod images;
pub(crate) mod mold;
pub(crate) mod pipe;
pub(crate) mod pki;
pub(crate) mod rows;
#[path = "../../../src/auth/tests/tokens.rs"]
pub(crate) mod tokens;
