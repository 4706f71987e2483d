//! The audit list reads one page of an index, however many entries there are.

use glance_revert::domain::audit::AuditQuery;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::principal::Admin;

use crate::support::database::{Kind, on_each_database, tests_on};
use crate::support::statements::StatementProxy;
use crate::support::world::World;

on_each_database! {
    every_list_reads_an_index_in_its_order,
}
tests_on!(
    mariadb_server,
    Mariadb,
    [#[ignore = "needs the servers of make test"]],
    these_are_the_statements_that_are_sent
);

const COLUMNS: &str = "id, created_at, operation, outcome, image_id, owner, name, actor, \
    actor_name, actor_issuer, actor_method, actor_scope, source, host, request_id, details";

/// Each combination of filters, with rare values, in the statement's order.
const FILTERS: [&[(&str, &str)]; 8] = [
    &[],
    &[("image_id", "image 000000000077")],
    &[("actor", "alice")],
    &[("operation", "revertImage")],
    &[("image_id", "image 000000000077"), ("actor", "alice")],
    &[("image_id", "image 000000000077"), ("operation", "revertImage")],
    &[("actor", "alice"), ("operation", "revertImage")],
    &[("image_id", "image 000000000077"), ("actor", "alice"), ("operation", "revertImage")],
];

fn statement(filters: &[(&str, &str)]) -> String {
    let filters: Vec<_> = filters.iter().map(|(column, _)| format!(" AND {column} = ?")).collect();
    let filters = filters.concat();
    format!(
        "SELECT {COLUMNS} FROM revert_audit WHERE id < ? AND id >= ?{filters} \
         ORDER BY id DESC LIMIT ?"
    )
}

fn with_values(filters: &[(&str, &str)]) -> String {
    let bounds = ["ffffffff-ffff-ffff-ffff-ffffffffffff", ""];
    let values = bounds.into_iter().chain(filters.iter().map(|(_, value)| *value));
    let values = values.map(|value| format!("'{value}'")).chain(["100".to_owned()]);
    values.fold(statement(filters), |text, value| text.replacen('?', &value, 1))
}

async fn these_are_the_statements_that_are_sent(kind: Kind) {
    let world = World::with_tables(kind).await;
    let proxy = StatementProxy::start(&world.db.url()).await;
    let database = World::open_at(&proxy.url(&world.db.url()));
    for filters in FILTERS {
        let value = |name: &str| {
            let found = filters.iter().find(|(column, _)| *column == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let query = AuditQuery {
            image: value("image_id").map(|id| ImageId::parse(&id.replace(' ', "-")).unwrap()),
            actor: value("actor"),
            operation: value("operation"),
            limit: 100,
            ..AuditQuery::default()
        };
        proxy.heard();
        database.tables.list_audit(&Admin::local_operator(), &query).await.unwrap();
        let expected = statement(filters);
        let heard = proxy.heard();
        assert!(heard.iter().any(|said| said.ends_with(&expected)), "{expected} in {heard:?}");
    }
}

/// Like a large audit in practice, nearly all entries are about images that passes destroyed.
async fn fill(world: &World, kind: Kind) {
    let numbers = match kind {
        Kind::Mariadb => "SELECT seq AS n FROM seq_1_to_50000",
        Kind::Postgres => "SELECT n FROM generate_series(1, 50000) AS n",
        Kind::Sqlite => {
            "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 50000) \
             SELECT n FROM c"
        }
    };
    let text = |number: &str| match kind {
        Kind::Mariadb => format!("LPAD({number}, 12, '0')"),
        Kind::Postgres => format!("LPAD(({number})::text, 12, '0')"),
        Kind::Sqlite => format!("printf('%012d', {number})"),
    };
    let insert = format!(
        "INSERT INTO revert_audit (id, created_at, operation, outcome, image_id, actor, source) \
         SELECT {}, '2026-01-01 00:00:00', \
         CASE WHEN n % 500 = 0 THEN 'revertImage' ELSE 'scrubImage' END, 'success', {}, \
         CASE WHEN n % 1000 = 0 THEN 'alice' ELSE 'scrubber' END, 'scrubber' FROM ({numbers}) AS numbers",
        format_args!("CONCAT('019aac1f-8d2f-7a3c-9b1e-', {})", text("n")),
        format_args!("CONCAT('image ', {})", text("n % 20000")),
    );
    world.db.execute(&insert).await;
    let analyze =
        if kind == Kind::Mariadb { "ANALYZE TABLE revert_audit" } else { "ANALYZE revert_audit" };
    world.db.execute(analyze).await;
}

/// Why a plan is too expensive, if it is.
fn fault(kind: Kind, plan: &str) -> Option<&'static str> {
    let bad: &[&str] = match kind {
        Kind::Mariadb => &["filesort", "temporary", " ALL "],
        Kind::Postgres => &["Seq Scan", "Sort"],
        Kind::Sqlite => &["SCAN revert_audit", "TEMP B-TREE"],
    };
    bad.iter().find(|bad| plan.contains(**bad)).copied()
}

async fn every_list_reads_an_index_in_its_order(kind: Kind) {
    let world = World::with_tables(kind).await;
    fill(&world, kind).await;
    let explain = if kind == Kind::Sqlite { "EXPLAIN QUERY PLAN" } else { "EXPLAIN" };
    for filters in FILTERS {
        let rows = world.db.rows(&format!("{explain} {}", with_values(filters))).await;
        let line = |row: &Vec<Option<String>>| {
            let cells: Vec<_> = row.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect();
            cells.join(" ")
        };
        let plan = rows.iter().map(line).collect::<Vec<_>>().join("\n");
        // sorting the few entries of one image is acceptable
        let is_of_image = filters.first().is_some_and(|(column, _)| *column == "image_id");
        let plan = if is_of_image { plan.replace("Sort", "") } else { plan };
        assert_eq!(fault(kind, &plan), None, "{filters:?}:\n{plan}");
        // the index that finds few entries
        let expected = match filters {
            [] => None,
            [("image_id", _), ..] => Some("revert_audit_of_image"),
            [("actor", _)] => Some("revert_audit_of_actor"),
            _ => Some("revert_audit_of_"),
        };
        if let (Some(expected), false) = (expected, kind == Kind::Sqlite) {
            assert!(plan.contains(expected), "{filters:?}:\n{plan}");
        }
    }
}
