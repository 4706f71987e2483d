//! A connection on loan from the pool.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::pool::PoolConnection;

use super::dialect::Dialect;

/// A connection that goes back to the pool once its answer was noted, and else is closed. A caller
/// who leaves in the middle of `BEGIN` would else leave a transaction open that nobody knows of: on
/// MariaDB whoever reads in it next is shown the past.
#[derive(Debug)]
pub(super) struct PooledConnection<D: Dialect> {
    connection: PoolConnection<D>,
    is_answered: bool,
    /// How many are on loan.
    in_use: Arc<AtomicU32>,
}

impl<D: Dialect> PooledConnection<D> {
    pub(super) fn new(connection: PoolConnection<D>, in_use: &Arc<AtomicU32>) -> Self {
        in_use.fetch_add(1, Ordering::Relaxed);
        Self { connection, is_answered: false, in_use: Arc::clone(in_use) }
    }

    /// Whether its last statement was answered.
    pub(super) fn set_answered(&mut self, is_answered: bool) {
        self.is_answered = is_answered;
    }

    /// From now on it does not go back to the pool.
    pub(super) fn keep(&mut self) {
        self.connection.close_on_drop();
    }
}

impl<D: Dialect> Drop for PooledConnection<D> {
    fn drop(&mut self) {
        self.in_use.fetch_sub(1, Ordering::Relaxed);
        if !self.is_answered {
            self.connection.close_on_drop();
        }
    }
}

impl<D: Dialect> Deref for PooledConnection<D> {
    type Target = D::Connection;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl<D: Dialect> DerefMut for PooledConnection<D> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}
