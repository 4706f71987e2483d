//! Races, crashes, network faults, locks.

mod crash;
mod faults;
mod galera;
mod group_commit;
mod isolation;
mod locks;
mod operators;
mod orders;
mod processes;
mod purge;
mod race;
mod slow;
