//! The tests' environment: clock, processes, log, settings of `tests/run`, source code of the
//! product.

pub(crate) mod clock;
pub(crate) mod env;
pub(crate) mod log;
pub(crate) mod modules;
pub(crate) mod output;
pub(crate) mod process;
pub(crate) mod small_disk;
pub(crate) mod source;
