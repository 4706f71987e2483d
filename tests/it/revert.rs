//! What comes back, and what is listed as able to.

mod list;
mod others_rows;
mod reverts;
