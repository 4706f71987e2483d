//! Real faults under the real binary: connections that are cut, answers that are lost, late or never come,
//! processes that are killed or stopped, servers that start again, are full or read-only, clocks that jump.
//! Rows are those of the real Glance's own deletes; after each fault one checker looks at rows, bytes and the
//! audit.
//!
//! `make faults` runs them for long: `GLANCE_REVERT_TEST_ROUNDS` says how many rounds each has, and
//! `GLANCE_REVERT_TEST_SEED` where a run is to go the way of an earlier one.

mod checker;
mod processes;
mod scene;
mod servers;
mod wire;
