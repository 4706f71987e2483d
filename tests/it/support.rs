//! What the tests stand on, in four folders. Each file has one name here, wherever it lies.

mod data;
mod environment;
mod peers;
mod product;

pub(crate) use data::{canary, chance, crowd, database, images, mold, pipe, pki, rows, tokens};
pub(crate) use environment::{clock, env, log, modules, output, process, small_disk, source};
pub(crate) use peers::{
    ansible, ceph, cinder, fake_keystone, galera, gateway, glance, keystone, kubernetes, openstack,
    private_mariadb, private_postgres, proxy, raw, s3, server, statements, swift,
};
pub(crate) use product::{
    api, binary, cloud, daemon, demo, fake_authenticator, fake_control, fake_tables, fakes,
    keeping, keystone_world, mortal, odds, service, verifier, world,
};
