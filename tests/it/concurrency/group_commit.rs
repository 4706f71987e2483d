//! Concurrent reverts share one transaction.

use std::sync::Arc;

use futures::future::join_all;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::revert::{RevertRequest, Reverter, Verify};
use tokio::task::JoinHandle;

use crate::support::crowd::{self, Fate, LONG_AGO};
use crate::support::database::{Kind, on_each_database};
use crate::support::statements::StatementProxy;
use crate::support::world::World;

on_each_database! {
    reverts_that_wait_for_one_that_is_written_share_a_transaction,
    a_caller_who_disconnects_cancels_no_other_call,
    an_image_that_the_database_refuses_blocks_no_other,
}

const IMAGES: usize = 20;

/// COMMIT as sent to the database; "READ COMMITTED" must not match.
fn commit(kind: Kind) -> &'static str {
    if kind == Kind::Postgres { "COMMIT\0" } else { "COMMIT" }
}

/// One revert that stops before its COMMIT, and all others queued behind it.
struct Queue {
    world: World,
    proxy: StatementProxy,
    reverts: Vec<JoinHandle<bool>>,
}

impl Queue {
    async fn new(kind: Kind) -> Self {
        Self::of(kind, World::new(kind).await).await
    }

    async fn of(kind: Kind, world: World) -> Self {
        let ids = crowd::ids("one", IMAGES);
        world.crowd(&ids, LONG_AGO).await;
        let proxy = StatementProxy::start(&world.db.url()).await;
        let database = World::open_at(&proxy.url(&world.db.url()));
        let reverter = Arc::new(world.reverter(&database));
        proxy.stop_at(commit(kind));
        let mut reverts: Vec<_> = ids[..1].iter().map(|id| begin(&reverter, id)).collect();
        proxy.stopped().await;
        proxy.heard();
        reverts.extend(ids[1..].iter().map(|id| begin(&reverter, id)));
        let mut heard = String::new();
        while !ids[1..].iter().all(|id| heard.matches(id.as_str()).count() >= ASKED) {
            heard.extend(proxy.heard());
            tokio::task::yield_now().await;
        }
        Self { world, proxy, reverts }
    }
}

/// How often an image's id was sent once its row is read: one statement contains it several times.
const ASKED: usize = 3;

fn begin(reverter: &Arc<Reverter>, id: &str) -> JoinHandle<bool> {
    let (reverter, id) = (Arc::clone(reverter), ImageId::parse(id).unwrap());
    tokio::spawn(async move {
        let request = RevertRequest::whole(Verify::Exists);
        reverter.revert(&Admin::local_operator(), &id, &request).await.is_ok()
    })
}

async fn reverts_that_wait_for_one_that_is_written_share_a_transaction(kind: Kind) {
    if kind == Kind::Sqlite {
        return;
    }
    let Queue { world, proxy, reverts } = Queue::new(kind).await;
    proxy.let_go();
    assert!(join_all(reverts).await.into_iter().all(Result::unwrap));
    assert_eq!(
        world.fates("one").await.values().filter(|fate| **fate == Fate::KEPT).count(),
        IMAGES
    );
    let commits = proxy.heard().iter().filter(|said| said.contains(commit(kind))).count();
    assert!((1..IMAGES / 2).contains(&commits), "{commits} transactions");
}

async fn a_caller_who_disconnects_cancels_no_other_call(kind: Kind) {
    if kind == Kind::Sqlite {
        return;
    }
    let Queue { world, proxy, mut reverts } = Queue::new(kind).await;
    // the first one is being written, the second one waits
    for left in reverts.drain(..2) {
        left.abort();
        assert!(left.await.unwrap_err().is_cancelled());
    }
    proxy.let_go();
    assert!(join_all(reverts).await.into_iter().all(Result::unwrap));
    let fates = world.fates("one").await;
    assert_eq!(fates.values().filter(|fate| **fate == Fate::KEPT).count(), IMAGES - 1, "{fates:?}");
}

/// For example because of a constraint that somebody added.
async fn an_image_that_the_database_refuses_blocks_no_other(kind: Kind) {
    let refuse: &[&str] = match kind {
        Kind::Sqlite => return,
        Kind::Mariadb => &["CREATE TRIGGER refuse BEFORE UPDATE ON images FOR EACH ROW \
             IF NEW.id = 'one-0007' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not this'; \
             END IF"],
        Kind::Postgres => &[
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF NEW.id = 'one-0007' THEN RAISE EXCEPTION 'not this'; END IF; RETURN NEW; END $$",
            "CREATE TRIGGER refuse BEFORE UPDATE ON images FOR EACH ROW EXECUTE FUNCTION refuse()",
        ],
    };
    let world = World::new(kind).await;
    for sql in refuse {
        world.db.execute(sql).await;
    }
    let Queue { world, proxy, reverts } = Queue::of(kind, world).await;
    proxy.let_go();
    let came_back = join_all(reverts).await.into_iter().filter(|one| *one.as_ref().unwrap());
    assert_eq!(came_back.count(), IMAGES - 1);
    let fates = world.fates("one").await;
    assert_eq!(fates["one-0007"], Fate::WAITS);
    assert_eq!(fates.values().filter(|fate| **fate == Fate::KEPT).count(), IMAGES - 1, "{fates:?}");
}
