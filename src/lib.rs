//! Brings deleted OpenStack Glance images back, and scrubs the ones whose time has come.

pub mod api;
pub mod auth;
pub mod config;
pub mod db;
pub mod domain;
pub mod server;
pub mod store;
pub mod telemetry;
