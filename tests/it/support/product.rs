//! The product or parts of it, each with one way to start it.

pub(crate) mod api;
pub(crate) mod binary;
pub(crate) mod cloud;
pub(crate) mod daemon;
pub(crate) mod demo;
pub(crate) mod fake_authenticator;
pub(crate) mod fake_control;
pub(crate) mod fake_tables;
pub(crate) mod fakes;
pub(crate) mod keeping;
pub(crate) mod keystone_world;
pub(crate) mod mortal;
pub(crate) mod odds;
pub(crate) mod service;
pub(crate) mod verifier;
pub(crate) mod world;
