//! The differences between the three families of databases.

use std::future::Future;

use chrono::{NaiveDate, TimeDelta};
use futures::TryStreamExt;
use sqlx::error::BoxDynError;
use sqlx::mysql::MySql;
use sqlx::postgres::{PgTypeInfo, PgValueRef, Postgres};
use sqlx::sqlite::Sqlite;
use sqlx::{Arguments as _, AssertSqlSafe, Database, Decode, Row, SqlSafeStr, SqlStr, Type};

use super::deadline::within;
use super::error::no_such_setting;
use super::names;
use super::statement::{PATIENCE, Statement, Value};
use crate::domain::time::Timestamp;
use crate::telemetry::metric;

/// A family of databases. Everything above is written once against this trait.
pub(super) trait Dialect: Database {
    /// Begins a transaction that may write.
    const BEGIN: &'static str;

    /// Begins a revert's transaction, and keeps `glance-manage db purge` away from its rows.
    const BEGIN_REVERT: &'static str = Self::BEGIN;

    /// Takes the locks of [`Dialect::BEGIN_REVERT`] without waiting, to test the grants.
    const TRY_LOCK_TABLES: Option<&'static str> = None;

    /// Selects tables without transactions, as `fault`, if the family can have any.
    const FAULTY_TABLES: Option<&'static str> = None;

    /// Selects columns whose collation differs from an image id's, as `fault`.
    const ODD_COLLATIONS: Option<&'static str> = None;

    /// Settings of each new connection, which override the server's `init_connect`.
    const SETTINGS: &'static [&'static str] = &[];

    /// The same for settings that not every server knows; failures are ignored.
    const SETTINGS_OF_SOME: &'static [&'static str] = &[];

    /// Selects the server's time in UTC, as `now`.
    const NOW: &'static str;

    /// Returns a row if creating our own tables was begun.
    const HAS_MIGRATIONS: &'static str;

    /// Asks for a statement's plan in a few rows.
    const PLAN: &'static str = "EXPLAIN";

    /// The text with the dialect's placeholders.
    fn sql(text: &'static str) -> SqlStr;

    /// A time as the dialect compares it with Glance's columns.
    fn time(time: Timestamp) -> Self::Time;
    /// The type of [`Dialect::time`].
    type Time;

    /// Binds one more value.
    fn push(arguments: &mut Self::Arguments, value: Value) -> Result<(), BoxDynError>;

    /// The values for a statement's `?`.
    fn arguments(statement: Statement) -> Result<Self::Arguments, sqlx::Error> {
        let values = statement.into_values();
        let mut arguments = Self::Arguments::default();
        arguments.reserve(values.len(), 16 * values.len());
        for value in values {
            Self::push(&mut arguments, value).map_err(sqlx::Error::Encode)?;
        }
        Ok(arguments)
    }

    /// Applies the settings to a new connection.
    fn set_up(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Runs a text composed only of names of Glance's tables and columns.
    fn probe(
        connection: &mut Self::Connection,
        text: String,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Runs a statement that returns rows.
    fn fetch(
        connection: &mut Self::Connection,
        statement: Statement,
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send {
        async { Ok(Self::fetch_within(connection, statement, None).await?.unwrap_or_default()) }
    }

    /// The same for rows of [`super::statements::IMAGE`] up to `most` bytes; `None` beyond that.
    /// Unread rows then make the connection unusable.
    fn fetch_within(
        connection: &mut Self::Connection,
        statement: Statement,
        most: Option<usize>,
    ) -> impl Future<Output = Result<Option<Vec<Self::Row>>, sqlx::Error>> + Send;

    /// Runs a statement and passes on each row as it arrives, so that they are never all in memory.
    fn each(
        connection: &mut Self::Connection,
        statement: Statement,
        take: &mut (dyn FnMut(&Self::Row) + Send),
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Runs a writing statement; returns the number of rows matched.
    fn execute(
        connection: &mut Self::Connection,
        statement: Statement,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    /// Reads a column.
    fn text(row: &Self::Row, column: &str) -> Result<Option<String>, sqlx::Error>;
    /// Reads a column.
    fn int(row: &Self::Row, column: &str) -> Result<i32, sqlx::Error>;
    /// Reads a column.
    fn big(row: &Self::Row, column: &str) -> Result<Option<i64>, sqlx::Error>;
    /// Reads a column.
    fn bool(row: &Self::Row, column: &str) -> Result<bool, sqlx::Error>;
    /// Reads a column.
    fn maybe_time(row: &Self::Row, column: &str) -> Result<Option<Timestamp>, sqlx::Error>;
}

/// The body of each `impl`: identical text that only the compiler distinguishes (generic bounds for
/// one shared text would be longer).
macro_rules! speak_sqlx {
    ($time:ty) => {
        fn push(arguments: &mut Self::Arguments, value: Value) -> Result<(), BoxDynError> {
            match value {
                Value::Text(text) => arguments.add(text),
                Value::Int(number) => arguments.add(number),
                Value::Big(number) => arguments.add(number),
                Value::Time(time) => arguments.add(time.map(Self::time)),
            }
        }

        async fn set_up(connection: &mut Self::Connection) -> Result<(), sqlx::Error> {
            for text in Self::SETTINGS {
                within(PATIENCE, sqlx::raw_sql(*text).execute(&mut *connection)).await?;
            }
            for text in Self::SETTINGS_OF_SOME {
                let told = sqlx::raw_sql(*text).execute(&mut *connection);
                let told = within(PATIENCE, told).await.map(|_| ());
                if !told.as_ref().is_err_and(no_such_setting) {
                    told?;
                }
            }
            Ok(())
        }

        async fn probe(connection: &mut Self::Connection, text: String) -> Result<(), sqlx::Error> {
            let query = sqlx::raw_sql(AssertSqlSafe(text));
            within(PATIENCE, query.execute(connection)).await.map(drop)
        }

        async fn fetch_within(
            connection: &mut Self::Connection,
            statement: Statement,
            most: Option<usize>,
        ) -> Result<Option<Vec<Self::Row>>, sqlx::Error> {
            count_statement(names::of(statement.sql));
            let (sql, watch) = (Self::sql(statement.sql), statement.watch());
            let arguments = Self::arguments(statement)?;
            let query = sqlx::query_with::<Self, _>(sql, arguments);
            let mut rows = query.fetch(connection);
            let collect = async {
                let (mut all, mut bytes) = (Vec::new(), 0);
                while let Some(row) = rows.try_next().await? {
                    if let Some(most) = most {
                        bytes += size_of_child::<Self>(&row)?;
                        if bytes > most {
                            return Ok(None);
                        }
                    }
                    all.push(row);
                }
                Ok(Some(all))
            };
            watch.over(collect).await
        }

        async fn each(
            connection: &mut Self::Connection,
            statement: Statement,
            take: &mut (dyn FnMut(&Self::Row) + Send),
        ) -> Result<(), sqlx::Error> {
            count_statement(names::of(statement.sql));
            let (sql, watch) = (Self::sql(statement.sql), statement.watch());
            let arguments = Self::arguments(statement)?;
            let mut rows = sqlx::query_with::<Self, _>(sql, arguments).fetch(connection);
            let all = async {
                while let Some(row) = rows.try_next().await? {
                    take(&row);
                }
                Ok(())
            };
            watch.over(all).await
        }

        async fn execute(
            connection: &mut Self::Connection,
            statement: Statement,
        ) -> Result<u64, sqlx::Error> {
            count_statement(names::of(statement.sql));
            let (sql, watch) = (Self::sql(statement.sql), statement.watch());
            let arguments = Self::arguments(statement)?;
            let query = sqlx::query_with::<Self, _>(sql, arguments);
            let done = watch.over(query.execute(connection)).await?;
            Ok(done.rows_affected())
        }

        fn text(row: &Self::Row, column: &str) -> Result<Option<String>, sqlx::Error> {
            row.try_get(column)
        }

        fn int(row: &Self::Row, column: &str) -> Result<i32, sqlx::Error> {
            row.try_get(column)
        }

        fn big(row: &Self::Row, column: &str) -> Result<Option<i64>, sqlx::Error> {
            row.try_get(column)
        }

        fn bool(row: &Self::Row, column: &str) -> Result<bool, sqlx::Error> {
            row.try_get(column)
        }

        fn maybe_time(row: &Self::Row, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
            Ok(row.try_get::<Option<$time>, _>(column)?.map(Timestamp::from))
        }
    };
}

/// A time of PostgreSQL, which also has `infinity` and years outside of our range. sqlx's own
/// decoder panics on these.
struct PgTime(Timestamp);

impl From<PgTime> for Timestamp {
    fn from(time: PgTime) -> Self {
        time.0
    }
}

impl Type<Postgres> for PgTime {
    fn type_info() -> PgTypeInfo {
        <Timestamp as Type<Postgres>>::type_info()
    }
}

impl<'r> Decode<'r, Postgres> for PgTime {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let since_2000 = TimeDelta::microseconds(<i64 as Decode<Postgres>>::decode(value)?);
        let time = NaiveDate::from_ymd_opt(2000, 1, 1).map(Timestamp::from);
        let time = time.and_then(|epoch| epoch.checked_add_signed(since_2000));
        Ok(Self(time.ok_or("it is no date")?))
    }
}

impl Dialect for MySql {
    /// In `sql_mode = ORACLE` a bare `BEGIN` opens a block.
    const BEGIN: &'static str = "START TRANSACTION";
    /// A statement waits only a moment for a locked row, not a minute: its image is tried again
    /// later, and other images do not wait. With autocommit off reads would be frozen; a limit
    /// would cut off an image's locations; a chained COMMIT would open the next transaction; safe
    /// updates, join limits and SQL modes would refuse our statements.
    const SETTINGS: &'static [&'static str] = &[
        "SET autocommit = 1, sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION', \
         time_zone = '+00:00', completion_type = 0, sql_select_limit = 18446744073709551615, \
         sql_safe_updates = 0, sql_big_selects = 1, sql_auto_is_null = 0, \
         innodb_lock_wait_timeout = 2",
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    ];
    /// A Galera node that lags shows old rows: an image deleted on another node is not found, and
    /// one that a scrubber there destroyed still looks pending. With this setting a read first
    /// waits for everything that was committed on any node.
    const SETTINGS_OF_SOME: &'static [&'static str] = &["SET SESSION wsrep_sync_wait = 1"];
    const FAULTY_TABLES: Option<&'static str> = Some(
        "SELECT CONCAT(t.table_name, ' (', t.engine, ')') AS fault FROM information_schema.tables t \
         LEFT JOIN information_schema.engines e ON e.engine = t.engine \
         WHERE t.table_schema = DATABASE() AND t.table_name IN ('images', 'image_locations', \
         'image_properties', 'image_tags', 'image_members') \
         AND COALESCE(e.transactions, 'NO') <> 'YES' ORDER BY t.table_name",
    );
    const ODD_COLLATIONS: Option<&'static str> = Some(
        "SELECT CONCAT(c.table_name, '.', c.column_name, ' has the collation ', c.collation_name, \
         ', images.id has ', i.collation_name) AS fault FROM information_schema.columns c \
         JOIN information_schema.columns i ON i.table_schema = c.table_schema \
         AND i.table_name = 'images' AND i.column_name = 'id' \
         WHERE c.table_schema = DATABASE() AND c.collation_name <> i.collation_name \
         AND c.table_name IN ('images', 'image_locations', 'image_properties', 'image_tags', \
         'image_members') ORDER BY c.table_name, c.column_name",
    );
    const NOW: &'static str = "SELECT UTC_TIMESTAMP(6) AS now";
    const HAS_MIGRATIONS: &'static str = "SELECT 1 AS found FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_name = 'revert_migrations'";
    type Time = Timestamp;

    fn sql(text: &'static str) -> SqlStr {
        text.into_sql_str()
    }

    fn time(time: Timestamp) -> Timestamp {
        time
    }

    speak_sqlx!(Timestamp);
}

impl Dialect for Postgres {
    const BEGIN: &'static str = "BEGIN ISOLATION LEVEL READ COMMITTED";
    /// A statement over a large table would first be compiled for up to 0.6 s. Unknown before
    /// PostgreSQL 11.
    const SETTINGS_OF_SOME: &'static [&'static str] = &["SET jit = off"];
    /// The purge's `DELETE .. WHERE id IN (SELECT ..)` selects old rows, waits for our transaction,
    /// and then deletes them although no longer old. With the tables locked it selects after our
    /// COMMIT. Glance's writers wait meanwhile, so our wait is short: over `deadlock_timeout` (1 s)
    /// for tables, when an autovacuum yields, and under it for rows, so that we yield, not Glance.
    const BEGIN_REVERT: &'static str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
         SET LOCAL lock_timeout = '2s'; LOCK TABLE image_locations, image_properties, \
         image_tags, image_members IN SHARE ROW EXCLUSIVE MODE; SET LOCAL lock_timeout = '500ms'";
    const TRY_LOCK_TABLES: Option<&'static str> = Some(
        "LOCK TABLE image_locations, image_properties, image_tags, image_members \
         IN SHARE ROW EXCLUSIVE MODE NOWAIT",
    );
    const NOW: &'static str = "SELECT now() AT TIME ZONE 'UTC' AS now";
    const HAS_MIGRATIONS: &'static str =
        "SELECT 1 AS found WHERE to_regclass('revert_migrations') IS NOT NULL";
    type Time = Timestamp;

    fn sql(text: &'static str) -> SqlStr {
        // safe: built from a constant alone
        AssertSqlSafe(numbered(text)).into_sql_str()
    }

    fn time(time: Timestamp) -> Timestamp {
        time
    }

    speak_sqlx!(PgTime);
}

impl Dialect for Sqlite {
    /// A transaction that begins with a read and then writes can fail at the write; this waits
    /// for its turn at the start.
    const BEGIN: &'static str = "BEGIN IMMEDIATE";
    const NOW: &'static str = "SELECT strftime('%Y-%m-%d %H:%M:%f000', 'now') AS now";
    const HAS_MIGRATIONS: &'static str = "SELECT 1 AS found FROM sqlite_master \
         WHERE type = 'table' AND name = 'revert_migrations'";
    const PLAN: &'static str = "EXPLAIN QUERY PLAN";
    type Time = String;

    fn sql(text: &'static str) -> SqlStr {
        text.into_sql_str()
    }

    /// SQLite compares times as text, so they must have SQLAlchemy's six digits.
    fn time(time: Timestamp) -> String {
        time.format("%Y-%m-%d %H:%M:%S%.6f").to_string()
    }

    speak_sqlx!(Timestamp);
}

/// Approximate memory of a child row.
fn size_of_child<D: Dialect>(row: &D::Row) -> Result<usize, sqlx::Error> {
    const FIXED: usize = 512;
    let length = |column| Ok::<_, sqlx::Error>(D::text(row, column)?.map_or(0, |text| text.len()));
    Ok(FIXED + length("c_name")? + length("c_value")?)
}

/// Counts a statement, which is one round trip; the bench reads the number for a revert.
pub(super) fn count_statement(name: &'static str) {
    metrics::counter!(metric::DB_STATEMENTS_TOTAL, "statement" => name).increment(1);
}

/// PostgreSQL's placeholders: each `?` becomes `$1`, `$2` and so on. No constant has a `?` in a
/// literal.
fn numbered(text: &str) -> String {
    let mut parts = text.split('?');
    let mut numbered = parts.next().unwrap_or_default().to_owned();
    for (index, part) in parts.enumerate() {
        numbered.push('$');
        numbered.push_str(&(index + 1).to_string());
        numbered.push_str(part);
    }
    numbered
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn placeholders_are_numbered_from_one_in_order() {
        assert_eq!(numbered("a = ? AND b IN (?,?)"), "a = $1 AND b IN ($2,$3)");
        assert_eq!(numbered("no values"), "no values");
    }
}
