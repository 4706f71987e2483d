//! Runs the product on images that the real Glance has deleted, and examines the results.

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
/// Images of a round that are due, that are reverted one by one, that are reverted in bulk, and
/// that nobody requests.
const DUE: usize = 8;
const ONE_BY_ONE: usize = 5;
const TOGETHER: usize = 9;
const LEFT: usize = 2;
const SKIPPED: i32 = 75;
/// Descriptors that a service may have open in addition to those at its start: its database
/// connections.
const MORE_DESCRIPTORS: usize = 24;

/// Random choices that continue those of earlier rounds with the same seed.
pub(super) fn chance() -> Chance {
    let seed = env::seed().unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 >> 1);
    eprintln!("GLANCE_REVERT_TEST_SEED={seed}");
    Chance(seed)
}

/// A database, a store, and the product.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) kind: Kind,
    /// Through the proxy between the product and its database, if there is one.
    pub(super) setup: Setup,
    /// Without the proxy.
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

    /// Adds a variable to the product's environment.
    pub(super) fn with_variable(mut self, name: &'static str, value: String) -> Self {
        self.setup = self.setup.with_variable(name, value);
        self
    }

    /// Creates the images of a round.
    pub(super) async fn prepare(&mut self, prefix: &str) {
        let ids = ids(prefix);
        self.world.deleted_by_glance(self.kind, &ids[..DUE], LONG_DUE).await;
        self.world.deleted_by_glance(self.kind, &ids[DUE..], 0).await;
        let due = ids[..DUE].iter().cloned().collect();
        self.rounds.insert(prefix.to_owned(), Told { due, ..Told::default() });
    }

    /// Does everything at once during the fault: single reverts, also of images that are due, and a
    /// bulk revert, while the service's passes run.
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

    /// Records the requests and responses.
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

    /// Whether all responses of the round arrived and were successful, except for images that are
    /// due.
    pub(super) fn was_undisturbed(&self, prefix: &str) -> bool {
        self.rounds[prefix].back.iter().filter(|id| !self.rounds[prefix].due.contains(*id)).count()
            == ONE_BY_ONE + TOGETHER
    }

    /// Runs two passes without faults, then checks everything.
    pub(super) async fn settles(&mut self) {
        for _ in 0..2 {
            self.quiet_pass().await;
        }
        self.check("").await;
    }

    pub(super) async fn quiet_pass(&self) {
        let pass = until("a pass", async || {
            let pass = self.direct.run(&["scrub", "--json"]).await;
            // the server may need a moment to notice that a process is gone
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

    /// Reverts everything that still exists, and checks that it is complete.
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
        // rounds that were checked need no second check
        self.rounds.clear();
    }

    /// Checks that a service that ends leaves nothing: no helper, descriptor, session or lock.
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

    /// Checks that the product has no session, and nobody a lock.
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

/// The responses to the callers of a round; `None` where no response came.
#[derive(Debug)]
pub(super) struct Answers {
    one_by_one: Vec<(String, Option<(StatusCode, Value)>)>,
    together: Vec<String>,
    bulk: Option<(StatusCode, Value)>,
}

impl Told {
    /// Records a refusal, which must be a documented one; for an image that is not due only an
    /// unavailable database or a taken lock is allowed.
    fn refuse(&mut self, id: String, status: StatusCode, error: &Value) {
        let reason = error["reason"].as_str().unwrap_or("none").to_owned();
        // single responses and bulk results have the same reasons
        let is_known = matches!(
            (status.as_u16(), &*reason),
            (503 | 409, "db.unavailable" | "image.scrub_in_progress" | "image.already_active")
                | (409, "image.already_scrubbed" | "image.data_missing")
                | (408, "request.timeout")
                // the clock of the token's verifier has jumped
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

/// Returns status and body; `None` if no response came.
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

/// A random time within a span, determined by the seed.
pub(super) async fn a_moment(chance: &mut Chance, most: Duration) {
    let micros = usize::try_from(most.as_micros()).unwrap();
    tokio::time::sleep(Duration::from_micros(chance.below(micros) as u64)).await;
}
