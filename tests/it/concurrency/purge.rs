//! The real `glance-manage db purge` during a revert: a reverted image is safe from it.

use std::time::Duration;

use tokio::time::timeout;

use crate::support::cloud::{Cloud, SMALL};
use crate::support::database::{Kind, TestDatabase, on_each_database};
use crate::support::glance::{Glance, GlanceOptions, Stores};
use crate::support::service::Service;
use crate::support::statements::StatementProxy;

on_each_database! {
    with glance:
    a_purge_that_began_during_a_revert_takes_nothing_of_what_came_back,
}

async fn a_purge_that_began_during_a_revert_takes_nothing_of_what_came_back(kind: Kind) {
    during_a_revert(TestDatabase::create(kind).await, kind).await;
}

/// Stops the revert before its COMMIT, until the purge waits for its rows (or has ended).
pub(crate) async fn during_a_revert(database: TestDatabase, kind: Kind) {
    let stores = Stores::Multi;
    let options = GlanceOptions { stores, scrub_time: 3600, ..GlanceOptions::default() };
    let glance = Glance::start(&database, options).await;
    let (mut url, mut proxy) = (database.url(), None);
    if kind != Kind::Sqlite {
        let started = StatementProxy::start(&url).await;
        url = started.url(&url);
        proxy = Some(started);
    }
    let service = Service::start(glance.config_file(), &url, "").await;
    let cloud = Cloud { database, glance, service };
    for _ in 0..ATTEMPTS {
        if purged_during_a_revert(&cloud, kind, proxy.as_ref()).await {
            return;
        }
    }
    panic!("glance-manage never came in time");
}

/// glance-manage may take longer to start than a revert waits for a response.
const ATTEMPTS: usize = 5;

/// Returns whether the purge waited for the revert.
async fn purged_during_a_revert(cloud: &Cloud, kind: Kind, proxy: Option<&StatementProxy>) -> bool {
    let id = cloud.image("fast", SMALL).await;
    cloud.admin().add_tag(&id, "kept").await;
    let before = cloud.document(&id).await;
    cloud.admin().delete(&id).await;
    service_answers(cloud).await;

    if let Some(proxy) = proxy {
        // "READ COMMITTED" must not match
        proxy.stop_at(if kind == Kind::Postgres { "COMMIT\0" } else { "COMMIT" });
    }
    let reverted = cloud.service.revert(&id);
    let purged = async {
        let Some(proxy) = proxy else {
            cloud.glance.db_purge(0).await;
            return true;
        };
        proxy.stopped().await;
        let purge = cloud.glance.db_purge(0);
        let let_go = async {
            let waits =
                timeout(Duration::from_secs(12), waits_for_rows(&cloud.database, kind)).await;
            proxy.let_go();
            waits.is_ok()
        };
        tokio::join!(purge, let_go).1
    };
    let (reverted, waited) = tokio::join!(reverted, purged);
    if reverted.status == 200 {
        assert_eq!(cloud.admin().download(&id).await, (200, SMALL.to_vec()));
        assert_eq!(cloud.document(&id).await, before);
    } else if waited {
        // On SQLite, the single writer may have been the purge.
        assert_eq!((kind, reverted.status), (Kind::Sqlite, 409), "{reverted:?}");
    }
    waited
}

/// Makes the service open its connections before anything blocks.
async fn service_answers(cloud: &Cloud) {
    assert_eq!(cloud.service.get("/v2/pending-deletes").await.status, 200);
}

async fn waits_for_rows(database: &TestDatabase, kind: Kind) {
    let waiting = match kind {
        Kind::Sqlite => return,
        Kind::Mariadb => {
            // InnoDB's own table of waits is not refreshed while it is queried repeatedly
            "SELECT info FROM information_schema.processlist WHERE db = DATABASE() \
             AND time_ms > 300 AND info LIKE 'DELETE FROM image%'"
        }
        Kind::Postgres => {
            "SELECT query FROM pg_stat_activity WHERE datname = current_database() \
             AND wait_event_type = 'Lock' AND query LIKE 'DELETE FROM image%'"
        }
    };
    while database.rows(waiting).await.is_empty() {
        tokio::task::yield_now().await;
    }
}
