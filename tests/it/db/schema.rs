//! Compares the hand-written schema for tests without servers with the real one.

use std::collections::BTreeSet;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{AssertSqlSafe, raw_sql};

use crate::support::env;

const TABLES: [&str; 6] = [
    "alembic_version",
    "images",
    "image_locations",
    "image_properties",
    "image_tags",
    "image_members",
];

#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn the_schema_written_by_hand_is_the_real_one() {
    let real = env::schema().expect("GLANCE_REVERT_TEST_SCHEMA is not set").join("sqlite.db");
    let real = SqlitePool::connect_with(SqliteConnectOptions::new().filename(real).read_only(true));
    let real = real.await.unwrap();
    let ours = SqlitePool::connect("sqlite::memory:").await.unwrap();
    raw_sql(include_str!("../../../src/db/demo.sql")).execute(&ours).await.unwrap();
    for table in TABLES {
        assert_eq!(facts(&ours, table).await, facts(&real, table).await, "{table}");
    }
    let revision = "SELECT version_num FROM alembic_version";
    assert_eq!(rows(&ours, revision).await, rows(&real, revision).await);
}

/// Columns with types, nullability and defaults; keys, indexes with columns, checks.
async fn facts(pool: &SqlitePool, table: &str) -> BTreeSet<String> {
    let queries = [
        format!(
            "SELECT 'column ' || name || ' ' || type || ' ' || \"notnull\" || ' ' || \
             coalesce(dflt_value, 'no default') || ' ' || pk FROM pragma_table_info('{table}')"
        ),
        format!(
            "SELECT 'index ' || l.name || ' ' || l.\"unique\" || ' ' || (SELECT group_concat(i.name) \
             FROM pragma_index_info(l.name) i) FROM pragma_index_list('{table}') l"
        ),
        format!(
            "SELECT 'key ' || \"from\" || ' ' || \"table\" || ' ' || \"to\" \
             FROM pragma_foreign_key_list('{table}')"
        ),
    ];
    let mut facts = BTreeSet::new();
    for query in queries {
        facts.extend(rows(pool, &query).await);
    }
    let sql = format!("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = '{table}'");
    let text = rows(pool, &sql).await.concat();
    let checks = text.split("CHECK (").skip(1).filter_map(|rest| rest.split_once("))"));
    facts.extend(checks.map(|(check, _)| format!("check {check}")));
    facts
}

async fn rows(pool: &SqlitePool, sql: &str) -> Vec<String> {
    use sqlx::Row as _;
    let rows = raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(pool).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
