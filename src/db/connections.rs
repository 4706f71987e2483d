//! A pool of connections, and what is known of them: a server that restarts takes all of them with
//! it, and one broken connection must not be followed by an error for each of the others.

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{ConnectOptions, Connection, Database, Pool};
use tokio::time::Instant;

use super::error::connection_broke;

/// A request waits so long for a connection before it is told that the database is away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection idle for longer is asked whether it still lives before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(5);
/// A connection that lives says so at once; much less than [`ACQUIRE_TIMEOUT`], so that there is
/// time left for a new one.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// A server that is not there is known at once, or not at all.
const REASON_TIMEOUT: Duration = Duration::from_secs(1);

/// Connections to one database. Clones share them.
pub(super) struct Connections<D: Database> {
    pool: Pool<D>,
    doubt: Doubt,
}

impl<D: Database> Clone for Connections<D> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), doubt: self.doubt.clone() }
    }
}

impl<D: Database> fmt::Debug for Connections<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

impl<D: Database> Connections<D> {
    /// At most `size` connections, made when they are needed.
    pub(super) fn lazy(size: u32, options: <D::Connection as Connection>::Options) -> Self {
        let doubt = Doubt::default();
        let doubted = doubt.clone();
        let pool = PoolOptions::new()
            .max_connections(size)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(move |connection: &mut D::Connection, meta| {
                let ask = meta.idle_for >= TRUSTED_IDLE || doubted.covers(meta.idle_for);
                Box::pin(async move {
                    if ask {
                        within(PING_TIMEOUT, connection.ping()).await?;
                    }
                    Ok(true)
                })
            })
            // ours names slow statements (`Watch`)
            .connect_lazy_with(options.disable_statement_logging());
        Self { pool, doubt }
    }

    pub(super) async fn acquire(&self) -> Result<Lent<D>, sqlx::Error> {
        match self.pool.acquire().await {
            Ok(connection) => Ok(Lent { connection, is_answered: false }),
            Err(sqlx::Error::PoolTimedOut) => Err(self.why_there_is_none().await),
            Err(error) => Err(error),
        }
    }

    /// The pool takes a refused connection for a server that is starting, and tries again until its
    /// time is over; what it was refused with is lost. So it is asked for once more.
    async fn why_there_is_none(&self) -> sqlx::Error {
        if self.pool.size() >= self.pool.options().get_max_connections() {
            return sqlx::Error::PoolTimedOut;
        }
        let options = self.pool.connect_options();
        match within(REASON_TIMEOUT, D::Connection::connect_with(&options)).await {
            Ok(connection) => {
                // It was only to see; a good-bye that fails changes nothing.
                let _ = within(REASON_TIMEOUT, connection.close()).await;
                sqlx::Error::PoolTimedOut
            }
            Err(error) => error,
        }
    }

    /// Passes an answer on. If it says that the connection broke, this one is closed, which ends
    /// its transaction, and those that were idle meanwhile are asked before they are used.
    pub(super) fn heed<T>(
        &self,
        lent: &mut Lent<D>,
        answer: Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        lent.is_answered = !answer.as_ref().is_err_and(connection_broke);
        if !lent.is_answered {
            self.doubt.raise();
        }
        answer
    }
}

/// A connection that goes back to the pool once its answer was heeded, and else is closed. A caller
/// who leaves in the middle of `BEGIN` would else leave a transaction open that nobody knows of: on
/// MariaDB whoever reads in it next is shown the past.
#[derive(Debug)]
pub(super) struct Lent<D: Database> {
    connection: PoolConnection<D>,
    is_answered: bool,
}

impl<D: Database> Lent<D> {
    /// From now on it does not go back to the pool.
    pub(super) fn keep(&mut self) {
        self.connection.close_on_drop();
    }
}

impl<D: Database> Drop for Lent<D> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.connection.close_on_drop();
        }
    }
}

impl<D: Database> Deref for Lent<D> {
    type Target = D::Connection;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl<D: Database> DerefMut for Lent<D> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}

/// When a connection broke last.
#[derive(Debug, Clone, Default)]
struct Doubt(Arc<Mutex<Option<Instant>>>);

impl Doubt {
    fn raise(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a connection has been idle since before.
    fn covers(&self, idle_for: Duration) -> bool {
        let raised = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        raised.is_some_and(|at| idle_for >= at.elapsed())
    }
}

/// Waits no longer than this for an answer of the database.
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

    #[tokio::test(start_paused = true)]
    async fn only_connections_that_were_idle_when_another_broke_are_doubted() {
        let doubt = Doubt::default();
        assert!(!doubt.covers(Duration::from_mins(1)));
        doubt.raise();
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(doubt.covers(Duration::from_secs(3)));
        assert!(!doubt.covers(Duration::from_secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_is_an_error() {
        let error = within::<()>(Duration::from_secs(3), std::future::pending()).await.unwrap_err();
        assert!(error.to_string().contains("no answer within 3 s"), "{error}");
        assert!(connection_broke(&error));
    }
}
