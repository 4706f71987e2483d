//! temp
use sqlx::{AssertSqlSafe, Row, SqlitePool};
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Sqlite,
}
#[derive(Debug)]
pub(crate) struct TestDatabase {
    pool: SqlitePool,
    dir: tempfile::TempDir,
}
impl TestDatabase {
    pub(crate) async fn create(_kind: Kind) -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("glance.db");
        let pool =
            SqlitePool::connect(&format!("sqlite://{}?mode=rwc", path.display())).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(std::fs::read_to_string("/tmp/gs/schema/sqlite.sql").unwrap()))
            .execute(&pool)
            .await
            .unwrap();
        Self { pool, dir }
    }
    pub(crate) fn url(&self) -> String {
        format!("sqlite:///{}", self.dir.path().join("glance.db").display())
    }
    pub(crate) async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.unwrap();
    }
    pub(crate) async fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let rows =
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&self.pool).await.unwrap();
        rows.iter().map(|r| (0..r.len()).map(|i| r.get_unchecked(i)).collect()).collect()
    }
}
macro_rules! on_each_database {
    ($($case:ident),* $(,)?) => { mod sqlite { $( #[tokio::test] async fn $case() { super::$case(crate::support::database::Kind::Sqlite).await } )* } };
}
pub(crate) use on_each_database;
