//! The audit table: entries are written in the change's transaction and never modified.
//!
//! An entry's id is a version 7 UUID made from its time, to the microsecond. So ids sort by time,
//! and a page of a time span is a range of ids.

use std::fmt::Display;

use serde_json::{Map, Value as Json};
use uuid::{Builder, Uuid};

use super::dialect::Dialect;
use super::error::audit_refused;
use super::own as sql;
use super::statement::{Statement, Value};
use crate::domain::audit::{AuditEntry, AuditQuery, AuditRow};
use crate::domain::time::Timestamp;

/// Greater than every id: version 7 ids begin with a time, and none is this late.
const LAST_ID: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/// Writes entries inside the change's transaction, 64 per statement.
pub(super) async fn write<D: Dialect>(
    transaction: &mut D::Connection,
    entries: &[&AuditEntry],
    host: &str,
) -> Result<(), sqlx::Error> {
    let mut left = entries;
    while !left.is_empty() {
        let (rows, text) = match left.len() {
            64.. => (64, sql::INSERT_AUDIT_64),
            8.. => (8, sql::INSERT_AUDIT_8),
            _ => (1, sql::INSERT_AUDIT),
        };
        let (now, later) = left.split_at(rows);
        let statement =
            now.iter().fold(Statement::new(text), |statement, entry| row(statement, entry, host));
        D::execute(transaction, statement).await.map_err(audit_refused)?;
        left = later;
    }
    Ok(())
}

/// The values of one row. Text too long for its column is cut: no user's name may prevent a revert.
fn row(statement: Statement, entry: &AuditEntry, host: &str) -> Statement {
    let (actor, image) = (&entry.actor, entry.image.as_ref());
    let maybe = |text: Option<&str>, most| Value::Text(text.map(|text| fit(text, most)));
    statement
        .bind(new_id(entry.at).as_str())
        .bind(entry.at)
        .bind(entry.operation)
        .bind("success")
        .bind_value(maybe(image.map(|image| image.id.as_str()), 36))
        .bind_value(maybe(image.and_then(|image| image.owner.as_deref()), 255))
        .bind_value(maybe(image.and_then(|image| image.name.as_deref()), 255))
        .bind_value(maybe(Some(&actor.subject), 255))
        .bind_value(maybe(actor.name.as_deref(), 255))
        .bind_value(maybe(actor.issuer.as_deref(), 255))
        .bind(actor.method)
        .bind_value(maybe(actor.scope.as_deref(), 255))
        .bind(actor.source.as_str())
        .bind_value(maybe(Some(host), 255))
        .bind_value(maybe(actor.request_id.as_deref(), 64))
        .bind(entry.details().as_str())
}

/// At most `most` characters, without those that PostgreSQL cannot store.
fn fit(text: &str, most: usize) -> String {
    text.chars().filter(|c| *c != '\0').take(most).collect()
}

/// An id for an entry of this time.
fn new_id(at: Timestamp) -> String {
    let random = Uuid::new_v4().into_bytes();
    let mut rest = [0; 10];
    rest.copy_from_slice(&random[..10]);
    id(at, rest)
}

/// The smallest id of this time.
pub(super) fn least_id(at: Timestamp) -> String {
    id(at, [0; 10])
}

fn id(at: Timestamp, mut rest: [u8; 10]) -> String {
    let micros = at.and_utc().timestamp_micros().max(0);
    let (millis, micros) = (micros / 1000, micros % 1000);
    // twelve bits after the version: 0 to 999
    let [.., high, low] = micros.to_be_bytes();
    rest[0] = high;
    rest[1] = low;
    let millis = u64::try_from(millis).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &rest).into_uuid().to_string()
}

/// The statement that lists entries, newest first.
pub(super) fn list(query: &AuditQuery) -> Statement {
    let text =
        sql::list_audit(query.image.is_some(), query.actor.is_some(), query.operation.is_some());
    let before = query.before.map_or_else(|| LAST_ID.to_owned(), least_id);
    let before = query.marker.iter().fold(before, |least, id| least.min(id.clone()));
    let after = query.after.map_or_else(String::new, least_id);
    let mut statement = Statement::new(text).bind(before.as_str()).bind(after.as_str());
    if let Some(image) = &query.image {
        statement = statement.bind(image.as_str());
    }
    for text in [&query.actor, &query.operation].into_iter().flatten() {
        statement = statement.bind(text.as_str());
    }
    statement.bind(i64::from(query.limit))
}

/// Parses one row of it.
pub(super) fn read<D: Dialect>(row: &D::Row) -> Result<AuditRow, sqlx::Error> {
    let maybe = |column: &str| D::text(row, column);
    let text = |column: &str| Ok::<_, sqlx::Error>(D::text(row, column)?.unwrap_or_default());
    let at = D::maybe_time(row, "created_at")?;
    Ok(AuditRow {
        id: text("id")?,
        at: at.ok_or_else(|| decode("revert_audit.created_at is NULL"))?,
        operation: text("operation")?,
        outcome: text("outcome")?,
        image_id: maybe("image_id")?,
        owner: maybe("owner")?,
        name: maybe("name")?,
        actor: text("actor")?,
        actor_name: maybe("actor_name")?,
        actor_issuer: maybe("actor_issuer")?,
        actor_method: maybe("actor_method")?,
        actor_scope: maybe("actor_scope")?,
        source: text("source")?,
        host: maybe("host")?,
        request_id: maybe("request_id")?,
        details: details(maybe("details")?.as_deref()),
    })
}

/// Details that are not a JSON object were written by another program, and are shown unchanged.
fn details(text: Option<&str>) -> Map<String, Json> {
    let text = text.unwrap_or("{}");
    serde_json::from_str(text).unwrap_or_else(|_| {
        std::iter::once(("text".to_owned(), Json::String(text.to_owned()))).collect()
    })
}

fn decode(problem: impl Display) -> sqlx::Error {
    sqlx::Error::Decode(problem.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_the_order_of_their_times_and_no_earlier_than_the_least_of_them() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let times = [
            at("2026-11-22T12:00:00.000001"),
            at("2026-11-22T12:00:00.000999"),
            at("2026-11-22T12:00:00.001000"),
            at("2026-11-22T12:00:01"),
        ];
        let ids = times.map(new_id);
        assert!(ids.is_sorted(), "{ids:?}");
        for (time, id) in times.into_iter().zip(&ids) {
            assert!(least_id(time) <= *id && id.len() == 36, "{id}");
            assert!(*id < least_id(time + chrono::TimeDelta::microseconds(1)), "{id}");
            assert_eq!(id.parse::<Uuid>().unwrap().get_version_num(), 7);
        }
    }
}
