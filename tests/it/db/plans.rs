//! Query plans for joins of our own tables with large tables of Glance.

use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::{PendingQuery, PendingSort, ScrubbedQuery};
use glance_revert::domain::time::Clock;

use crate::support::database::{Kind, tests_on};
use crate::support::statements::StatementProxy;
use crate::support::world::World;

tests_on!(
    mariadb,
    Mariadb,
    [#[ignore = "needs the servers of make test"]],
    large_tables_are_entered_by_their_indexes
);
tests_on!(
    postgres,
    Postgres,
    [#[ignore = "needs the servers of make test"]],
    large_tables_are_entered_by_their_indexes
);

const LATE: &str = "'2199-01-01 00:00:00'";
const EARLY: &str = "'1970-01-01 00:00:00'";

/// The statements for lists of held images, and for what another scrubber did.
async fn texts() -> Vec<(String, Vec<&'static str>)> {
    let world = World::with_tables(Kind::Mariadb).await;
    let proxy = StatementProxy::start(&world.db.url()).await;
    let database = World::open_at(&proxy.url(&world.db.url()));
    let reverter = world.reverter(&database);
    for sort in [PendingSort::NewestFirst, PendingSort::OldestFirst] {
        let query = PendingQuery { held: Some(true), sort, limit: 100, ..PendingQuery::default() };
        reverter.list(&Admin::local_operator(), &query).await.unwrap();
    }
    database.tables.unrecorded_scrubs(world.clock.now()).await.unwrap();
    let query = ScrubbedQuery { limit: 50, ..ScrubbedQuery::default() };
    reverter.list_retained(&Admin::local_operator(), &query).await.unwrap();
    let heard = proxy.heard();
    let said = |part: &str| {
        let found: Vec<_> = heard
            .iter()
            .filter(|text| text.contains(part))
            .map(|text| text[text.find("SELECT i.id").unwrap()..].to_owned())
            .collect();
        assert!(!found.is_empty(), "{part} in {heard:?}");
        found
    };
    let held = said("IN (SELECT h.image_id FROM revert_holds h");
    assert_eq!(held.len(), 2, "{held:?}");
    let filters = ["NULL", "NULL", "NULL", "NULL", EARLY, LATE];
    let page = |from| [&filters[..], &[from, from, "''", LATE, "100"]].concat();
    let [newest, oldest]: [String; 2] = held.try_into().unwrap();
    let [unrecorded, taken]: [String; 2] = said("FROM revert_audit a WHERE").try_into().unwrap();
    let scrubbed = said("AS changed_at FROM images i").remove(0);
    let window = [EARLY, LATE, LATE, "''", EARLY, LATE];
    let scrubbed_values = [&window[..], &filters[..4], &["51"]].concat();
    vec![
        (scrubbed, scrubbed_values),
        (newest, page(LATE)),
        (oldest, page(EARLY)),
        (unrecorded, vec!["'2026-11-21 12:00:00'", "100"]),
        (taken, vec!["'2026-11-21 12:00:00'", "100"]),
    ]
}

fn with_values(text: &str, values: &[&str]) -> String {
    assert_eq!(text.matches('?').count(), values.len(), "{text}");
    values.iter().fold(text.to_owned(), |text, value| text.replacen('?', value, 1))
}

/// A year of images that were scrubbed and recorded, 50 of them within a day; five pending images
/// are held.
async fn fill(world: &World, kind: Kind) {
    let numbers = match kind {
        Kind::Mariadb => "SELECT seq AS n FROM seq_1_to_40000",
        Kind::Sqlite | Kind::Postgres => "SELECT n FROM generate_series(1, 40000) AS n",
    };
    let days = |expression: &str| match kind {
        Kind::Mariadb => format!("TIMESTAMP('2026-11-22 12:00:00') - INTERVAL ({expression}) HOUR"),
        Kind::Sqlite | Kind::Postgres => {
            format!("TIMESTAMP '2026-11-22 12:00:00' - ({expression}) * INTERVAL '1 hour'")
        }
    };
    // 50 of 40,000 are within 24 hours
    let age = if kind == Kind::Mariadb { "n DIV 2" } else { "n / 2" };
    let (deleted, settled) = (days(&format!("{age} + 5")), days(age));
    let id = "CONCAT('image ', n)";
    for insert in [
        format!(
            "INSERT INTO images (id, status, visibility, min_disk, min_ram, protected, os_hidden, \
             deleted, created_at, updated_at, deleted_at) SELECT {id}, \
             CASE WHEN n % 400 = 0 THEN 'pending_delete' ELSE 'deleted' END, 'shared', 0, 0, FALSE, \
             FALSE, TRUE, '2020-01-01 00:00:00', {settled}, {deleted} FROM ({numbers}) AS numbers"
        ),
        format!(
            "INSERT INTO image_locations (image_id, value, status, deleted, created_at, updated_at, \
             deleted_at) SELECT {id}, 'file:///x', \
             CASE WHEN n % 400 = 0 THEN 'pending_delete' ELSE 'deleted' END, TRUE, \
             '2020-01-01 00:00:00', {settled}, {settled} FROM ({numbers}) AS numbers"
        ),
        format!(
            "INSERT INTO revert_audit (id, created_at, operation, outcome, image_id, actor, source) \
             SELECT CONCAT('019aac1f-8d2f-7a3c-9b1e-', n), {settled}, 'scrubImage', 'success', {id}, \
             'scrubber', 'scrubber' FROM ({numbers}) AS numbers"
        ),
        "INSERT INTO revert_holds (image_id, held_until, held_at, held_by) SELECT id, \
         '2199-01-01 00:00:00', '2026-11-22 12:00:00', 'alice' FROM images \
         WHERE status = 'pending_delete' ORDER BY id LIMIT 5"
            .to_owned(),
    ] {
        world.db.execute(&insert).await;
    }
    for table in ["images", "image_locations", "revert_audit", "revert_holds"] {
        let analyze = if kind == Kind::Mariadb { "ANALYZE TABLE" } else { "ANALYZE" };
        world.db.execute(&format!("{analyze} {table}")).await;
    }
}

/// Why a plan is too expensive for large tables, if it is.
fn fault(kind: Kind, plan: &str) -> Option<&str> {
    let walks = |line: &&str| match kind {
        Kind::Mariadb => ["i", "l", "w", "a"].iter().any(|table| {
            [" ALL ", " index "].iter().any(|way| line.contains(&format!(" {table}{way}")))
        }),
        Kind::Sqlite | Kind::Postgres => ["images", "image_locations", "revert_audit"]
            .iter()
            .any(|table| line.contains(&format!("Seq Scan on {table}"))),
    };
    plan.lines().find(walks)
}

/// The held by their holds, unrecorded scrubs by their day, the scrubbed by their changes.
async fn large_tables_are_entered_by_their_indexes(kind: Kind) {
    let texts = texts().await;
    let world = World::with_tables(kind).await;
    fill(&world, kind).await;
    for (text, values) in texts {
        let statement = with_values(&text, &values);
        let rows = world.db.rows(&format!("EXPLAIN {statement}")).await;
        let line = |row: &Vec<Option<String>>| {
            let cells: Vec<_> = row.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect();
            cells.join(" ")
        };
        let plan = rows.iter().map(line).collect::<Vec<_>>().join("\n");
        // for held images MariaDB walks over the images, as for every list, if the character sets
        // of Glance's column and ours differ
        if kind != Kind::Mariadb || !text.contains("revert_holds") {
            assert_eq!(fault(kind, &plan), None, "{statement}\n{plan}");
        }
        let found = world.db.rows(&statement).await.len();
        let expected = match &text {
            text if text.contains("revert_holds") => 5,
            text if text.contains("changed_at") => 51,
            _ => 0,
        };
        assert_eq!(found, expected, "{statement}");
    }
}
