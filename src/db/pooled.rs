//! A connection borrowed from the pool.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::pool::PoolConnection;

use super::dialect::Dialect;

/// Returns to the pool only if its last statement completed; otherwise it is closed. A caller
/// cancelled during `BEGIN` would leave an unnoticed open transaction: on MariaDB later reads in it
/// would see old rows.
#[derive(Debug)]
pub(super) struct PooledConnection<D: Dialect> {
    connection: PoolConnection<D>,
    is_answered: bool,
    /// Number of borrowed connections.
    in_use: Arc<AtomicU32>,
}

impl<D: Dialect> PooledConnection<D> {
    pub(super) fn new(connection: PoolConnection<D>, in_use: &Arc<AtomicU32>) -> Self {
        in_use.fetch_add(1, Ordering::Relaxed);
        Self { connection, is_answered: false, in_use: Arc::clone(in_use) }
    }

    /// Records whether its last statement completed.
    pub(super) fn set_answered(&mut self, is_answered: bool) {
        self.is_answered = is_answered;
    }

    /// Never return it to the pool.
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
