//! The actors of a world: users, operators, scrubbers, strangers, and random events.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use glance_revert::domain::control::{ControlError, HoldOutcome};
use glance_revert::domain::image::{ImageId, State};
use glance_revert::domain::principal::Admin;
use glance_revert::domain::revert::{Many, RevertError, RevertRequest, Reverted, Verify};
use glance_revert::domain::selection::{Filter, Selection};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::answers;
use crate::chance::{Chance, word};
use crate::glance::Glance;
use crate::objects::{Mount, STORES};
use crate::process::{Process, Product};
use crate::purge;
use crate::world::World;

/// The images of a world. No bookmark of a pass sorts before them.
pub(crate) const IMAGES: [&str; 4] = ["image-1", "image-2", "image-3", "image-4"];
/// Maximum number of actions of each actor.
const STEPS: u64 = 7;

fn image(chance: &mut Chance) -> &'static str {
    chance.pick(&IMAGES).copied().unwrap_or(IMAGES[0])
}

fn id(image: &str) -> ImageId {
    ImageId::parse(image).unwrap()
}

/// Waits between two actions: usually for a short time, sometimes until something is due.
async fn idle(chance: &mut Chance) {
    let millis = match chance.below(100) {
        0..55 => chance.below(40),
        55..75 => chance.below(3000),
        75..88 => chance.below(120_000),
        _ => chance.below(900_000),
    };
    sleep(Duration::from_millis(millis)).await;
}

/// A user of Glance's API.
pub(crate) async fn user(world: Arc<World>, number: u64) {
    let mut chance = Chance::of(world.seed, &[word("user"), number]);
    for _ in 0..STEPS {
        idle(&mut chance).await;
        let (glance, image) = (Glance::new(&world), image(&mut chance));
        match chance.below(20) {
            0..9 => glance.delete(image, &mut chance).await,
            9..11 => glance.remove_location(image, &mut chance),
            11..13 => glance.add_location(image, &mut chance),
            13..15 => glance.copy_image(image, &mut chance).await,
            15..18 => glance.change_child(image, &mut chance),
            _ => glance.turn(image),
        }
    }
}

/// Reverts images, either with a new process for each call or with one process for several calls.
pub(crate) async fn operator(world: Arc<World>, number: u64) {
    let mut chance = Chance::of(world.seed, &[word("operator"), number]);
    let mut process = Process::start(&world);
    for _ in 0..STEPS {
        idle(&mut chance).await;
        if process.dead.is_cancelled() {
            process = Process::start(&world);
        }
        let product = process.product();
        let (act, image) = (chance.below(26), image(&mut chance));
        let keeps = world.odds.has_keeper();
        let acts = async {
            match act {
                20..22 if keeps => {
                    answers::revert(&process, &product, image, Verify::Checksum).await;
                }
                22..25 if keeps => purge::purge(&process, &product, &mut chance).await,
                25 if world.odds.rules => accept(&world, &product).await,
                20 if !keeps => release(&world, &product, image).await,
                0..9 | 20.. => answers::revert(&process, &product, image, Verify::Exists).await,
                9..13 => revert_many(&process, &product).await,
                13..15 => answers::preview(&process, &product, image).await,
                15..17 => hold(&process, &product, image, &mut chance).await,
                17 => release(&world, &product, image).await,
                18 => pause(&process, &product).await,
                _ => resume(&world, &product).await,
            }
        };
        process.run(acts).await;
    }
}

async fn revert_many(process: &Process, product: &Product) {
    let world = &process.world;
    let ids: Vec<_> = IMAGES.iter().map(|image| id(image)).collect();
    let many = Many { ids: &ids, request: RevertRequest::whole(Verify::Exists), jobs: 3 };
    let began = world.elapsed();
    let mut told = |at: usize, result: Result<Reverted, RevertError>| {
        answers::check(process, IMAGES[at], (began, Verify::Exists), &result);
    };
    let (stop, admin) = (CancellationToken::new(), Admin::local_operator());
    let _ = product.reverter.revert_many(&admin, &many, &stop, &mut told).await;
}

async fn hold(process: &Process, product: &Product, image: &str, chance: &mut Chance) {
    let (world, admin) = (&process.world, Admin::local_operator());
    let until = world.now() + TimeDelta::seconds(i64::try_from(60 + chance.below(3000)).unwrap());
    if chance.permille(500) {
        if let Ok(held) = product.control.hold(&admin, &id(image), Some(until), None).await {
            let until = held.hold.term.until.min(world.database.stored(until));
            // somebody may have ended it meanwhile
            let runs = world.database.latest(|tables| {
                tables.holds.get(image).is_some_and(|hold| hold.term.until >= until)
            });
            if runs {
                world.truth.seen.lock().unwrap().held.insert(image.to_owned(), until);
                world.truth.tell(|| format!("{image} is held until {until}"));
            }
        }
        return;
    }
    let filter = Filter { owner: Some("p1".to_owned()), ..Filter::default() };
    let selection = Selection::Waiting(filter);
    let held = product.control.hold_all(&admin, &selection, Some(until), None).await;
    match held {
        Ok(held) => {
            let refused = held.failures.iter().filter(|(_, why)| *why == HoldOutcome::Held);
            if refused.count() > 0 {
                world.truth.fail("an image that is held is told as a failure".to_owned());
            }
        }
        Err(ControlError::Repo(_) | ControlError::NothingSelected) => {}
        Err(error) => world.truth.fail(format!("holding all is refused: {error}")),
    }
}

async fn release(world: &World, product: &Product, image: &str) {
    world.truth.seen.lock().unwrap().held.remove(image);
    let _ = product.control.release(&Admin::local_operator(), &id(image)).await;
}

async fn pause(process: &Process, product: &Product) {
    let (world, admin) = (&process.world, Admin::local_operator());
    let until = world.now() + TimeDelta::minutes(20);
    if let Ok(paused) = product.control.pause(&admin, Some(until), None).await {
        let until = world.database.stored(until).min(paused.pause.term.until);
        // somebody may have ended it meanwhile
        let runs = world.database.latest(|tables| {
            tables.orders.pause.as_ref().is_some_and(|pause| pause.term.until >= until)
        });
        if runs {
            world.truth.seen.lock().unwrap().paused = Some(until);
            world.truth.tell(|| format!("paused until {until}"));
        }
    }
}

async fn resume(world: &World, product: &Product) {
    world.truth.seen.lock().unwrap().paused = None;
    let _ = product.control.resume(&Admin::local_operator()).await;
}

/// Accepts whatever shorter times make due.
pub(crate) async fn accept(world: &World, product: &Product) {
    world.truth.seen.lock().unwrap().is_accepted = true;
    let _ = product.control.accept(&Admin::local_operator(), 1000).await;
}

/// A process that runs passes, replaced by a new one when it dies.
pub(crate) async fn scrubber(world: Arc<World>, number: u64) {
    let mut chance = Chance::of(world.seed, &[word("scrubber"), number]);
    let mut left = STEPS;
    while left > 0 {
        let process = Process::start(&world);
        let product = process.product();
        while left > 0 && !process.dead.is_cancelled() {
            left -= 1;
            sleep(Duration::from_millis(chance.below(300_000))).await;
            let stop = CancellationToken::new();
            let troubles = trouble(&world, &process, &stop, &mut chance);
            let passes = async {
                let report = product.scrubber.run_once(&stop).await;
                process.world.truth.tell(|| format!("process {} {report:?}", process.number));
            };
            // The disturbance ends with the pass.
            tokio::select! {
                biased;
                _ = process.run(passes) => {}
                () = troubles => {}
            }
            // somebody restarts it after the files were changed
            let is_old = world.truth.policies.number(world.elapsed()) != process.policy;
            if is_old && chance.permille(500) {
                break;
            }
        }
    }
}

/// Disturbs a pass.
async fn trouble(
    world: &Arc<World>,
    process: &Process,
    stop: &CancellationToken,
    chance: &mut Chance,
) {
    sleep(Duration::from_millis(chance.below(40))).await;
    match chance.below(10) {
        0 => {
            sleep(Duration::from_millis(chance.below(200_000))).await;
            stop.cancel();
        }
        1 => world.locks.lose(process.number),
        // the process freezes, and the world goes on
        2..6 => {
            let time = Duration::from_millis(chance.below(400_000));
            process.freeze(time, chance.permille(700));
            if chance.permille(400) {
                let other = Process::start(world);
                let product = other.product();
                hold(&other, &product, image(chance), chance).await;
            }
            if chance.permille(500) {
                sleep(time / 2).await;
                stop.cancel();
            }
        }
        _ => {}
    }
    std::future::pending::<()>().await;
}

/// Programs that do not know the product.
pub(crate) async fn stranger(world: Arc<World>) {
    let mut chance = Chance::of(world.seed, &[word("stranger")]);
    for _ in 0..STEPS / 2 {
        idle(&mut chance).await;
        let (glance, image) = (Glance::new(&world), image(&mut chance));
        match chance.below(8) {
            0..3 => glance.scrub(image, &mut chance).await,
            3..5 => glance.restore(image),
            5 => world.take_by_hand(image, chance.pick(&STORES).copied().unwrap_or(STORES[0])),
            _ => {
                let minutes = i64::try_from(1 + chance.below(30)).unwrap();
                glance.purge(TimeDelta::minutes(minutes));
            }
        }
    }
}

/// Shares that come and go, clocks that jump, nodes that lag.
pub(crate) async fn weather(world: Arc<World>) {
    let mut chance = Chance::of(world.seed, &[word("weather")]);
    for _ in 0..STEPS {
        idle(&mut chance).await;
        if world.odds.mounts {
            let store = chance.pick(&STORES).copied().unwrap_or(STORES[0]);
            let mount = [Mount::Up, Mount::Up, Mount::Empty, Mount::Down];
            world.truth.mounted(store, chance.pick(&mount).copied().unwrap_or_default());
        }
        if world.odds.jumps && chance.permille(300) {
            let jump = i64::try_from(chance.below(1_200_000)).unwrap() - 400_000;
            world.truth.jump(jump);
        }
    }
}

/// Whether nothing is left to do for an image.
pub(crate) fn is_settled(state: State) -> bool {
    matches!(state, State::Live | State::Scrubbed | State::Other)
}
