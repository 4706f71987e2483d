//! What comes back, and what is listed as able to.

mod bulk;
mod list;
mod others_rows;
mod reverts;
mod simulated;
