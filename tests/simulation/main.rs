//! The domain's code in a simulated world that a seed determines: what others write, what fails,
//! who dies, and in which order. A failure prints its seed, and `SEED=.. make simulate` shows what
//! happened.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]
#![expect(clippy::wildcard_enum_match_arm, reason = "each check is about some of the states")]

mod actors;
mod answers;
mod chance;
mod checks;
mod coverage;
mod due;
mod glance;
mod kept;
mod memory;
mod objects;
mod process;
mod purge;
mod quiet;
mod rules;
mod run;
mod strangers;
mod truth;
mod world;

use std::time::Instant;

use self::memory::Without;
use self::run::{Outcome, many, one};
use self::world::Mutant;

#[expect(clippy::disallowed_methods, reason = "make simulate speaks to the test by environment")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Number of seeds of each test; `SEEDS` sets another one.
fn seeds() -> u64 {
    number("SEEDS").unwrap_or(10_000)
}

/// Prints something for runs with `--nocapture`.
#[expect(clippy::print_stdout, reason = "what was visited is worth seeing")]
fn show(what: &str) {
    println!("{what}");
}

#[test]
fn nothing_is_lost_and_nothing_is_stuck_whatever_happens() {
    let began = Instant::now();
    if let Some(seed) = number("SEED") {
        let Outcome { failures, told, .. } = one(seed, Mutant::default(), true);
        panic!("{}\n{failures:#?}", told.join("\n"));
    }
    let Outcome { failures, visits, .. } = many(seeds(), Mutant::default(), |_| true);
    show(&format!("{} seeds in {:?}\n{}", seeds(), began.elapsed(), coverage::table(&visits)));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    if seeds() >= 10_000 {
        assert_eq!(coverage::unvisited(&visits), [""; 0], "no seed comes there any more");
    }
}

#[test]
fn a_seed_tells_the_same_story_each_time() {
    for seed in 0..50 {
        let story = || one(seed, Mutant::default(), true).told;
        assert_eq!(story(), story(), "seed {seed}");
    }
}

/// Checks that the invariants detect a product without one of its rules.
fn is_found(mutant: Mutant, by: &str) {
    let Outcome { failures, .. } = many(seeds(), mutant, |failure| failure.contains(by));
    show(&format!("{failures:?}"));
    assert!(!failures.is_empty(), "it goes unnoticed");
}

/// The same for a product that lacks a part of its statements.
fn is_found_without(part: impl Fn(&mut Without), by: &str) {
    let mut mutant = Mutant::default();
    part(&mut mutant.without);
    is_found(mutant, by);
}

#[test]
fn bytes_before_the_claim_are_found() {
    is_found_without(|rules| rules.claim_first = true, "no row of it is claimed");
}

#[test]
fn a_claim_without_a_stamp_is_found() {
    is_found_without(|rules| rules.stamp = true, "is released");
}

#[test]
fn the_release_of_what_was_touched_is_found() {
    is_found(Mutant { is_blind: true, ..Mutant::default() }, "is released");
}

#[test]
fn a_read_before_the_lock_is_found() {
    is_found_without(|rules| rules.look_after_lock = true, "never was so");
}

#[test]
fn an_answer_without_a_second_look_is_found() {
    is_found_without(|rules| rules.second_look = true, "without a second look");
}

#[test]
fn children_by_nearness_are_found() {
    is_found_without(|rules| rules.moment = true, "revoked by a user");
}

#[test]
fn absence_that_is_believed_without_a_canary_is_found() {
    is_found_without(|rules| rules.canary = true, "is there");
}

#[test]
fn a_hold_that_is_no_part_of_the_claim_is_found() {
    is_found_without(|rules| rules.hold = true, "its hold was answered");
}

#[test]
fn an_audit_outside_of_the_transaction_is_found() {
    is_found_without(|rules| rules.audit_inside = true, "without its entry");
}

#[test]
fn rules_that_do_not_see_what_was_deleted_with_an_image_are_found() {
    is_found_without(|rules| rules.labels = true, "is not due until");
}

#[test]
fn shorter_times_that_nobody_has_to_accept_are_found() {
    is_found_without(|rules| rules.kept_times = true, "is not due until");
}

#[test]
fn a_purge_of_what_another_image_names_is_found() {
    is_found_without(|rules| rules.purge_names = true, "names it");
}

#[test]
fn kept_data_that_comes_back_without_proof_is_found() {
    is_found_without(|rules| rules.proof = true, "is back with the data of");
}
