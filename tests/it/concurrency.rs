//! Races, crashes, faults of the network, locks.

mod crash;
mod faults;
mod galera;
mod isolation;
mod locks;
mod orders;
mod purge;
mod race;
mod slow;
