//! The real Glance on each store.

mod glance;
mod night;
mod openstack_client;
mod own_tables;
mod rbd;
mod retained;
mod s3;
mod smoke;
mod swift;
