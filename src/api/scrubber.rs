//! The scrubber, before it destroys anything: its plan, and leave to carry out a large one.

pub mod accept;
pub mod plan;
