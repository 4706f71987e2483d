//! `/v2/pending-deletes`: deleted images that can still be reverted.

pub mod hold;
pub mod hold_many;
pub mod list;
pub mod query;
pub mod retained;
pub mod revert;
mod selection;
pub mod show;
pub mod summary;
