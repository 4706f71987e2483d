//! Deleting many objects of a service over HTTP: looked at side by side, then deleted with one
//! request where that proves as much, and side by side where it does not.

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::http_fault::Fault;
use crate::domain::image::ImageId;
use crate::domain::store::{Deletion, StoreId, StoreUri};

/// Requests at a time, whatever `scrub_pool_size`.
pub(super) const SIDE_BY_SIDE: usize = 16;
/// Services take a thousand and more; an answer about so many is sure to come in time.
const MOST: usize = 500;

/// What a look at an object says of how it has to go.
pub(super) enum Found<O> {
    /// It may go together with others.
    Plain(O),
    /// It has to go alone.
    Odd(O),
    /// Nothing is to be sent.
    Told(Deletion),
}

/// A store whose service deletes many objects with one request.
#[async_trait]
pub(super) trait Together: Sync {
    type Object: Send + Sync;

    /// How long all looks may take.
    fn limit(&self) -> Duration;

    /// Changes nothing.
    async fn look(&self, image: &ImageId, uri: &StoreUri) -> Found<Self::Object>;

    /// Deletes plain objects. One result for each, in order; `None` for one that was not touched, and
    /// has to go alone.
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

/// Whether a service's request for many objects is of use.
#[derive(Debug, Default)]
pub(super) struct Bulk {
    given_up: OnceLock<()>,
}

impl Bulk {
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.get().is_some()
    }

    /// For as long as this process lives; said once.
    pub(super) fn give_up(&self, store: &StoreId, why: &str) {
        if self.given_up.set(()).is_ok() {
            tracing::info!(%store, why, "its objects are deleted one by one, not many at once");
        }
    }

    /// How many objects to begin with at once. One by one it is only as many as are asked for side by
    /// side, so that a service that goes away does not keep the others waiting.
    pub(super) fn at_once(&self) -> usize {
        if self.is_given_up() { SIDE_BY_SIDE } else { MOST }
    }
}
