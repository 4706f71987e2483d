//! Classifies database errors.

use std::fmt::Display;

use sqlx::error::DatabaseError;

use crate::domain::repo::{BadRow, RepoError};

/// Another transaction won: Galera's certification and deadlocks (1213), a lock wait time-out
/// (1205, which undoes only the statement: the caller drops the transaction), a row that changed
/// since the transaction's first look (1020, MariaDB's `innodb_snapshot_isolation`), PostgreSQL's
/// serialization failure, deadlock, and a lock time-out.
const LOST_RACE: [&str; 7] = ["40001", "40P01", "55P03", "1205", "1213", "1020", "3572"];

/// SQLSTATE classes about the server or the connection: 08; 28, a refused login (such as a changed
/// password); 53, a lack of resources; 57P, an action of an operator.
const ABOUT_THE_SERVER: [&str; 4] = ["08", "28", "53", "57P"];

/// The same by whole codes. An expired password or a locked account, a host that is refused (1130,
/// 1129), too many connections of all or of one user (1040, 1203, 1226), a server that shuts down
/// (1053), killed connections (1927, 3169, 4031), cancelled statements (1317; 1969, 3024 and 57014
/// because of their duration), a Galera node that is not ready (1047), offline (3032), read-only
/// (1290, 1792, 1836, 25006), a transaction that was idle for too long (25P03, 25P04), a full disk
/// (1021, 1114), and COMMIT that failed (1180).
const ABOUT_THE_SERVER_TOO: [&str; 26] = [
    "1040", "1203", "1226", "1053", "1927", "3169", "4031", "1317", "1969", "3024", "57014",
    "1047", "3032", "1290", "1792", "1836", "25006", "25P03", "25P04", "1021", "1114", "1180",
    "1130", "1129", "1862", "4151",
];

/// SQLite's "busy", "locked" and "cannot open", and busy in their longer forms.
const SQLITE_IS_BUSY: [&str; 5] = ["5", "6", "14", "261", "517"];

/// Codes with which the server closes the connection.
const GOOD_BYE: [&str; 8] = ["1053", "1927", "3169", "4031", "25P03", "25P04", "08", "57P"];

/// A value with four-byte characters, which the column's three-byte character set lacks, or with a
/// character that PostgreSQL does not store.
const NO_SUCH_CHARACTER: [&str; 3] = ["1267", "3988", "22021"];

/// No such statement or function here: some builds of Galera, Percona's in strict mode.
const NO_NAMED_LOCKS: [&str; 2] = ["1235", "1105"];

/// Errors from creating the same tables concurrently: a row, table or name that exists already.
const IS_BEING_MADE: [&str; 9] =
    ["1050", "1062", "1412", "23505", "42P07", "42710", "1555", "2067", "XX000"];

/// Whether another process created the same table at the same time.
pub(super) fn is_being_made(error: &sqlx::Error) -> bool {
    let was_begun = matches!(error, sqlx::Error::Migrate(error)
        if matches!(**error, sqlx::migrate::MigrateError::Dirty(_)));
    was_begun || is_one_of(error, &IS_BEING_MADE)
}

/// Whether the transaction was rolled back because another one won.
pub(super) fn lost_race(error: &sqlx::Error) -> bool {
    is_one_of(error, &LOST_RACE)
}

/// Whether a value has a character that the column cannot hold: nothing can equal it.
pub(super) fn no_such_character(error: &sqlx::Error) -> bool {
    is_one_of(error, &NO_SUCH_CHARACTER)
}

/// Whether MySQL refused to take a named lock because it has none.
pub(super) fn has_no_named_locks(error: &sqlx::Error) -> bool {
    is_one_of(error, &NO_NAMED_LOCKS)
}

/// Whether the server has no variable of this name.
pub(super) fn no_such_setting(error: &sqlx::Error) -> bool {
    is_one_of(error, &["1193", "42704"])
}

/// An error from COMMIT.
#[derive(Debug, thiserror::Error)]
#[error("the outcome of the change is unknown; read the image again: {0}")]
struct AtCommit(sqlx::Error);

/// Marks an error as COMMIT's: the change may have been made.
pub(super) fn at_commit(error: sqlx::Error) -> sqlx::Error {
    if lost_race(&error) { error } else { sqlx::Error::AnyDriverError(Box::new(AtCommit(error))) }
}

/// An error from writing an audit entry.
#[derive(Debug, thiserror::Error)]
#[error("the audit cannot be written: {0}")]
struct AuditRefused(sqlx::Error);

/// Marks an error as coming from an audit entry.
pub(super) fn audit_refused(error: sqlx::Error) -> sqlx::Error {
    if is_away(&error) { error } else { sqlx::Error::AnyDriverError(Box::new(AuditRefused(error))) }
}

/// Whether an error came from an audit entry.
pub(super) fn is_audit_refused(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::AnyDriverError(inner) if inner.is::<AuditRefused>())
}

/// Whether the database refused the statement itself: a missing grant or table.
pub(super) fn is_refused(error: &sqlx::Error) -> bool {
    !is_away(error)
}

/// The underlying error of a marked one.
fn cause(error: &sqlx::Error) -> &sqlx::Error {
    if let sqlx::Error::AnyDriverError(inner) = error
        && let Some(AtCommit(cause)) = inner.downcast_ref()
    {
        return cause;
    }
    error
}

/// Codes of fewer than four characters stand for their class.
fn is_one_of(error: &sqlx::Error, known: &[&str]) -> bool {
    let fits = |code: &String| {
        known.iter().any(|known| code == known || (known.len() < 4 && code.starts_with(known)))
    };
    let error = cause(error).as_database_error();
    error.is_some_and(|error| codes(error).any(|code| fits(&code)))
}

/// SQLSTATE, and MySQL's own number.
fn codes(error: &dyn DatabaseError) -> impl Iterator<Item = String> {
    let number = error
        .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
        .map(|error| error.number().to_string());
    error.code().map(std::borrow::Cow::into_owned).into_iter().chain(number)
}

/// Whether the error is about the server or the connection, not the statement.
fn is_about_the_server(error: &sqlx::Error) -> bool {
    let sqlite = cause(error)
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<sqlx::sqlite::SqliteError>())
        .and_then(sqlx::error::DatabaseError::code);
    match sqlite {
        Some(code) => SQLITE_IS_BUSY.contains(&&*code),
        None => is_one_of(error, &ABOUT_THE_SERVER) || is_one_of(error, &ABOUT_THE_SERVER_TOO),
    }
}

/// Whether the connection is unusable: it broke, timed out, or was closed by the server.
pub(super) fn connection_broke(error: &sqlx::Error) -> bool {
    let without_word = matches!(
        cause(error),
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed
    );
    without_word || is_one_of(error, &GOOD_BYE)
}

/// Whether the database is unavailable or preferred another transaction: not the statement's fault.
fn is_away(error: &sqlx::Error) -> bool {
    // no connection, or none that can be made
    let without = matches!(
        error,
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Configuration(_)
    );
    without || connection_broke(error) || lost_race(error) || is_about_the_server(error)
}

/// An error of a whole statement.
#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
pub(super) fn repo_error(error: sqlx::Error) -> RepoError {
    let away = is_away(&error);
    let text = in_words(&error).unwrap_or_else(|| error.to_string());
    if away { RepoError::Unavailable(text) } else { RepoError::Refused(text) }
}

/// A clearer message if the database's or driver's does not say what to do.
fn in_words(error: &sqlx::Error) -> Option<String> {
    let text = error.to_string();
    if let Some((_, plugin)) = text.split_once("unknown authentication plugin: ") {
        return Some(format!(
            "the database user logs in with the plugin {plugin}, which glance-revert does not \
             support; change it to caching_sha2_password or mysql_native_password (ALTER USER .. \
             IDENTIFIED VIA, or WITH)"
        ));
    }
    let remedy = if matches!(error, sqlx::Error::Configuration(_)) && text.contains("RSA") {
        "the database user logs in with a plugin that needs TLS; turn TLS on in the database, or \
         change the plugin to caching_sha2_password"
    } else if is_one_of(error, &["1290", "1792", "1836", "25006"]) {
        "the database is read-only; set [database] connection to a writable server"
    } else if is_one_of(error, &["1226", "1203"]) {
        "the database user has reached its limit of connections; raise the limit, or lower \
         [revert] db_pool_size"
    } else if is_one_of(error, &["1969", "3024", "57014"]) {
        "the database cancelled a statement that took too long; raise the limit of the database \
         user (MariaDB: \
         max_statement_time, MySQL: max_execution_time, PostgreSQL: statement_timeout)"
    } else if is_one_of(error, &["25P03", "25P04"]) {
        "the database ended a transaction that took too long; raise the limit of the database user \
         (idle_in_transaction_session_timeout, transaction_timeout)"
    } else {
        return None;
    };
    Some(format!("{remedy}: {text}"))
}

/// An error of one column of one image.
pub(super) fn bad_row(
    image: &str,
    table: &'static str,
    column: &'static str,
    problem: impl Display,
) -> BadRow {
    BadRow { image: image.to_owned(), table, column, problem: problem.to_string() }
}
