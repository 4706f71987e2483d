//! The list of scrubbed images.

use super::{SqlRepo, far_past};
use crate::db::dialect::Dialect;
use crate::db::error::{no_such_character, repo_error};
use crate::db::lists;
use crate::db::read;
use crate::db::statement::Statement;
use crate::domain::image::ImageId;
use crate::domain::repo::{RepoError, Scrubbed, ScrubbedMarker, ScrubbedQuery};
use crate::domain::time::FAR_FUTURE;

impl<D: Dialect> SqlRepo<D> {
    pub(super) async fn page_of_scrubbed(
        &self,
        query: &ScrubbedQuery,
    ) -> Result<Scrubbed, RepoError> {
        let filters = [query.owner.as_ref(), query.name.as_ref()];
        let rows = match self.try_fetch(scrubbed(query), None).await {
            // a column with three-byte characters cannot match four-byte ones
            Err(error) if no_such_character(&error) && read::has_rare_characters(filters) => {
                return Ok(Scrubbed::default());
            }
            answer => answer.map_err(repo_error)?.unwrap_or_default(),
        };
        let most = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let mut images = Vec::with_capacity(rows.len());
        for row in rows.iter().take(most) {
            let id = D::text(row, "id").map_err(repo_error)?.unwrap_or_default();
            let changed_at = D::maybe_time(row, "changed_at").unwrap_or_default();
            // Glance writes only such ids and times
            if let (Ok(id), Some(changed_at)) = (ImageId::parse(&id), changed_at) {
                images.push(ScrubbedMarker { changed_at, id });
            }
        }
        // SQLite would find a time that is not written in Glance's form again
        let is_new = |last: &&ScrubbedMarker| query.marker.as_ref() != Some(*last);
        let next = images.last().filter(|_| rows.len() > most).filter(is_new).cloned();
        Ok(Scrubbed { ids: images.into_iter().map(|one| one.id).collect(), next })
    }
}

/// One row more than the page, which tells whether there is another page.
fn scrubbed(query: &ScrubbedQuery) -> Statement {
    let marker = query.marker.as_ref();
    let (seen_at, seen_id) =
        marker.map_or((FAR_FUTURE, ""), |marker| (marker.changed_at, marker.id.as_str()));
    let (owner, name) = (query.owner.as_deref(), query.name.as_deref());
    let since = query.deleted_after.unwrap_or_else(far_past);
    Statement::walk(lists::LIST_SCRUBBED)
        .bind(since)
        .bind(seen_at)
        .bind(seen_at)
        .bind(seen_id)
        .bind(since)
        .bind(query.deleted_before.unwrap_or(FAR_FUTURE))
        .bind(owner)
        .bind(owner)
        .bind(name)
        .bind(name)
        .bind(i64::from(query.limit) + 1)
}
