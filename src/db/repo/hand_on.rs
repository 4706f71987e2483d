//! Queries that pass their rows on as they arrive, so that they are never all in memory.

use super::{SqlRepo, is_late};
use crate::db::dialect::Dialect;
use crate::db::error::{connection_broke, repo_error};
use crate::db::read;
use crate::db::statement::Statement;
use crate::domain::repo::{Handed, RepoError, TakeLocation};

impl<D: Dialect> SqlRepo<D> {
    /// [`SqlRepo::fetch`] of locations, each passed on as it arrives.
    pub(super) async fn hand_on(
        &self,
        statement: Statement,
        take: TakeLocation<'_>,
    ) -> Result<Handed, RepoError> {
        let mut handed = Handed::Nothing;
        let mut bad = None;
        let mut each = |row: &D::Row| match read::held::<D>(row) {
            Ok(held) => {
                handed = Handed::Until(held.location.id);
                take(&held);
            }
            Err(error) => bad = bad.take().or(Some(error)),
        };
        self.each(statement, &mut each).await?;
        bad.map_or(Ok(handed), Err)
    }

    /// Passes on the rows of a query, which is repeated if it failed before the first row.
    pub(super) async fn each(
        &self,
        statement: Statement,
        take: &mut (dyn FnMut(&D::Row) + Send),
    ) -> Result<(), RepoError> {
        let mut any = false;
        let mut noted = |row: &D::Row| {
            any = true;
            take(row);
        };
        match self.each_once(statement.clone(), &mut noted).await {
            Err(error) if connection_broke(&error) && !is_late(&error) && !any => {
                self.each_once(statement, take).await.map_err(repo_error)
            }
            answer => answer.map_err(repo_error),
        }
    }

    async fn each_once(
        &self,
        statement: Statement,
        take: &mut (dyn FnMut(&D::Row) + Send),
    ) -> Result<(), sqlx::Error> {
        let mut connection = self.connections.acquire().await?;
        let answer = D::each(&mut connection, statement, take).await;
        self.connections.note_result(&mut connection, answer)
    }
}
