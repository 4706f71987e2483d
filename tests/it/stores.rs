//! Each store with its real server, and all of them in one test suite.

mod ceph_faults;
mod ceph_harness;
mod ceph_rbd;
mod cinder;
mod file;
mod http;
mod many_at_once;
mod many_at_once_faults;
mod rbd;
mod registry;
mod s3;
mod s3_versions;
mod suite;
mod swift;
mod swift_doubts;
mod uris;
