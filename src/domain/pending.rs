//! What a deleted image is, what of it comes back, and why the rest does not.
/// Plan
#[derive(Debug)]
pub struct RevertPlan;
