//! The command line as a person uses it.

mod commands;
mod completions;
mod demo;
mod faults;
pub(crate) mod help;
mod man;
mod terminal;
