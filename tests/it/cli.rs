//! The command line as a person uses it.

mod commands;
mod demo;
mod faults;
pub(crate) mod help;
mod terminal;
