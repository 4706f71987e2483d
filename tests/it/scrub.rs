//! What a pass destroys, and what it must not destroy.

mod in_force;
mod limit;
pub(crate) mod orders;
mod others;
mod partial;
mod parts;
mod passes;
mod purge;
mod retention;
mod safety;
mod shared_data;
mod worker;
