//! Our own tables in memory.

use std::sync::Mutex;

use async_trait::async_trait;
use glance_revert::domain::repo::RepoError;
use glance_revert::domain::tables::{OwnTables, TablesState};

/// Missing, until a test says something else.
#[derive(Debug)]
pub(crate) struct FakeTables(pub(crate) Mutex<TablesState>);

impl Default for FakeTables {
    fn default() -> Self {
        Self(Mutex::new(TablesState::Missing))
    }
}

#[async_trait]
impl OwnTables for FakeTables {
    async fn state(&self) -> Result<TablesState, RepoError> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn rehearse(&self) -> Result<TablesState, RepoError> {
        self.state().await
    }
}
