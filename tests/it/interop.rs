//! The real Glance on each store.

mod glance;
mod own_tables;
mod rbd;
mod s3;
mod smoke;
mod swift;
