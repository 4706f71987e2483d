//! Stores that keep what they delete, in a bin of their own, until it is purged.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::location::{Location, LocationValue};
use glance_revert::domain::store::{
    Deletion, Keeps, ObjectStream, Objects, Placed, Presence, Purged, Remains, Store, StoreError,
    StoreId, StoreUri, Stores, Unplaced,
};
use tokio::sync::Barrier;

/// Other stores, each with a bin.
#[derive(Debug, Clone)]
pub(crate) struct KeepingStores {
    inner: Arc<dyn Stores>,
    /// Bytes, by location.
    pub(crate) bin: Arc<Mutex<HashMap<String, u64>>>,
    /// Whether the bin is locked.
    pub(crate) is_locked: Arc<Mutex<bool>>,
    /// Where a purge stands still, if it shall.
    pub(crate) stop: Arc<Mutex<Option<Arc<Barrier>>>>,
}

impl KeepingStores {
    pub(crate) fn new(inner: Arc<dyn Stores>) -> Self {
        Self { inner, bin: Arc::default(), is_locked: Arc::default(), stop: Arc::default() }
    }

    pub(crate) fn kept(&self) -> usize {
        self.bin.lock().unwrap().len()
    }
}

impl Stores for KeepingStores {
    fn place(&self, location: &Location) -> Result<Placed, Unplaced> {
        let Placed { store, uri } = self.inner.place(location)?;
        Ok(Placed { store: Arc::new(KeepingStore { inner: store, stores: self.clone() }), uri })
    }

    fn uri(&self, value: &LocationValue) -> Option<StoreUri> {
        self.inner.uri(value)
    }

    fn objects(&self, location: &Location) -> Objects {
        self.inner.objects(location)
    }

    fn all(&self) -> Vec<Arc<dyn Store>> {
        self.inner.all()
    }
}

#[derive(Debug)]
struct KeepingStore {
    inner: Arc<dyn Store>,
    stores: KeepingStores,
}

#[async_trait]
impl Store for KeepingStore {
    fn id(&self) -> &StoreId {
        self.inner.id()
    }

    fn claims(&self, uri: &StoreUri) -> Option<usize> {
        self.inner.claims(uri)
    }

    fn accepts(&self, image: &ImageId, uri: &StoreUri) -> Result<(), StoreError> {
        self.inner.accepts(image, uri)
    }

    fn objects(&self, uri: &StoreUri) -> Objects {
        self.inner.objects(uri)
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.inner.health().await
    }

    async fn stat(&self, id: &ImageId, uri: &StoreUri) -> Result<Presence, StoreError> {
        self.inner.stat(id, uri).await
    }

    async fn read(&self, id: &ImageId, uri: &StoreUri) -> Result<Option<ObjectStream>, StoreError> {
        self.inner.read(id, uri).await
    }

    async fn keeps(&self, id: &ImageId, uri: &StoreUri) -> Result<Keeps, StoreError> {
        if let Presence::Present { .. } = self.inner.stat(id, uri).await? {
            return Ok(Keeps::Current);
        }
        let kept = self.stores.bin.lock().unwrap().get(uri.as_str()).copied();
        let one = |bytes| Remains { pieces: 1, bytes };
        Ok(Keeps::Remains(kept.map(one).unwrap_or_default()))
    }

    async fn purge(&self, _: &ImageId, uri: &StoreUri) -> Result<Purged, StoreError> {
        let stop = self.stores.stop.lock().unwrap().take();
        if let Some(stop) = stop {
            stop.wait().await;
            stop.wait().await;
        }
        let mut bin = self.stores.bin.lock().unwrap();
        let bytes = bin[uri.as_str()];
        let (all, nothing) = (Remains { pieces: 1, bytes }, Remains::default());
        if *self.stores.is_locked.lock().unwrap() {
            let why = Some("it is locked until 2027".to_owned());
            return Ok(Purged { removed: nothing, left: all, why });
        }
        bin.remove(uri.as_str());
        Ok(Purged { removed: all, left: nothing, why: None })
    }

    async fn delete(&self, id: &ImageId, uri: &StoreUri) -> Deletion {
        let deletion = self.inner.delete(id, uri).await;
        if deletion != Deletion::Deleted {
            return deletion;
        }
        self.stores.bin.lock().unwrap().insert(uri.as_str().to_owned(), 8);
        Deletion::Retained("in a bin".to_owned())
    }
}
