//! Orders over HTTP to one process that race passes of other processes: the real binary on one
//! database.

use futures::future::join;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::support::crowd::{Fate, LONG_AGO, ids};
use crate::support::daemon::{Service, Setup, until};
use crate::support::database::{Kind, on_each_database};
use crate::support::env;
use crate::support::world::World;

on_each_database! {
    no_process_claims_an_image_after_another_one_answered_its_hold,
    no_process_claims_an_image_after_another_one_answered_a_pause,
}

/// `GLANCE_REVERT_TEST_ROUNDS` sets another number.
const ROUNDS: usize = 8;
const IMAGES: usize = 12;

/// `serve`, which takes the orders, and the configuration of the concurrent `scrub` processes.
pub(super) struct Processes<'a> {
    world: &'a World,
    serve: Service,
    scrub: Setup,
    http: reqwest::Client,
}

impl<'a> Processes<'a> {
    /// Each uses its own URL of the same database.
    pub(super) async fn start(world: &'a World, serve: &str, scrub: &str) -> Self {
        let serve = Setup::new(world, serve, "scrubber = false").quiet().serve().await;
        let scrub = Setup::new(world, scrub, "").quiet();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { world, serve, scrub, http }
    }

    async fn call(&self, method: Method, path: &str) -> (StatusCode, Value) {
        let url = format!("http://{}/v2/{path}", self.serve.api);
        let request = self.http.request(method, url);
        let request = request.header("authorization", self.serve.authorization());
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn order(&self, method: Method, path: &str) -> Value {
        let (status, document) = self.call(method, path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {document}");
        document
    }

    /// Runs one pass in its own process.
    async fn pass(&self) {
        let output = self.scrub.run(&["scrub"]).await;
        let said = String::from_utf8_lossy(&output.stderr);
        let is_paused = said.contains("the scrubber is paused");
        let is_expected = match output.status.code() {
            // 75: the pass did not begin
            Some(0 | 75) => true,
            Some(1) => is_paused,
            _ => false,
        };
        assert!(is_expected, "{}: {said}", output.status);
    }

    /// Holds race a pass over the same images. A held image must stay; a refused one is gone.
    pub(super) async fn race_holds(&self, rounds: usize) {
        let mut moment = Moment::default();
        let (mut held, mut late) = (0, 0);
        for round in 0..rounds {
            let prefix = format!("h{round}");
            let images = ids(&prefix, IMAGES);
            self.world.crowd(&images, LONG_AGO).await;
            let ordering = async {
                moment.wait(self, round).await;
                let mut answers = Vec::new();
                for image in images.iter().rev() {
                    let path = format!("pending-deletes/{image}/hold");
                    answers.push((image, self.call(Method::PUT, &path).await));
                }
                answers
            };
            let ((), answers) = join(self.pass(), ordering).await;
            let fates = self.world.fates(&prefix).await;
            let mut waits = Vec::new();
            for (image, (status, document)) in answers {
                match (status, &fates[image]) {
                    (StatusCode::OK, fate) if *fate == Fate::WAITS => waits.push(image),
                    (StatusCode::CONFLICT, fate) if *fate == Fate::GONE => late += 1,
                    (_, fate) => panic!("round {round}, {image}: {document}, and then {fate:?}"),
                }
            }
            held += waits.len();
            moment.come_nearer(round, waits.len());
            for image in waits {
                let path = format!("pending-deletes/{image}/hold");
                assert_eq!(self.order(Method::DELETE, &path).await["was_held"], true);
            }
        }
        self.pass().await;
        assert_eq!(self.world.files(), 0, "what was released is scrubbed");
        eprintln!("{rounds} rounds: {held} held, {late} too late");
        assert!(held > 0 && late > 0, "no race: {held} held, {late} too late");
    }

    /// Pauses race a pass. After the response no file is deleted, and no claim is left.
    pub(super) async fn race_pauses(&self, rounds: usize) {
        let mut moment = Moment::default();
        let (mut waiting, mut gone) = (0, 0);
        for round in 0..rounds {
            let prefix = format!("p{round}");
            self.world.crowd(&ids(&prefix, IMAGES), LONG_AGO).await;
            let pause = async {
                moment.wait(self, round).await;
                let paused = self.order(Method::POST, "scrubber/actions/pause").await;
                (paused["claims_in_hand"].clone(), self.world.files())
            };
            let ((), (in_hand, files)) = join(self.pass(), pause).await;
            assert_eq!((in_hand.as_u64(), self.world.files()), (Some(0), files), "round {round}");
            let fates = self.world.fates(&prefix).await;
            let is_whole = |fate: &Fate| [Fate::WAITS, Fate::GONE].contains(fate);
            assert!(fates.values().all(is_whole), "round {round}: {fates:?}");
            let waits = fates.values().filter(|fate| **fate == Fate::WAITS).count();
            waiting += waits;
            gone += IMAGES - waits;
            moment.come_nearer(round, waits);
            let resumed = self.order(Method::POST, "scrubber/actions/resume").await;
            assert_eq!(resumed["was_paused"], true);
        }
        self.pass().await;
        assert_eq!(self.world.files(), 0, "what was left is scrubbed");
        eprintln!("{rounds} rounds: {waiting} waited, {gone} gone before");
        assert!(waiting > 0 && gone > 0, "no race: {waiting} waited, {gone} gone before");
    }
}

/// When to give an order: after this many statements of the pass, so that it coincides with the
/// claims. The first round measures it; each round then adjusts it.
#[derive(Debug, Default)]
struct Moment {
    questions: usize,
}

impl Moment {
    async fn wait(&mut self, processes: &Processes<'_>, round: usize) {
        let ask = || processes.order(Method::GET, "scrubber");
        match round {
            0 => {
                let files = processes.world.files();
                until("the first file gone", async || {
                    ask().await;
                    self.questions += 1;
                    (processes.world.files() < files).then_some(())
                })
                .await;
            }
            // certainly before the pass
            1 => {}
            _ => {
                for _ in 0..self.questions {
                    ask().await;
                }
            }
        }
    }

    fn come_nearer(&mut self, round: usize, waits: usize) {
        let step = 1 + self.questions / 16;
        match waits {
            _ if round < 2 => {}
            IMAGES => self.questions += step,
            0 => self.questions = self.questions.saturating_sub(step),
            _ => {}
        }
    }
}

async fn no_process_claims_an_image_after_another_one_answered_its_hold(kind: Kind) {
    let world = World::with_tables(kind).await;
    let url = world.db.url();
    Processes::start(&world, &url, &url).await.race_holds(env::rounds(ROUNDS)).await;
}

async fn no_process_claims_an_image_after_another_one_answered_a_pause(kind: Kind) {
    let world = World::with_tables(kind).await;
    let url = world.db.url();
    Processes::start(&world, &url, &url).await.race_pauses(env::rounds(ROUNDS)).await;
}
