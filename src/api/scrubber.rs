//! The scrubber, before it destroys anything: its plan, and leave to carry out a large one.

pub mod accept;
pub mod pause;
pub mod plan;
pub mod status;
