//! Deletes many objects of a service over HTTP: checks them concurrently, then deletes those that
//! allow it with one request, and the others concurrently, one request each.

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::http_fault::Fault;
use crate::domain::image::ImageId;
use crate::domain::store::{Deletion, StoreId, StoreUri};

/// Maximum number of concurrent requests, whatever `scrub_pool_size` says.
pub(super) const SIDE_BY_SIDE: usize = 16;
/// Objects per request. Services accept a thousand or more; a smaller request is answered in time.
const MOST: usize = 500;

/// How an object can be deleted, according to the check.
pub(super) enum Found<O> {
    /// Together with others.
    Plain(O),
    /// Only alone.
    Odd(O),
    /// Not at all: the result is already known.
    Told(Deletion),
}

/// A store whose service deletes many objects with one request.
#[async_trait]
pub(super) trait Together: Sync {
    type Object: Send + Sync;

    /// Time limit for all checks together.
    fn limit(&self) -> Duration;

    /// Checks one object. Changes nothing.
    async fn look(&self, image: &ImageId, uri: &StoreUri) -> Found<Self::Object>;

    /// Deletes plain objects. Returns one result for each, in order; `None` for an object that was
    /// not touched and must be deleted alone.
    async fn remove_together(&self, plain: &[&Self::Object]) -> Vec<Option<Deletion>>;

    async fn remove_alone(&self, object: Self::Object) -> Deletion;

    /// See [`crate::domain::store::Store::delete_all`].
    async fn remove_all(
        &self,
        wanted: &[(&ImageId, &StoreUri)],
        stop: &CancellationToken,
    ) -> Vec<Option<Deletion>> {
        let looks: Vec<_> = wanted.iter().map(|(image, uri)| self.look(image, uri)).collect();
        let looks = stream::iter(looks).buffered(SIDE_BY_SIDE).collect::<Vec<_>>();
        let looks = stop.run_until_cancelled(timeout(self.limit(), looks)).await;
        let found = match looks.filter(|_| !stop.is_cancelled()) {
            Some(Ok(found)) => found,
            Some(Err(_)) => {
                let late = Fault::Late("the service did not answer in time".to_owned());
                return vec![Some(late.before_deletion()); wanted.len()];
            }
            None => return vec![None; wanted.len()],
        };
        let plain = found.iter().filter_map(|found| match found {
            Found::Plain(object) => Some(object),
            Found::Odd(_) | Found::Told(_) => None,
        });
        let plain: Vec<_> = plain.collect();
        let told = if plain.is_empty() { Vec::new() } else { self.remove_together(&plain).await };
        let mut told = told.into_iter();
        let rest: Vec<_> = found
            .into_iter()
            .map(|found| match found {
                Found::Told(deletion) => (Some(deletion), None),
                Found::Odd(object) => (None, Some(object)),
                Found::Plain(object) => (told.next().flatten(), Some(object)),
            })
            .map(|(told, object)| async move {
                match (told, object) {
                    (None, Some(object)) if !stop.is_cancelled() => {
                        Some(self.remove_alone(object).await)
                    }
                    (told, _) => told,
                }
            })
            .collect();
        stream::iter(rest).buffered(SIDE_BY_SIDE).collect().await
    }
}

/// Whether the service's request for many objects is usable.
#[derive(Debug, Default)]
pub(super) struct Bulk {
    given_up: OnceLock<()>,
}

impl Bulk {
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.get().is_some()
    }

    /// Stops using it until this process ends; logged once.
    pub(super) fn give_up(&self, store: &StoreId, why: &str) {
        if self.given_up.set(()).is_ok() {
            tracing::info!(%store, why, "its objects are deleted one by one, not many at once");
        }
    }

    /// How many objects to start at once. If they are deleted one by one, only as many as there are
    /// concurrent requests, so that a service that becomes unavailable does not delay the rest.
    pub(super) fn at_once(&self) -> usize {
        if self.is_given_up() { SIDE_BY_SIDE } else { MOST }
    }
}
