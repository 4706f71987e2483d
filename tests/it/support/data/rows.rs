//! Rows as Glance leaves them, written by hand for moments and faults that the real Glance cannot
//! produce on demand.

use crate::support::database::TestDatabase;

/// Times of the fixtures; [`crate::support::clock::FixedClock`] is at noon of the same day.
pub(crate) const CREATED: &str = "2026-11-20 08:00:00.000000";
/// When a fixture's image was deleted: an hour before noon, with a fraction that databases store
/// differently.
pub(crate) const DELETED: &str = "2026-11-22 11:00:00.327000";
/// The delete's first transaction.
pub(crate) const DELETE_BEGAN: &str = "2026-11-22 10:59:59.900000";
/// Something that a user removed long before the delete.
pub(crate) const REMOVED: &str = "2026-11-21 09:00:00.500000";

/// Writes rows into one database.
#[derive(Debug)]
pub(crate) struct Rows<'a>(pub(crate) &'a TestDatabase);

fn quoted(text: Option<&str>) -> String {
    text.map_or("NULL".to_owned(), |text| format!("'{}'", text.replace('\'', "''")))
}

impl Rows<'_> {
    /// A row of `images`: `deleted_at` says whether it is deleted.
    pub(crate) async fn image(
        &self,
        id: &str,
        status: &str,
        size: usize,
        deleted_at: Option<&str>,
    ) {
        let deleted = if deleted_at.is_some() { "TRUE" } else { "FALSE" };
        let deleted_at = quoted(deleted_at);
        let updated_at =
            if deleted_at == "NULL" { quoted(Some(CREATED)) } else { deleted_at.clone() };
        self.0
            .execute(&format!(
                "INSERT INTO images (id, name, disk_format, container_format, size, virtual_size, \
                 status, visibility, min_disk, min_ram, owner, protected, os_hidden, created_at, \
                 updated_at, deleted_at, deleted) VALUES ('{id}', 'name of {id}', 'raw', 'bare', \
                 {size}, NULL, '{status}', 'shared', 0, 0, 'p1', FALSE, FALSE, '{CREATED}', \
                 {updated_at}, {deleted_at}, {deleted})"
            ))
            .await;
    }

    /// A row of `image_locations`; live without `deleted_at`.
    pub(crate) async fn location(
        &self,
        image: &str,
        value: &str,
        status: &str,
        deleted_at: Option<&str>,
    ) {
        let deleted = if status == "active" { "FALSE" } else { "TRUE" };
        self.0
            .execute(&format!(
                "INSERT INTO image_locations (image_id, value, meta_data, status, created_at, \
                 updated_at, deleted_at, deleted) VALUES ('{image}', {}, '{{}}', '{status}', \
                 '{CREATED}', '{CREATED}', {}, {deleted})",
                quoted(Some(value)),
                quoted(deleted_at)
            ))
            .await;
    }

    /// A row of `image_properties`.
    pub(crate) async fn property(
        &self,
        image: &str,
        name: &str,
        value: Option<&str>,
        deleted_at: Option<&str>,
    ) {
        let value = quoted(value);
        self.child(
            "image_properties",
            "name, value",
            image,
            &format!("'{name}', {value}"),
            deleted_at,
        )
        .await;
    }

    /// A row of `image_tags`.
    pub(crate) async fn tag(&self, image: &str, tag: &str, deleted_at: Option<&str>) {
        self.child("image_tags", "value", image, &format!("'{tag}'"), deleted_at).await;
    }

    /// A row of `image_members`.
    pub(crate) async fn member(&self, image: &str, member: &str, deleted_at: Option<&str>) {
        let values = format!("'{member}', FALSE, 'accepted'");
        self.child("image_members", "member, can_share, status", image, &values, deleted_at).await;
    }

    async fn child(
        &self,
        table: &str,
        columns: &str,
        image: &str,
        values: &str,
        deleted_at: Option<&str>,
    ) {
        let deleted = if deleted_at.is_some() { "TRUE" } else { "FALSE" };
        self.0
            .execute(&format!(
                "INSERT INTO {table} (image_id, {columns}, created_at, updated_at, deleted_at, \
                 deleted) VALUES ('{image}', {values}, '{CREATED}', '{CREATED}', {}, {deleted})",
                quoted(deleted_at)
            ))
            .await;
    }

    /// Images with a location, four properties, a tag and a member each, deleted at one moment.
    /// Uses few statements, so that there can be many images. `folder` is the folder of their
    /// locations.
    pub(crate) async fn deleted_images(&self, ids: &[String], folder: &str, size: usize) {
        let times = format!("'{CREATED}', '{DELETED}', '{DELETED}', TRUE");
        let each = |row: &dyn Fn(&str) -> String| {
            ids.iter().map(|id| row(id)).collect::<Vec<_>>().join(", ")
        };
        let times_of = "created_at, updated_at, deleted_at, deleted";
        let image = |id: &str| {
            format!("('{id}', {size}, 'pending_delete', 'shared', 0, 0, FALSE, FALSE, {times})")
        };
        let location = |id: &str| format!("('{id}', '{folder}{id}', 'pending_delete', {times})");
        let property = |id: &str| {
            let one = |name| format!("('{id}', '{name}', 'v', {times})");
            ["p0", "p1", "p2", "p3"].map(one).join(", ")
        };
        let tag = |id: &str| format!("('{id}', 'blue', {times})");
        let member = |id: &str| format!("('{id}', 'friend', FALSE, 'accepted', {times})");
        let of_images = "id, size, status, visibility, min_disk, min_ram, protected, os_hidden";
        for (table, columns, rows) in [
            ("images", of_images, each(&image)),
            ("image_locations", "image_id, value, status", each(&location)),
            ("image_properties", "image_id, name, value", each(&property)),
            ("image_tags", "image_id, value", each(&tag)),
            ("image_members", "image_id, member, can_share, status", each(&member)),
        ] {
            self.0
                .execute(&format!("INSERT INTO {table} ({columns}, {times_of}) VALUES {rows}"))
                .await;
        }
    }

    /// An image with all kinds of children, deleted as Glance deletes, including rows that must not
    /// come back.
    pub(crate) async fn deleted_image(&self, id: &str, location: &str, size: usize) {
        self.image(id, "pending_delete", size, Some(DELETED)).await;
        self.location(id, location, "pending_delete", Some(DELETE_BEGAN)).await;
        self.property(id, "os_distro", Some("debian"), Some(DELETE_BEGAN)).await;
        self.property(id, "empty", Some(""), Some(DELETE_BEGAN)).await;
        self.property(id, "os_glance_import_task", Some("x"), Some(DELETE_BEGAN)).await;
        self.tag(id, "blue", Some(DELETED)).await;
        self.tag(id, "removed-tag", Some(REMOVED)).await;
        self.member(id, "friend", Some(DELETED)).await;
        self.member(id, "revoked", Some(REMOVED)).await;
    }
}
