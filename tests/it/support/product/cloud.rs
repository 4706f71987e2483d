//! The real Glance and our service on one database.

use serde_json::{Value, json};

use crate::support::binary::{Run, glance_revert};
use crate::support::database::{Kind, TestDatabase};
use crate::support::glance::{Client, Glance, GlanceOptions, Stores};
use crate::support::service::Service;

/// The data of most images.
pub(crate) const SMALL: &[u8] = b"every bit of an image";

/// A Glance and our service.
pub(crate) struct Cloud {
    pub(crate) database: TestDatabase,
    pub(crate) glance: Glance,
    pub(crate) service: Service,
}

impl Cloud {
    pub(crate) async fn start(kind: Kind, options: GlanceOptions<'_>) -> Self {
        Self::start_with(kind, options, "").await
    }

    /// The same with additional lines in `[revert]`.
    pub(crate) async fn start_with(kind: Kind, options: GlanceOptions<'_>, more: &str) -> Self {
        let database = TestDatabase::create(kind).await;
        let glance = Glance::start(&database, options).await;
        let service = Service::start(glance.config_file(), &database.url(), more).await;
        Self { database, glance, service }
    }

    /// Adds a store `cold` with this type and these options to the folders.
    pub(crate) async fn with_cold_store(kind: Kind, store: &str, options: String) -> Self {
        let more = [("cold", store, options)];
        let (stores, more) = (Stores::Multi, more.as_slice());
        let options = GlanceOptions { stores, scrub_time: 3600, more, ..GlanceOptions::default() };
        Self::start(kind, options).await
    }

    /// The output of `glance-revert check`.
    pub(crate) fn check(&self) -> String {
        self.run(&["check"]).stdout
    }

    /// Runs the binary with the service's configuration.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let files = self.service.config_files().iter();
        let files: Vec<_> = files.map(|file| file.to_str().unwrap()).collect();
        let files = files.iter().flat_map(|file| ["--config-file", *file]);
        glance_revert(&arguments.iter().copied().chain(files).collect::<Vec<_>>())
    }

    pub(crate) fn admin(&self) -> Client {
        self.glance.admin()
    }

    /// An active image with data in one store.
    pub(crate) async fn image(&self, store: &str, data: &[u8]) -> String {
        let image = json!({"name": "i", "disk_format": "raw", "container_format": "bare"});
        let id = self.admin().create_image(&image).await["id"].as_str().unwrap().to_owned();
        self.admin().upload_to(&id, store, data).await;
        id
    }

    /// Deletes an image and makes it due.
    pub(crate) async fn delete_for_good(&self, id: &str) {
        self.admin().delete(id).await;
        let sql = format!("UPDATE images SET deleted_at = '2020-01-01 00:00:00' WHERE id = '{id}'");
        self.database.execute(&sql).await;
    }

    /// Deletes an image as if an hour ago; the times of the delete keep their order.
    pub(crate) async fn delete(&self, id: &str) {
        self.admin().delete(id).await;
        self.database.earlier("images", &format!("id = '{id}'"), 3600).await;
        for table in ["image_locations", "image_properties", "image_tags", "image_members"] {
            let of_it = format!("image_id = '{id}' AND deleted_at IS NOT NULL");
            self.database.earlier(table, &of_it, 3600).await;
        }
    }

    /// Deletes an image and reverts it; checks that Glance shows it as before, including its bytes.
    pub(crate) async fn comes_back(&self, id: &str, data: &[u8], restored: &str) {
        let before = self.document(id).await;
        self.admin().delete(id).await;
        assert_eq!(self.admin().show(id).await.0, 404);
        let reverted = self.service.revert_with(id, &json!({"verify": "checksum"})).await;
        assert_eq!(reverted.status, 200, "{reverted:?}");
        assert!(reverted.restored.starts_with(restored), "{reverted:?}");
        assert_eq!(reverted.warnings, "");
        assert_eq!(self.admin().download(id).await, (200, data.to_vec()));
        assert_eq!(self.document(id).await, before);
    }

    /// An image as Glance shows it, without fields that a revert does not restore.
    pub(crate) async fn document(&self, id: &str) -> Value {
        let (_, mut document) = self.admin().show(id).await;
        let is_kept = |name: &str| name != "updated_at" && !name.starts_with("os_glance_");
        document.as_object_mut().unwrap().retain(|name, _| is_kept(name));
        document
    }
}
