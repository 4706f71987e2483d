//! Brings deleted OpenStack Glance images back, and scrubs those whose time has come.
//!
//! Layers from the top; a module may use those below its own:
//!
//! | layer | modules |
//! |---|---|
//! | command line | [`cli`] |
//! | listeners and signals | [`server`] |
//! | composition root | [`app`] |
//! | drivers of the rules: HTTP API, scrub loop | [`api`], [`worker`] |
//! | adapters | [`db`], [`store`], [`auth`] |
//! | outgoing HTTP | [`net`] |
//! | shared by all above | [`telemetry`], [`config`] |
//! | reloaded files | [`files`] |
//! | business rules | [`domain`] |

pub mod api;
pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod db;
pub mod domain;
pub mod files;
pub mod net;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod worker;
