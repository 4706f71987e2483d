//! The command line as a person uses it.

mod bulk;
mod commands;
mod completions;
mod demo;
mod faults;
pub(crate) mod help;
mod hold_lock;
mod list;
mod man;
mod orders;
mod retained;
mod retention;
mod terminal;
