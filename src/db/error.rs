//! What a database's answer means.

use std::fmt::Display;

use sqlx::error::DatabaseError;

use crate::domain::repo::{BadRow, RepoError};

/// Another transaction won: Galera's certification and deadlocks (1213), a lock waited for too
/// long (1205, which undoes the statement alone: the caller drops the transaction), PostgreSQL's
/// serialization failure and deadlock.
const LOST_RACE: [&str; 3] = ["40001", "40P01", "1205"];

/// Whether the transaction was rolled back because another one won.
pub(super) fn lost_race(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| codes(error).any(|c| LOST_RACE.contains(&&*c) || c == "1213"))
}

/// SQLSTATE, and MySQL's own number.
fn codes(error: &dyn DatabaseError) -> impl Iterator<Item = String> {
    let number = error
        .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
        .map(|error| error.number().to_string());
    error.code().map(std::borrow::Cow::into_owned).into_iter().chain(number)
}

/// Whether the error speaks of the server or the connection, not of the statement: SQLSTATE
/// classes 08, 28 (a login that is refused: a new password, say), 53 and 57P, MySQL's 1040 (too many connections), 1053 (shutdown), 1927 (killed),
/// 1047 (a Galera node that is not ready), and SQLite's "busy" and "locked".
fn is_about_the_server(error: &dyn DatabaseError) -> bool {
    let sqlite = error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some();
    codes(error).any(|code| {
        let by_class = ["08", "28", "53", "57P"].iter().any(|class| code.starts_with(class));
        by_class
            || ["1040", "1047", "1053", "1927"].contains(&&*code)
            || (sqlite && ["5", "6", "14", "261", "517"].contains(&&*code))
    })
}

/// Whether the connection is of no use any more: it broke, nothing comes from it, or the server
/// said good-bye on it.
pub(super) fn connection_broke(error: &sqlx::Error) -> bool {
    let without_word = matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed
    );
    let good_bye = |error: &dyn DatabaseError| {
        codes(error).any(|code| {
            code.starts_with("08") || code.starts_with("57P") || code == "1053" || code == "1927"
        })
    };
    without_word || error.as_database_error().is_some_and(good_bye)
}

/// An error of a whole statement.
#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
pub(super) fn repo_error(error: sqlx::Error) -> RepoError {
    let no_connection = matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed);
    let away = no_connection
        || connection_broke(&error)
        || lost_race(&error)
        || error.as_database_error().is_some_and(is_about_the_server);
    let text = error.to_string();
    if away { RepoError::Unavailable(text) } else { RepoError::Refused(text) }
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
