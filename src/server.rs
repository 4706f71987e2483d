//! The process around the API: listeners, probes, signals.
//!
//! Knows sockets and how a process ends; knows nothing of images.

mod connection;
pub mod listen;
pub mod ops;
pub mod signals;
mod write_timeout;
