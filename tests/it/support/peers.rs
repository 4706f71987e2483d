//! Other products' servers, and proxies in front of them.

pub(crate) mod ansible;
pub(crate) mod ceph;
pub(crate) mod cinder;
pub(crate) mod fake_keystone;
pub(crate) mod galera;
pub(crate) mod gateway;
pub(crate) mod glance;
pub(crate) mod keystone;
pub(crate) mod kubernetes;
pub(crate) mod openstack;
pub(crate) mod private_mariadb;
pub(crate) mod private_postgres;
pub(crate) mod proxy;
pub(crate) mod raw;
pub(crate) mod s3;
pub(crate) mod server;
pub(crate) mod statements;
pub(crate) mod swift;
