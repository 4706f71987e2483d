//! A pool of connections and their health. A server that restarts breaks all of them; after one
//! broken connection the others must not each cause an error.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::{ConnectOptions, Connection, Pool};
use tokio::time::Instant;

use super::deadline::{is_late, within};
use super::dialect::Dialect;
use super::error::connection_broke;
use super::login::Login;
use super::pooled::PooledConnection;

/// How long a request waits for a connection before it fails as unavailable.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was idle for longer is tested before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(5);
/// A connection that returned to the pool this soon after another broke is tested too: its last
/// answer may be older than the break.
const LATE_RETURN: Duration = Duration::from_secs(1);
/// Time-out of that test; much less than [`ACQUIRE_TIMEOUT`], so that there is time for a new
/// connection.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// After this wait for a connection, the service tests whether the server is reachable.
const SUSPICIOUS: Duration = Duration::from_secs(1);
/// Time-out of that test: an unreachable server is noticed at once or not at all.
const REASON_TIMEOUT: Duration = Duration::from_secs(1);

/// Connections to one database. Clones share them.
pub(super) struct Connections<D: Dialect> {
    pool: Pool<D>,
    doubt: Doubt,
    login: Option<Arc<Login>>,
    in_use: Arc<AtomicU32>,
    /// Held by the caller that finds out why there is no connection.
    asking: Arc<tokio::sync::Mutex<()>>,
}

impl<D: Dialect> Clone for Connections<D> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            doubt: self.doubt.clone(),
            login: self.login.clone(),
            in_use: Arc::clone(&self.in_use),
            asking: Arc::clone(&self.asking),
        }
    }
}

impl<D: Dialect> fmt::Debug for Connections<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

impl<D: Dialect> Connections<D> {
    /// Opens up to `size` connections, on demand.
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
            .after_connect(|connection: &mut D::Connection, _| {
                tracing::debug!("a connection to the database was made");
                Box::pin(D::set_up(connection))
            })
            // this service logs slow statements itself (`Watch`)
            .connect_lazy_with(options.disable_statement_logging());
        Self { pool, doubt, login: None, in_use: Arc::default(), asking: Arc::default() }
    }

    /// Adds a login for cases that the driver does not support.
    pub(super) fn with_login(self, login: Login) -> Self {
        Self { login: Some(Arc::new(login)), ..self }
    }

    pub(super) async fn acquire(&self) -> Result<PooledConnection<D>, sqlx::Error> {
        match self.acquire_once().await {
            Err(error) => {
                if connection_broke(&error) {
                    self.doubt.raise();
                }
                let Some(login) = &self.login else { return Err(error) };
                if login.helps(&error).await? { self.acquire_once().await } else { Err(error) }
            }
            connection => connection,
        }
    }

    async fn acquire_once(&self) -> Result<PooledConnection<D>, sqlx::Error> {
        let acquired = tokio::select! {
            biased;
            acquired = self.pool.acquire() => acquired,
            Some(error) = self.suspect() => return Err(error),
        };
        match acquired {
            Ok(connection) => Ok(PooledConnection::new(connection, &self.in_use)),
            Err(sqlx::Error::PoolTimedOut) => {
                Err(self.why_there_is_none().await.unwrap_or(sqlx::Error::PoolTimedOut))
            }
            Err(error) => Err(error),
        }
    }

    /// Returns, after a while, why there is no connection; `None` if that takes too long to find
    /// out. One caller at a time, so that logins do not overload the server.
    async fn suspect(&self) -> Option<sqlx::Error> {
        tokio::time::sleep(SUSPICIOUS).await;
        let _turn = self.asking.lock().await;
        self.why_there_is_none().await.filter(|error| !is_late(error))
    }

    /// The pool treats a refused connection like a starting server: it retries until its time-out
    /// and loses the error. So this connects once more. `None` if the server is reachable, or if
    /// all connections are in use.
    async fn why_there_is_none(&self) -> Option<sqlx::Error> {
        if self.in_use.load(Ordering::Relaxed) >= self.pool.options().get_max_connections() {
            return None;
        }
        let options = self.pool.connect_options();
        let mut connection =
            match within(REASON_TIMEOUT, D::Connection::connect_with(&options)).await {
                Ok(connection) => connection,
                Err(error) => return Some(error),
            };
        let refused = within(REASON_TIMEOUT, D::set_up(&mut connection)).await.err();
        if let Err(error) = within(REASON_TIMEOUT, connection.close()).await {
            // it was only a test, and is dropped in any case
            tracing::debug!(%error, "a connection was not closed in order");
        }
        refused
    }

    /// Passes an answer on. If it shows that the connection broke, this connection is closed, which
    /// ends its transaction, and connections that were idle meanwhile are tested before use.
    pub(super) fn note_result<T>(
        &self,
        connection: &mut PooledConnection<D>,
        answer: Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let is_broken = answer.as_ref().is_err_and(connection_broke);
        connection.set_answered(!is_broken);
        if is_broken {
            self.doubt.raise();
        }
        answer
    }
}

/// When a connection broke last.
#[derive(Debug, Clone, Default)]
struct Doubt(Arc<Mutex<Option<Instant>>>);

impl Doubt {
    fn raise(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether the last answer of an idle connection may be older than the break.
    fn covers(&self, idle_for: Duration) -> bool {
        let raised = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        raised.is_some_and(|at| idle_for + LATE_RETURN >= at.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_connections_that_answered_last_before_another_broke_are_doubted() {
        let doubt = Doubt::default();
        assert!(!doubt.covers(Duration::from_mins(1)));
        doubt.raise();
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(doubt.covers(Duration::from_secs(5)));
        assert!(!doubt.covers(Duration::from_secs(2)));
    }

    /// Its answer may have been in transit while the other connection broke.
    #[tokio::test(start_paused = true)]
    async fn a_connection_returned_just_after_another_broke_is_tested() {
        let doubt = Doubt::default();
        doubt.raise();
        tokio::time::advance(Duration::from_millis(60)).await;
        assert!(doubt.covers(Duration::from_millis(50)));
    }
}
