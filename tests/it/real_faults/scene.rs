//! The product at work on images that the real Glance has deleted, and the look at what became of them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use glance_revert::domain::image::ImageId;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::checker::{Seen, Told};
use crate::support::chance::Chance;
use crate::support::daemon::{Service, Setup, until};
use crate::support::database::Kind;
use crate::support::env;
use crate::support::world::World;

/// Images are due three days after they were deleted.
const SCRUB_TIME: &str = "259200";
const LONG_DUE: i64 = 10;
/// Images of a round that are due, that are asked for one by one, that are asked for at once, and
/// that nobody asks for.
const DUE: usize = 8;
const ONE_BY_ONE: usize = 5;
const TOGETHER: usize = 9;
const LEFT: usize = 2;
const SKIPPED: i32 = 75;
/// What a service may have open more than at its start: its connections to the database.
const MORE_DESCRIPTORS: usize = 24;

/// Where a round goes on from what an earlier run of the same seed did.
pub(super) fn chance() -> Chance {
    let seed = env::seed().unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 >> 1);
    eprintln!("GLANCE_REVERT_TEST_SEED={seed}");
    Chance(seed)
}

/// A database, a store, and the product beside them.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) kind: Kind,
    /// By whatever stands between the product and its database.
    pub(super) setup: Setup,
    /// Past it.
    direct: Setup,
    rounds: BTreeMap<String, Told>,
}

impl Scene {
    pub(super) async fn new(kind: Kind) -> Self {
        let world = World::with_tables(kind).await;
        let url = world.db.url();
        Self::around(world, kind, &url, "").await
    }

    /// `url` is how the product reaches its database; `revert` are lines for `[revert]`.
    pub(super) async fn around(world: World, kind: Kind, url: &str, revert: &str) -> Self {
        let setup = |url: &str, revert: &str| {
            Setup::new(&world, url, revert).with_variable("OS_DEFAULT__SCRUB_TIME", SCRUB_TIME)
        };
        let (setup, direct) = (setup(url, revert), setup(&world.db.url(), ""));
        let scene = Self { world, kind, setup, direct, rounds: BTreeMap::new() };
        let canary = ["canary-0".to_owned()];
        scene.world.deleted_by_glance(kind, &canary, 0).await;
        let back = scene.direct.run(&["revert", &canary[0]]).await;
        assert!(back.status.success(), "{back:?}");
        scene
    }

    /// The same with a variable in the environment of the product.
    pub(super) fn with_variable(mut self, name: &'static str, value: String) -> Self {
        self.setup = self.setup.with_variable(name, value);
        self
    }

    /// Makes the images of a round.
    pub(super) async fn prepare(&mut self, prefix: &str) {
        let ids = ids(prefix);
        self.world.deleted_by_glance(self.kind, &ids[..DUE], LONG_DUE).await;
        self.world.deleted_by_glance(self.kind, &ids[DUE..], 0).await;
        let due = ids[..DUE].iter().cloned().collect();
        self.rounds.insert(prefix.to_owned(), Told { due, ..Told::default() });
    }

    /// Everything at once, while whatever is to break breaks: reverts one by one, of images that are
    /// due too, and many at once; the service's passes go on beside it.
    pub(super) async fn work(&self, service: &Service, prefix: &str) -> Answers {
        let ids = ids(prefix);
        let (due, rest) = ids.split_at(DUE);
        let (alone, rest) = rest.split_at(ONE_BY_ONE);
        let together = rest[..TOGETHER].to_vec();
        let alone = due[DUE / 2..].iter().rev().chain(alone).cloned();
        let one_by_one = futures::stream::iter(alone)
            .map(|id| async move { (id.clone(), answer(service.revert(&id).await).await) })
            .buffer_unordered(3)
            .collect::<Vec<_>>();
        let body = json!({"image_ids": together});
        let bulk =
            async { answer(service.post("/v2/pending-deletes/actions/revert", &body).await).await };
        let (one_by_one, bulk) = tokio::join!(one_by_one, bulk);
        Answers { one_by_one, together, bulk }
    }

    /// Remembers what was asked and answered.
    pub(super) fn note(&mut self, prefix: &str, answers: Answers) {
        let told = self.rounds.get_mut(prefix).unwrap();
        told.asked.extend(answers.together.iter().cloned());
        for (id, answer) in answers.one_by_one {
            told.asked.insert(id.clone());
            match answer {
                Some((StatusCode::OK, _)) => drop(told.back.insert(id)),
                Some((status, body)) => told.refuse(id, status, &body["error"]),
                None => {}
            }
        }
        match answers.bulk {
            Some((StatusCode::OK, body)) => {
                for result in body["results"].as_array().unwrap() {
                    let id = result["image_id"].as_str().unwrap().to_owned();
                    match result["outcome"].as_str().unwrap() {
                        "reverted" | "already_reverted" => drop(told.back.insert(id)),
                        _ => told.refuse(id, StatusCode::CONFLICT, result),
                    }
                }
            }
            Some((status, body)) => {
                told.refuse(answers.together[0].clone(), status, &body["error"]);
            }
            None => {}
        }
    }

    /// Whether all of the round's answers came and were good ones, but for what was due.
    pub(super) fn was_undisturbed(&self, prefix: &str) -> bool {
        self.rounds[prefix].back.iter().filter(|id| !self.rounds[prefix].due.contains(*id)).count()
            == ONE_BY_ONE + TOGETHER
    }

    /// Two passes of processes that nothing disturbs, then the look at everything.
    pub(super) async fn settles(&mut self) {
        for _ in 0..2 {
            self.quiet_pass().await;
        }
        self.check("").await;
    }

    pub(super) async fn quiet_pass(&self) {
        let pass = until("a pass", async || {
            let pass = self.direct.run(&["scrub", "--json"]).await;
            // the server may need a moment to see that a process is gone
            (pass.status.code() != Some(SKIPPED)).then_some(pass)
        })
        .await;
        let told = String::from_utf8_lossy(&pass.stdout);
        assert_eq!(pass.status.code(), Some(0), "{told} {}", last_lines(&pass.stderr));
    }

    async fn check(&self, when: &str) {
        let mut problems = Vec::new();
        for (prefix, told) in &self.rounds {
            let seen = Seen::of(&self.world, prefix).await;
            problems.extend(seen.problems(told));
        }
        assert!(problems.is_empty(), "{when}{}", problems.join("\n"));
    }

    /// Everything that still exists comes back, and is whole.
    pub(super) async fn rest_comes_back(&mut self) {
        for (prefix, told) in &mut self.rounds {
            let seen = Seen::of(&self.world, prefix).await;
            let exist: Vec<_> = seen.files.keys().cloned().collect();
            told.asked.extend(exist.iter().cloned());
            let arguments: Vec<_> =
                ["revert", "--yes"].into_iter().chain(exist.iter().map(|id| &**id)).collect();
            let back = self.direct.run(&arguments).await;
            assert!(back.status.success(), "{exist:?}: {}", last_lines(&back.stderr));
            told.back.extend(exist);
        }
        self.check("after all came back: ").await;
        // what was checked need not be looked at again
        self.rounds.clear();
    }

    /// Nothing is left of a service that ends: no helper, no descriptor, no session, no lock.
    pub(super) async fn ends(&mut self, mut service: Service, descriptors: usize) {
        let pid = service.child.id().unwrap();
        until("descriptors to be closed", async || {
            (descriptors_of(pid) <= descriptors + MORE_DESCRIPTORS).then_some(())
        })
        .await;
        assert_eq!(children_of(pid), "", "helpers");
        service.terminate().await;
        assert_eq!(service.ended().await.code(), Some(0));
        self.is_free().await;
    }

    /// No session of the product's, and no lock of anybody's.
    pub(super) async fn is_free(&self) {
        let user = &self.world.db.user().unwrap().name;
        let sessions = if self.kind == Kind::Postgres {
            format!("SELECT COUNT(*) FROM pg_stat_activity WHERE usename = '{user}'")
        } else {
            format!("SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{user}'")
        };
        until("the sessions to end", async || {
            let left = self.world.db.rows(&sessions).await[0][0].clone();
            (left.as_deref() == Some("0")).then_some(())
        })
        .await;
        let database = self.world.open();
        let ids: Vec<_> =
            self.rounds.keys().flat_map(|prefix| ids(prefix)).map(|id| parsed(&id)).collect();
        let locks = database.lock.try_lock_all(&ids).await.unwrap();
        assert_eq!(locks.len(), ids.len(), "locks are left");
        database.lock.release_all(locks).await;
        database.lock.try_lock_pass().await.unwrap().unwrap().release().await;
    }
}

/// What the callers of a round were answered; `None` where no answer came.
#[derive(Debug)]
pub(super) struct Answers {
    one_by_one: Vec<(String, Option<(StatusCode, Value)>)>,
    together: Vec<String>,
    bulk: Option<(StatusCode, Value)>,
}

impl Told {
    /// Only what is documented may be said; of an image whose time has not come only that the database
    /// does not serve, or that somebody has it.
    fn refuse(&mut self, id: String, status: StatusCode, error: &Value) {
        let reason = error["reason"].as_str().unwrap_or("none").to_owned();
        // single answers and the results of many have the same reasons
        let is_known = matches!(
            (status.as_u16(), &*reason),
            (503 | 409, "db.unavailable" | "image.scrub_in_progress" | "image.already_active")
                | (409, "image.already_scrubbed" | "image.data_missing")
                | (408, "request.timeout")
                // the clock of whoever looks at the token has jumped
                | (401, _)
        );
        assert!(is_known, "{id}: {status} {error}");
        self.refused.push((id, reason));
    }
}

fn ids(prefix: &str) -> Vec<String> {
    crate::support::crowd::ids(prefix, DUE + ONE_BY_ONE + TOGETHER + LEFT)
}

fn parsed(id: &str) -> ImageId {
    ImageId::parse(id).unwrap()
}

/// `None` where none came.
async fn answer(answer: Result<Response, reqwest::Error>) -> Option<(StatusCode, Value)> {
    let answer = answer.ok()?;
    let status = answer.status();
    answer.json().await.ok().map(|body| (status, body))
}

fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

pub(super) fn descriptors_of(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

fn children_of(pid: u32) -> String {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let children = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children"));
    tasks.filter_map(|task| children(task.unwrap()).ok()).collect()
}

/// A moment within a span that depends on the seed.
pub(super) async fn a_moment(chance: &mut Chance, most: Duration) {
    let micros = usize::try_from(most.as_micros()).unwrap();
    tokio::time::sleep(Duration::from_micros(chance.below(micros) as u64)).await;
}
