//! The scrubber's operations: its status and plan, pauses, and the acceptance of a large pass.

pub mod accept;
pub mod pause;
pub mod plan;
pub mod status;
