//! Limits the wait for the database's answers.

use std::io;
use std::time::Duration;

/// Whether a statement timed out; another one would wait as long.
pub(super) fn is_late(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}

/// Waits at most this long for an answer.
pub(super) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let late = |_| {
        let text = format!("no answer within {} s", limit.as_secs());
        Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, text)))
    };
    tokio::time::timeout(limit, answer).await.unwrap_or_else(late)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::error::connection_broke;

    #[tokio::test(start_paused = true)]
    async fn a_missing_answer_is_an_error() {
        let error = within::<()>(Duration::from_secs(3), std::future::pending()).await.unwrap_err();
        assert!(error.to_string().contains("no answer within 3 s"), "{error}");
        assert!(connection_broke(&error));
    }
}
