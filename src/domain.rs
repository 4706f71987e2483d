//! The business rules: what may be reverted, what may be destroyed, and in which order.
//!
//! Knows no HTTP, no SQL and no storage protocol; the adapters (`db`, `store`, `auth`) implement the traits that are declared here.

pub mod audit;
pub mod control;
pub mod error;
pub mod evidence;
pub mod image;
pub mod location;
pub mod lock;
pub mod pending;
pub mod principal;
pub mod purge;
pub mod repo;
pub mod retention;
pub mod revert;
pub mod scrub;
pub mod selection;
pub mod store;
pub mod summary;
pub mod tables;
pub mod time;
