//! The database user of `deploy/sql/`: its grants are sufficient, and grant no unneeded column.

use glance_revert::db::Database;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::pending::Children;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::{PendingQuery, PendingSort, RepoError, Stretch};
use glance_revert::domain::revert::{RevertRequest, Verify};
use glance_revert::domain::time::Clock;
use tokio_util::sync::CancellationToken;

use crate::support::binary::ConfigFile;
use crate::support::canary;
use crate::support::database::{Kind, ProductUser, tests_on};
use crate::support::world::World;

tests_on!(
    mariadb,
    Mariadb,
    [#[ignore = "needs the servers of make test"]],
    every_statement_of_the_product_is_granted,
    nothing_but_reading_and_updating_columns_is_granted,
    of_our_own_tables_the_audit_is_only_added_to,
    every_granted_column_is_needed
);
tests_on!(
    postgres,
    Postgres,
    [#[ignore = "needs the servers of make test"]],
    every_statement_of_the_product_is_granted,
    nothing_but_reading_and_updating_columns_is_granted,
    of_our_own_tables_the_audit_is_only_added_to,
    every_granted_column_is_needed
);

const MARIADB: &str = include_str!("../../../deploy/sql/mariadb.sql");
const POSTGRES: &str = include_str!("../../../deploy/sql/postgresql.sql");

/// A Glance database whose product user has the grants of the committed file, as in all tests.
struct Granted {
    world: World,
}

impl Granted {
    async fn new(kind: Kind) -> Self {
        Self { world: World::new(kind).await }
    }

    fn user(&self) -> &ProductUser {
        self.world.db.user().unwrap()
    }

    /// `[table, privilege, column]` of each grant.
    async fn columns(&self) -> Vec<[String; 3]> {
        let rows = self
            .world
            .db
            .rows(&format!(
                "SELECT table_name AS t, privilege_type AS p, column_name AS c \
                 FROM information_schema.column_privileges WHERE grantee LIKE '%{}%'",
                self.user().name
            ))
            .await;
        let cell = |cell: Option<String>| cell.unwrap();
        rows.into_iter().map(|row| <[_; 3]>::try_from(row).unwrap().map(cell)).collect()
    }
}

/// Runs every statement of the product, except those that need a won revert or claim; these are
/// rehearsed.
async fn everything(database: &Database, world: &World) -> Result<(), RepoError> {
    let (repo, now) = (&database.scrub_repo, world.clock.now());
    let id = ImageId::parse("a").unwrap();
    repo.ping().await?;
    repo.rehearse().await?;
    repo.get(&id, Children::ALL).await?;
    repo.get_many(std::slice::from_ref(&id)).await?;
    for sort in [PendingSort::NewestFirst, PendingSort::OldestFirst] {
        repo.list_pending(&PendingQuery { sort, limit: 1, ..PendingQuery::default() }, None)
            .await?;
    }
    for by_location in [false, true] {
        repo.waiting(&PendingQuery::default(), None, by_location, &mut |_| {}).await?;
    }
    repo.position(&id).await?;
    repo.list_due(now, 0, 1).await?;
    repo.remnants(now, None, true, Stretch { images: 1, found: 1 }).await?;
    repo.count_due(now).await?;
    repo.outlook([now; 3], now).await?;
    repo.locations_of(std::slice::from_ref(&id), &mut |_| {}).await?;
    repo.needed_locations(now, 0, 1, &mut |_| {}).await?;
    repo.live_locations(0, 1, &mut |_| {}).await?;
    Ok(())
}

async fn every_statement_of_the_product_is_granted(kind: Kind) {
    let granted = Granted::new(kind).await;
    let world = &granted.world;
    let config = ConfigFile::new(&format!(
        "[DEFAULT]\ndelayed_delete = True\nscrub_time = 60\n[database]\nconnection = {}\n\
         [glance_store]\nstores = file\nfilesystem_store_datadir = {}\n\
         [revert]\nmin_scrub_time = 60\n",
        world.db.url(),
        world.datadir().display()
    ));
    let check = config.run(&["check", "--log", "trace"]);
    let line = |what: &str| check.stdout.lines().find(|l| l.contains(what)).unwrap_or_default();
    for what in ["database", "grants", "locks"] {
        assert!(line(what).contains(" ok "), "{what} in {check:?}");
    }
    assert!(check.stderr.contains("TRACE") || check.stderr.contains("DEBUG"), "{check:?}");
    let printed = format!("{}{}", check.stdout, check.stderr);
    assert!(!printed.contains(canary::DATABASE_PASSWORD), "a password in {printed}");

    for id in ["a", "b"] {
        world.deleted_image(id).await;
    }
    let (database, admin) = (world.open(), Admin::local_operator());
    let request = RevertRequest { protect: true, ..RevertRequest::whole(Verify::Exists) };
    let id = ImageId::parse("a").unwrap();
    world.reverter(&database).revert(&admin, &id, &request).await.unwrap();
    assert_eq!(world.status("a").await, "active kept no time");
    let pass = world.scrubber(&database).run_once(&CancellationToken::new()).await.unwrap();
    assert_eq!((pass.scrubbed, pass.failed), (1, 0), "{pass:?}");
    assert!(world.has_data("a") && !world.has_data("b"));
}

async fn nothing_but_reading_and_updating_columns_is_granted(kind: Kind) {
    let granted = Granted::new(kind).await;
    let mut privileges: Vec<_> = granted.columns().await.into_iter().map(|[_, p, _]| p).collect();
    privileges.sort_unstable();
    privileges.dedup();
    assert_eq!(privileges, ["SELECT", "UPDATE"]);
    let whole_tables = format!(
        "SELECT table_name AS t, privilege_type AS p FROM information_schema.table_privileges \
         WHERE grantee LIKE '%{}%' ORDER BY table_name",
        granted.user().name
    );
    let mut whole: Vec<_> =
        granted.world.db.rows(&whole_tables).await.into_iter().flatten().collect();
    // PostgreSQL allows LOCK TABLE with it; from version 17 on with MAINTAIN, which this view lacks
    if kind == Kind::Postgres {
        whole.retain(|cell| cell.as_deref() != Some("UPDATE"));
        whole.retain(|cell| !LOCKED.contains(&cell.as_deref().unwrap()));
    }
    assert_eq!(whole, Vec::<Option<String>>::new());
}

async fn of_our_own_tables_the_audit_is_only_added_to(kind: Kind) {
    let granted = Granted::new(kind).await;
    granted.world.db.make_own_tables().await;
    granted.world.db.grant_own_tables().await;
    let of = |view: &str| {
        format!(
            "SELECT DISTINCT table_name AS t, privilege_type AS p FROM information_schema.{view} \
             WHERE grantee LIKE '%{}%' AND table_name LIKE 'revert_%' ORDER BY 1, 2",
            granted.user().name
        )
    };
    let pairs = async |view: &str| -> Vec<String> {
        let rows = granted.world.db.rows(&of(view)).await.into_iter();
        rows.map(|row| row.into_iter().flatten().collect::<Vec<_>>().join(" ")).collect()
    };
    let expected = [
        "revert_audit INSERT",
        "revert_audit SELECT",
        "revert_holds DELETE",
        "revert_holds INSERT",
        "revert_holds SELECT",
        "revert_holds UPDATE",
        "revert_migrations SELECT",
        "revert_scrubber SELECT",
        "revert_scrubber UPDATE",
    ];
    assert_eq!(pairs("table_privileges").await, expected);
    // PostgreSQL also lists grants on a table for each of its columns
    let columns = pairs("column_privileges").await;
    assert!(columns.iter().all(|pair| expected.contains(&pair.as_str())), "{columns:?}");
}

/// The tables that a revert locks on PostgreSQL.
const LOCKED: [&str; 4] = ["image_locations", "image_members", "image_properties", "image_tags"];

/// Grants the lock by another privilege than UPDATE, so that UPDATE can be granted by column.
async fn grant_locks_otherwise(granted: &Granted) {
    let (user, tables) = (granted.user().grantee(), LOCKED.join(", "));
    let (_, grants) = POSTGRES.split_once("\n\nGRANT").unwrap();
    let grants = format!("GRANT{grants}").replace("glance_revert", &user);
    let otherwise =
        format!("REVOKE UPDATE ON {tables} FROM {user}; GRANT TRUNCATE ON {tables} TO {user};");
    granted.world.db.execute(&format!("{otherwise} {grants}")).await;
}

async fn every_granted_column_is_needed(kind: Kind) {
    let granted = Granted::new(kind).await;
    if kind == Kind::Postgres {
        grant_locks_otherwise(&granted).await;
    }
    let world = &granted.world;
    world.deleted_image("a").await;
    let database = world.open();
    everything(&database, world).await.unwrap();
    let columns = granted.columns().await;
    assert!(columns.len() > 50, "{columns:?}");
    let mut needless = Vec::new();
    for [table, privilege, column] in columns {
        let what = format!("{privilege} ({column}) ON {table}");
        world.db.execute(&format!("REVOKE {what} FROM {}", granted.user().grantee())).await;
        match everything(&database, world).await {
            Err(RepoError::Refused(_)) => {}
            Err(error) => panic!("without {what}: {error}"),
            Ok(()) => needless.push(what.clone()),
        }
        world.db.execute(&format!("GRANT {what} TO {}", granted.user().grantee())).await;
    }
    assert_eq!(needless, Vec::<String>::new());
}

#[test]
fn both_databases_are_granted_the_same() {
    let grants = |text: &str| {
        let (_, grants) = text.split_once("\n\nGRANT").unwrap();
        grants.replace("'glance_revert'@'%'", "glance_revert")
    };
    assert_eq!(grants(MARIADB), grants(POSTGRES));
}
