//! Reverts, and the list of images that can be reverted.

mod bulk;
mod list;
mod others_rows;
mod recovered;
mod retained;
mod reverts;
mod simulated;
