//! `/v2/pending-deletes`: the images that can still be reverted.

pub mod list;
pub mod query;
pub mod revert;
mod selection;
pub mod show;
pub mod summary;
