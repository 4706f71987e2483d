//! Adapters that behave worse than the real ones: locks that exclude nobody, a store that often
//! refuses.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::future::BoxFuture;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::location::{Location, LocationValue};
use glance_revert::domain::lock::{HeldLock, ImageGuard, ImageLock, PassGuard};
use glance_revert::domain::repo::RepoError;
use glance_revert::domain::store::{
    Deletion, ObjectStream, Objects, Placed, Presence, Store, StoreError, StoreId, StoreUri,
    Stores, Unplaced,
};

/// Named locks as on two Galera nodes: everybody gets every lock.
#[derive(Debug)]
pub(crate) struct LocksOfNobody;

#[derive(Debug)]
struct NotHeld;

#[async_trait]
impl HeldLock for NotHeld {
    async fn release(self: Box<Self>) {}
}

#[async_trait]
impl ImageLock for LocksOfNobody {
    async fn try_lock(&self, id: &ImageId) -> Result<Option<ImageGuard>, RepoError> {
        Ok(Some(ImageGuard::new(id.clone(), Box::new(NotHeld))))
    }

    async fn try_lock_pass(&self) -> Result<Option<PassGuard>, RepoError> {
        Ok(Some(PassGuard::new(Box::new(NotHeld))))
    }
}

/// Stores that answer every `nth` delete with "in use".
#[derive(Debug, Clone)]
pub(crate) struct RefusingStores {
    inner: Arc<dyn Stores>,
    nth: usize,
    asked: Arc<AtomicUsize>,
}

impl RefusingStores {
    pub(crate) fn new(inner: Arc<dyn Stores>, nth: usize) -> Self {
        Self { inner, nth, asked: Arc::default() }
    }
}

impl Stores for RefusingStores {
    fn place(&self, location: &Location) -> Result<Placed, Unplaced> {
        let Placed { store, uri } = self.inner.place(location)?;
        let store = RefusingStore { inner: store, nth: self.nth, asked: Arc::clone(&self.asked) };
        Ok(Placed { store: Arc::new(store), uri })
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
struct RefusingStore {
    inner: Arc<dyn Store>,
    nth: usize,
    asked: Arc<AtomicUsize>,
}

#[async_trait]
impl Store for RefusingStore {
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

    async fn delete(&self, id: &ImageId, uri: &StoreUri) -> Deletion {
        if self.asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.nth) {
            return Deletion::Held("somebody reads it".to_owned());
        }
        self.inner.delete(id, uri).await
    }
}

/// Stores that run something just before an object of this image is destroyed.
#[derive(Clone)]
pub(crate) struct MeanwhileStores {
    pub(crate) inner: Arc<dyn Stores>,
    pub(crate) act: Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
}

impl fmt::Debug for MeanwhileStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeanwhileStores").finish_non_exhaustive()
    }
}

impl Stores for MeanwhileStores {
    fn place(&self, location: &Location) -> Result<Placed, Unplaced> {
        let Placed { store, uri } = self.inner.place(location)?;
        let stores = Self { inner: Arc::clone(&self.inner), act: Arc::clone(&self.act) };
        Ok(Placed { store: Arc::new(MeanwhileStore { inner: store, stores }), uri })
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
struct MeanwhileStore {
    inner: Arc<dyn Store>,
    stores: MeanwhileStores,
}

#[async_trait]
impl Store for MeanwhileStore {
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

    async fn delete(&self, id: &ImageId, uri: &StoreUri) -> Deletion {
        (self.stores.act)().await;
        self.inner.delete(id, uri).await
    }
}
