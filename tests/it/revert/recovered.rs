//! Copies that a store has to recover before an image can use them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::location::{Location, LocationValue};
use glance_revert::domain::revert::{RevertError, RevertRequest, Verify};
use glance_revert::domain::store::{
    Deletion, ObjectStream, Objects, Placed, Presence, Retained, Store, StoreError, StoreId,
    StoreUri, Stores, Unplaced,
};

use crate::support::database::Kind;
use crate::support::rows::DELETE_BEGAN;
use crate::support::world::World;

/// Stores with all data in a trash. What lies in a folder `stuck` cannot be recovered.
#[derive(Debug, Clone)]
struct TrashStores {
    inner: Arc<dyn Stores>,
    recovered: Arc<Mutex<HashSet<String>>>,
}

impl Stores for TrashStores {
    fn place(&self, location: &Location) -> Result<Placed, Unplaced> {
        let Placed { store, uri } = self.inner.place(location)?;
        let recovered = Arc::clone(&self.recovered);
        Ok(Placed { store: Arc::new(TrashStore { inner: store, recovered }), uri })
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
struct TrashStore {
    inner: Arc<dyn Store>,
    recovered: Arc<Mutex<HashSet<String>>>,
}

#[async_trait]
impl Store for TrashStore {
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
        if self.recovered.lock().unwrap().contains(uri.as_str()) {
            return self.inner.stat(id, uri).await;
        }
        Ok(Presence::Hidden("in the trash".to_owned()))
    }

    async fn read(&self, id: &ImageId, uri: &StoreUri) -> Result<Option<ObjectStream>, StoreError> {
        self.inner.read(id, uri).await
    }

    async fn retained(&self, _: &ImageId, _: &StoreUri) -> Result<Option<Retained>, StoreError> {
        let (version, how) = ("1".to_owned(), "in the trash".to_owned());
        Ok(Some(Retained { version, size: 8, since: None, until: None, how }))
    }

    async fn read_retained(
        &self,
        id: &ImageId,
        uri: &StoreUri,
        _: &Retained,
    ) -> Result<Option<ObjectStream>, StoreError> {
        self.inner.read(id, uri).await
    }

    async fn recover(&self, _: &ImageId, uri: &StoreUri, _: &Retained) -> Result<(), StoreError> {
        if uri.as_str().contains("/stuck/") {
            return Err(StoreError::Unreachable("the trash is stuck".to_owned()));
        }
        self.recovered.lock().unwrap().insert(uri.as_str().to_owned());
        Ok(())
    }

    async fn delete(&self, id: &ImageId, uri: &StoreUri) -> Deletion {
        self.inner.delete(id, uri).await
    }
}

/// An image with a copy in each of these folders.
async fn image_in(folders: &[&str]) -> World {
    let mut world = World::with_datadirs(Kind::Sqlite, &["images", "stuck"]).await;
    let inner = Arc::clone(&world.stores);
    world.stores = Arc::new(TrashStores { inner, recovered: Arc::default() });
    world.deleted_image("a").await;
    world.db.execute("DELETE FROM image_locations").await;
    for folder in folders {
        let path = world.datadir().with_file_name(folder).join("a");
        std::fs::write(&path, b"contents").unwrap();
        let uri = format!("file://{}", path.display());
        world.rows().location("a", &uri, "pending_delete", Some(DELETE_BEGAN)).await;
    }
    let md5 = "UPDATE images SET checksum = '98bf7d8c15784f0a3d63204441e1e2aa'";
    world.db.execute(md5).await;
    world
}

#[tokio::test]
async fn a_copy_that_cannot_be_recovered_stays_out_beside_one_that_can() {
    let world = image_in(&["stuck", "images"]).await;
    let reverted = world.revert_with("a", &RevertRequest::whole(Verify::Checksum)).await.unwrap();
    let locations = world.locations("a").await;
    assert_eq!(locations, "pending_delete deleted time, active kept no time");
    assert_eq!(reverted.restored.locations, 1);
    let warnings = reverted.warnings.join("; ");
    assert!(warnings.contains("the trash is stuck"), "{warnings}");
    assert!(warnings.contains("was recovered"), "{warnings}");
}

#[tokio::test]
async fn nothing_is_written_when_no_copy_can_be_recovered() {
    let world = image_in(&["stuck"]).await;
    let refused = world.revert_with("a", &RevertRequest::whole(Verify::Checksum)).await;
    let refused = refused.map(drop).unwrap_err();
    assert!(matches!(refused, RevertError::StoreUnavailable { .. }), "{refused}");
    assert_eq!(world.status("a").await, "pending_delete deleted time");
}
