//! Reverts race scrub passes, a thousand images on each database. Whoever wins, an active image has
//! its bytes, and every caller got the truth.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use glance_revert::db::Database;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::pending::NotPending;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::revert::{RevertError, RevertRequest, Reverter, Verify};
use glance_revert::domain::scrub::{PassLimits, ScrubReport, ScrubSettings, Scrubber};
use glance_revert::domain::store::Stores;
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;

use crate::support::crowd::{Fate, LONG_AGO, ids, tally};
use crate::support::database::{Kind, on_each_database};
use crate::support::odds::{LocksOfNobody, RefusingStores};
use crate::support::world::{HOUR, World};

on_each_database! {
    a_thousand_reverts_against_passes_never_leave_an_active_image_without_bytes,
    the_compare_and_set_alone_decides_where_locks_exclude_nobody,
    claims_that_are_released_resumed_and_reverted_at_once_lose_no_bytes,
}

const ROUNDS: usize = 50;
const IMAGES: usize = 20;
/// Number of concurrent reverts.
const CALLERS: usize = 4;
/// Passes of each of the two scrubbers per round.
const PASSES: usize = 5;

/// The result of each caller, by image.
type Answers = BTreeMap<String, Result<(), RevertError>>;

async fn pass(scrubber: &Scrubber, start: &Barrier) -> ScrubReport {
    start.wait().await;
    scrubber.run_once(&CancellationToken::new()).await.unwrap()
}

/// Several passes, so that one scrubber lists while the other has claims. Returns the released and
/// the resumed claims.
async fn passes(scrubber: &Scrubber, start: &Barrier) -> (u64, u64) {
    let (mut released, mut resumed) = (0, 0);
    start.wait().await;
    for _ in 0..PASSES {
        let report = scrubber.run_once(&CancellationToken::new()).await.unwrap();
        released += report.claims_released;
        resumed += report.resumed;
    }
    (released, resumed)
}

/// Reverts from the last image to the first, against the direction of the pass.
async fn reverts(reverter: &Reverter, ids: &[String], start: &Barrier) -> Answers {
    start.wait().await;
    let one = |id: String| async move {
        let request = RevertRequest::whole(Verify::Exists);
        let image = ImageId::parse(&id).unwrap();
        let answer = reverter.revert(&Admin::local_operator(), &image, &request).await;
        (id, answer.map(drop))
    };
    futures::stream::iter(ids.iter().rev().cloned())
        .map(one)
        .buffer_unordered(CALLERS)
        .collect()
        .await
}

fn is_about_the_scrub(error: &RevertError) -> bool {
    matches!(
        error,
        RevertError::Busy(_)
            | RevertError::Scrubbed { .. }
            | RevertError::NotPending(_, NotPending::ScrubInProgress | NotPending::AlreadyScrubbed)
    )
}

/// The check at the end: a 200 means a complete active image with its bytes, and any other response
/// an image that the scrubber has destroyed.
#[derive(Debug, Default)]
struct Verdict {
    kept: usize,
    scrubbed: usize,
}

impl Verdict {
    async fn judge(&mut self, world: &World, prefix: &str, answers: &Answers) {
        let fates = world.fates(prefix).await;
        assert_eq!(fates.len(), answers.len());
        for (id, fate) in &fates {
            match (&answers[id], fate) {
                (Ok(()), Fate::Live { file: true }) => self.kept += 1,
                (Err(error), Fate::Scrubbed { file: false }) if is_about_the_scrub(error) => {
                    self.scrubbed += 1;
                }
                (answer, fate) => {
                    panic!("{id}: {answer:?}, and then {fate:?}; {:?}", tally(&fates))
                }
            }
        }
    }

    /// Fails if one side always wins, because then there was no race.
    fn assert_raced(&self) {
        eprintln!("{self:?}");
        assert_eq!(self.kept + self.scrubbed, ROUNDS * IMAGES);
        assert!(self.kept >= ROUNDS && self.scrubbed >= ROUNDS, "{self:?}");
    }
}

async fn a_thousand_reverts_against_passes_never_leave_an_active_image_without_bytes(kind: Kind) {
    let world = World::new(kind).await;
    one_pass_a_round(&world).await;
}

/// Reverts and passes of two processes.
pub(crate) async fn one_pass_a_round(world: &World) {
    race(world, &world.open(), &world.open()).await;
}

/// Like two Galera nodes, which each grant every lock.
async fn the_compare_and_set_alone_decides_where_locks_exclude_nobody(kind: Kind) {
    let world = World::new(kind).await;
    race(&world, &without_locks(world.open()), &without_locks(world.open())).await;
}

fn without_locks(database: Database) -> Database {
    Database { lock: Arc::new(LocksOfNobody), ..database }
}

/// Reverts of one process against the passes of another one.
pub(crate) async fn race(world: &World, here: &Database, there: &Database) {
    let (reverter, scrubber) = (world.reverter(here), world.scrubber(there));
    let mut verdict = Verdict::default();
    for round in 0..ROUNDS {
        let prefix = format!("r{round}");
        let images = ids(&prefix, IMAGES);
        world.crowd(&images, LONG_AGO).await;
        let start = Barrier::new(2);
        let (answers, report) =
            tokio::join!(reverts(&reverter, &images, &start), pass(&scrubber, &start));
        assert_eq!((report.failed, report.alerts.len()), (0, 0), "{report:?}");
        verdict.judge(world, &prefix, &answers).await;
    }
    verdict.assert_raced();
}

/// Two scrubbers and the reverts of a third process at once, without locks and with a store that
/// refuses a third of the deletions: released claims, resumed claims and reverts meet.
async fn claims_that_are_released_resumed_and_reverted_at_once_lose_no_bytes(kind: Kind) {
    let world = World::new(kind).await;
    let stores: Arc<dyn Stores> = Arc::new(RefusingStores::new(Arc::clone(&world.stores), 3));
    let databases = [(); 3].map(|()| without_locks(world.open()));
    let [one, two] =
        [&databases[0], &databases[1]].map(|database| scrubber(&world, database, &stores));
    let reverter = world.reverter(&databases[2]);
    let (mut verdict, mut released, mut resumed) = (Verdict::default(), 0, 0);
    for round in 0..ROUNDS {
        let prefix = format!("g{round}");
        let images = ids(&prefix, IMAGES);
        world.crowd(&images, LONG_AGO).await;
        let start = Barrier::new(3);
        let (mut answers, first, second) = tokio::join!(
            reverts(&reverter, &images, &start),
            passes(&one, &start),
            passes(&two, &start)
        );
        released += first.0 + second.0;
        resumed += first.1 + second.1;
        let waiting = after_the_storm(&world, &prefix, &answers).await;
        // Callers who got "in progress" for an image whose claim was released try again.
        answers.extend(reverts(&reverter, &waiting, &Barrier::new(1)).await);
        world.clock.advance(HOUR);
        assert_eq!(world.scrub().await.alerts.len(), 0);
        verdict.judge(&world, &prefix, &answers).await;
    }
    verdict.assert_raced();
    eprintln!("released: {released}, resumed: {resumed}");
    assert!(released > 0 && resumed > 0, "released: {released}, resumed: {resumed}");
}

fn scrubber(world: &World, database: &Database, stores: &Arc<dyn Stores>) -> Scrubber {
    let settings = ScrubSettings {
        scrub_time: Duration::from_mins(1),
        pool_size: 4,
        absent_limit: 1000,
        limits: PassLimits::NONE,
        delayed_delete: true,
    };
    let (repo, lock) = (Arc::clone(&database.scrub_repo), Arc::clone(&database.lock));
    Scrubber::new(repo, lock, Arc::clone(stores), world.clock.clone(), settings)
}

/// Checks the images after both scrubbers; returns those that are pending again.
async fn after_the_storm(world: &World, prefix: &str, answers: &Answers) -> Vec<String> {
    let fates = world.fates(prefix).await;
    for (id, fate) in &fates {
        match (&answers[id], fate) {
            (Ok(()), Fate::Live { file: true })
            | (
                Err(_),
                Fate::Pending { file: true }
                | Fate::Claimed { .. }
                | Fate::Scrubbed { file: false },
            ) => {}
            (answer, fate) => panic!("{id}: {answer:?}, and then {fate:?}; {:?}", tally(&fates)),
        }
    }
    fates.into_iter().filter(|(_, fate)| *fate == Fate::WAITS).map(|(id, _)| id).collect()
}
