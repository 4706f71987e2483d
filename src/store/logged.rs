//! A store wrapper that logs every call and its result at `debug`.

use async_trait::async_trait;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::image::ImageId;
use crate::domain::store::{
    Deletion, Keeps, ObjectStream, Objects, Presence, Purged, Retained, Store, StoreError, StoreId,
    StoreUri,
};

/// Logs the calls to the wrapped store. Values of locations are never logged: they may hold
/// credentials.
#[derive(Debug)]
pub(super) struct Logged<S>(pub(super) S);

impl<S: Store> Logged<S> {
    async fn told<T>(
        &self,
        question: &'static str,
        image: Option<&ImageId>,
        answer: impl Future<Output = T>,
        in_words: impl FnOnce(&T) -> String,
    ) -> T {
        let began = Instant::now();
        let answer = answer.await;
        tracing::debug!(
            store = %self.0.id(),
            question,
            image_id = image.map(ImageId::as_str),
            // only built if `debug` is enabled
            answer = tracing::enabled!(tracing::Level::DEBUG).then(|| in_words(&answer)),
            seconds = began.elapsed().as_secs_f64(),
            "the store answered"
        );
        answer
    }
}

fn opened(answer: &Result<Option<ObjectStream>, StoreError>) -> String {
    match answer {
        Ok(Some(_)) => "opened".to_owned(),
        Ok(None) => "absent".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn done(answer: &Result<(), StoreError>) -> String {
    answer.as_ref().map_or_else(ToString::to_string, |()| "done".to_owned())
}

#[async_trait]
impl<S: Store> Store for Logged<S> {
    fn id(&self) -> &StoreId {
        self.0.id()
    }

    fn claims(&self, uri: &StoreUri) -> Option<usize> {
        self.0.claims(uri)
    }

    fn tells_apart(&self, uri: &StoreUri) -> bool {
        self.0.tells_apart(uri)
    }

    fn part(&self, uri: &StoreUri) -> String {
        self.0.part(uri)
    }

    fn objects(&self, uri: &StoreUri) -> Objects {
        self.0.objects(uri)
    }

    fn accepts(&self, image: &ImageId, uri: &StoreUri) -> Result<(), StoreError> {
        self.0.accepts(image, uri)
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.told("health", None, self.0.health(), done).await
    }

    async fn stat(&self, image: &ImageId, uri: &StoreUri) -> Result<Presence, StoreError> {
        let in_words = |answer: &Result<Presence, StoreError>| match answer {
            Ok(presence) => format!("{presence:?}"),
            Err(error) => error.to_string(),
        };
        self.told("stat", Some(image), self.0.stat(image, uri), in_words).await
    }

    async fn read(
        &self,
        image: &ImageId,
        uri: &StoreUri,
    ) -> Result<Option<ObjectStream>, StoreError> {
        self.told("read", Some(image), self.0.read(image, uri), opened).await
    }

    async fn retained(
        &self,
        image: &ImageId,
        uri: &StoreUri,
    ) -> Result<Option<Retained>, StoreError> {
        let in_words = |answer: &Result<Option<Retained>, StoreError>| match answer {
            Ok(kept) => format!("{kept:?}"),
            Err(error) => error.to_string(),
        };
        self.told("retained", Some(image), self.0.retained(image, uri), in_words).await
    }

    async fn read_retained(
        &self,
        image: &ImageId,
        uri: &StoreUri,
        kept: &Retained,
    ) -> Result<Option<ObjectStream>, StoreError> {
        let answer = self.0.read_retained(image, uri, kept);
        self.told("read_retained", Some(image), answer, opened).await
    }

    async fn recover(
        &self,
        image: &ImageId,
        uri: &StoreUri,
        kept: &Retained,
    ) -> Result<(), StoreError> {
        self.told("recover", Some(image), self.0.recover(image, uri, kept), done).await
    }

    async fn keeps(&self, image: &ImageId, uri: &StoreUri) -> Result<Keeps, StoreError> {
        let in_words = |answer: &Result<Keeps, StoreError>| format!("{answer:?}");
        self.told("keeps", Some(image), self.0.keeps(image, uri), in_words).await
    }

    async fn purge(&self, image: &ImageId, uri: &StoreUri) -> Result<Purged, StoreError> {
        let in_words = |answer: &Result<Purged, StoreError>| format!("{answer:?}");
        self.told("purge", Some(image), self.0.purge(image, uri), in_words).await
    }

    async fn second_chance(&self) -> Result<Option<String>, StoreError> {
        let in_words = |answer: &Result<Option<String>, StoreError>| format!("{answer:?}");
        self.told("second_chance", None, self.0.second_chance(), in_words).await
    }

    async fn pin(&self, image: &ImageId, uri: &StoreUri) -> Result<(), StoreError> {
        self.told("pin", Some(image), self.0.pin(image, uri), done).await
    }

    async fn repair(&self, image: &ImageId, uri: &StoreUri) -> Result<(), StoreError> {
        self.told("repair", Some(image), self.0.repair(image, uri), done).await
    }

    async fn delete(&self, image: &ImageId, uri: &StoreUri) -> Deletion {
        let in_words = |answer: &Deletion| format!("{answer:?}");
        self.told("delete", Some(image), self.0.delete(image, uri), in_words).await
    }

    fn at_once(&self) -> usize {
        self.0.at_once()
    }

    async fn delete_all(
        &self,
        wanted: &[(&ImageId, &StoreUri)],
        stop: &CancellationToken,
    ) -> Vec<Option<Deletion>> {
        let in_words = |answer: &Vec<Option<Deletion>>| {
            let images = wanted.iter().map(|(image, _)| image.as_str());
            format!("{:?}", images.zip(answer).collect::<Vec<_>>())
        };
        self.told("delete_all", None, self.0.delete_all(wanted, stop), in_words).await
    }
}
