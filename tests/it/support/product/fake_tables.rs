//! Our own tables in memory.

use std::sync::Mutex;

use async_trait::async_trait;
use glance_revert::domain::audit::{AuditQuery, AuditRow};
use glance_revert::domain::image::ImageId;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::RepoError;
use glance_revert::domain::tables::{OwnTables, TablesState};
use glance_revert::domain::time::Timestamp;

/// Missing, unless a test says otherwise.
#[derive(Debug)]
pub(crate) struct FakeTables {
    pub(crate) state: Mutex<TablesState>,
    /// Newest first.
    pub(crate) audit: Mutex<Vec<AuditRow>>,
    /// The last query.
    pub(crate) asked: Mutex<Option<AuditQuery>>,
}

impl Default for FakeTables {
    fn default() -> Self {
        let state = Mutex::new(TablesState::Missing);
        Self { state, audit: Mutex::default(), asked: Mutex::default() }
    }
}

impl FakeTables {
    pub(crate) fn set(&self, state: TablesState) {
        *self.state.lock().unwrap() = state;
    }
}

#[async_trait]
impl OwnTables for FakeTables {
    async fn state(&self) -> Result<TablesState, RepoError> {
        Ok(self.state.lock().unwrap().clone())
    }

    async fn rehearse(&self) -> Result<TablesState, RepoError> {
        self.state().await
    }

    async fn unrecorded_scrubs(&self, _: Timestamp) -> Result<Option<Vec<ImageId>>, RepoError> {
        Ok(None)
    }

    async fn last_of(&self, _: &Admin, images: &[ImageId]) -> Result<Vec<AuditRow>, RepoError> {
        if self.state().await? != TablesState::Present {
            return Err(RepoError::TablesMissing);
        }
        let rows = self.audit.lock().unwrap();
        let about = |row: &&AuditRow, id: &ImageId| row.image_id.as_deref() == Some(id.as_str());
        let last = images.iter().filter_map(|id| rows.iter().find(|row| about(row, id)));
        Ok(last.cloned().collect())
    }

    async fn list_audit(&self, _: &Admin, query: &AuditQuery) -> Result<Vec<AuditRow>, RepoError> {
        if self.state().await? != TablesState::Present {
            return Err(RepoError::TablesMissing);
        }
        *self.asked.lock().unwrap() = Some(query.clone());
        let rows = self.audit.lock().unwrap();
        Ok(rows.iter().take(usize::try_from(query.limit).unwrap()).cloned().collect())
    }
}
