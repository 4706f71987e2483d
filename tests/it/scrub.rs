//! What a pass destroys, and what it must not.

mod limit;
mod others;
mod partial;
mod passes;
mod safety;
mod shared_data;
mod worker;
