//! scrub
/// Claim
#[derive(Debug)]
pub struct Claim;
/// Settled
#[derive(Debug)]
pub struct Settled;
