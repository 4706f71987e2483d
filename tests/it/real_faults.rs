//! Real faults of the real binary: cut connections; lost, late or missing answers; killed or
//! stopped processes; servers that restart, are full or read-only; clocks that jump. The rows come
//! from the real Glance's own deletes. After each fault, one checker examines rows, bytes and the
//! audit.
//!
//! `make faults` runs them for longer: `GLANCE_REVERT_TEST_ROUNDS` sets the number of rounds of
//! each test, and `GLANCE_REVERT_TEST_SEED` repeats an earlier run.

mod checker;
mod processes;
mod scene;
mod servers;
mod wire;
