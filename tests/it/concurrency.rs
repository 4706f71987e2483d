//! Races, crashes, faults of the network, locks.

mod crash;
mod faults;
mod isolation;
mod locks;
mod purge;
mod race;
mod slow;
