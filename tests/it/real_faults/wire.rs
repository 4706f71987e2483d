//! Faults of the connection between the product and its database.

use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::timeout;

use super::scene::{Scene, chance, descriptors_of};
use crate::support::database::{Kind, tests_on};
use crate::support::env;
use crate::support::proxy::{Fault, Proxy};
use crate::support::statements::{Fate, StatementProxy};
use crate::support::world::World;

tests_on!(
    mariadb,
    Mariadb,
    [#[ignore = "needs the servers of make test"]],
    a_service_whose_connections_fail_at_any_message_does_no_harm,
    a_service_whose_commits_are_answered_late_never_or_not_heard_does_no_harm
);
tests_on!(
    postgres,
    Postgres,
    [#[ignore = "needs the servers of make test"]],
    a_service_whose_connections_fail_at_any_message_does_no_harm,
    a_service_whose_commits_are_answered_late_never_or_not_heard_does_no_harm
);

/// Approximate number of messages in a round.
const MESSAGES: usize = 150;
/// Longer than the product waits for its database.
const TOO_LATE: Duration = Duration::from_secs(18);
/// How long to wait for a COMMIT that does not come.
const NOT_ANY_MORE: Duration = Duration::from_secs(25);

async fn through_a_proxy(kind: Kind) -> (Scene, Proxy) {
    let world = World::with_tables(kind).await;
    let proxy = Proxy::start(&world.db.url()).await;
    let url = proxy.url(&world.db.url());
    (Scene::around(world, kind, &url, "").await, proxy)
}

async fn a_service_whose_connections_fail_at_any_message_does_no_harm(kind: Kind) {
    let (mut scene, proxy) = through_a_proxy(kind).await;
    let service = scene.setup.serve().await;
    service.ready(StatusCode::OK).await;
    let descriptors = descriptors_of(service.child.id().unwrap());
    let (mut chance, mut came) = (chance(), 0);
    for round in 0..env::rounds(5) {
        let prefix = format!("w{round}");
        scene.prepare(&prefix).await;
        let message = chance.below(MESSAGES);
        proxy.fail(match chance.below(4) {
            0 => Fault::Unsent(message),
            1 => Fault::Closed(message),
            _ => Fault::Unanswered(message),
        });
        let heals = async {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            proxy.heal()
        };
        let (answers, has_come) = tokio::join!(scene.work(&service, &prefix), heals);
        scene.note(&prefix, answers);
        came += usize::from(has_come);
        scene.settles().await;
        scene.rest_comes_back().await;
    }
    assert!(came > 0, "no fault came");
    service.ready(StatusCode::OK).await;
    scene.ends(service, descriptors).await;
}

/// COMMIT as sent to the database; "READ COMMITTED" must not match.
fn commit(kind: Kind) -> &'static str {
    if kind == Kind::Postgres { "COMMIT\0" } else { "COMMIT" }
}

/// The COMMIT may be that of a claim, a settlement, a revert, a bulk revert or a pass record; each
/// has taken effect.
async fn a_service_whose_commits_are_answered_late_never_or_not_heard_does_no_harm(kind: Kind) {
    let world = World::with_tables(kind).await;
    let proxy = StatementProxy::start(&world.db.url()).await;
    let url = proxy.url(&world.db.url());
    let mut scene = Scene::around(world, kind, &url, "").await;
    let service = scene.setup.serve().await;
    service.ready(StatusCode::OK).await;
    let descriptors = descriptors_of(service.child.id().unwrap());
    let (mut chance, mut undisturbed, mut came) = (chance(), 0, 0);
    let rounds = env::rounds(6);
    for round in 0..rounds {
        let prefix = format!("c{round}");
        scene.prepare(&prefix).await;
        // one round in five answers too late, the others never or soon
        let how = round % 5;
        let fate = if how % 2 == 0 { Fate::Lost } else { Fate::Late };
        proxy.keep_answer(commit(kind), chance.below(7), fate);
        let late = async {
            proxy.stopped().await;
            let delay = if how == 1 { TOO_LATE } else { Duration::from_millis(400) };
            tokio::time::sleep(delay).await;
            proxy.let_go();
        };
        // a slow machine may have fewer COMMITs left than were chosen
        let late = timeout(NOT_ANY_MORE, late);
        let (answers, late) = tokio::join!(scene.work(&service, &prefix), late);
        proxy.let_go();
        came += usize::from(late.is_ok());
        scene.note(&prefix, answers);
        undisturbed += usize::from(scene.was_undisturbed(&prefix));
        scene.settles().await;
        scene.rest_comes_back().await;
    }
    assert!(came > 0, "no COMMIT met its fate");
    eprintln!("{undisturbed} of {rounds} rounds went on as if nothing was");
    service.ready(StatusCode::OK).await;
    scene.ends(service, descriptors).await;
}
