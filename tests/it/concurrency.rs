//! Races, crashes, faults of the network, locks.

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
