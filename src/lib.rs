//! Brings deleted OpenStack Glance images back, and scrubs the ones whose time has come.
//!
//! Floors, from the top; a module may use those below its own:
//!
//! | floor | modules |
//! |---|---|
//! | what an operator types | [`cli`] |
//! | listeners and signals | [`server`] |
//! | the composition root | [`app`] |
//! | what drives the rules | [`api`], [`worker`] |
//! | what the rules stand on | [`db`], [`store`], [`auth`] |
//! | how others are spoken to | [`net`] |
//! | what everybody may know | [`telemetry`], [`config`] |
//! | files that others replace | [`files`] |
//! | the rules | [`domain`] |

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
