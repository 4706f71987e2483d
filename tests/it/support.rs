//! What the tests stand on.

pub(crate) mod clock;
pub(crate) mod database;
pub(crate) mod rows;
pub(crate) mod world;
