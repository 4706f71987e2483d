//! Races, crashes, faults of the network, locks.

mod crash;
mod faults;
mod galera;
mod group_commit;
mod isolation;
mod locks;
mod operators;
mod orders;
mod purge;
mod race;
mod slow;
