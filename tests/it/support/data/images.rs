//! Images for tests; the values that matter are in the test itself.

use glance_revert::domain::image::{
    Image, ImageId, ImageStatus, Member, Property, RowVersion, Tag,
};
use glance_revert::domain::location::{Location, LocationMetadata, LocationStatus, LocationValue};
use glance_revert::domain::time::Timestamp;

pub(crate) const ID: &str = "bfc6e7ec-f6cf-4f92-8276-f2f6afe31222";
pub(crate) const DATA: &str = "file:///var/lib/glance/images/bfc6e7ec-f6cf-4f92-8276-f2f6afe31222";
/// The size in bytes according to the document.
pub(crate) const SIZE: usize = 64;

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The image of the real Glance's document in `fixtures/image_document.json`, deleted.
pub(crate) fn seed() -> Image {
    let deleted_at = Some(time("2026-11-22T13:10:00"));
    let property = |name: &str, value: &str| Property {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        deleted: true,
        deleted_at,
    };
    let tag = |value: &str| Tag { value: value.to_owned(), deleted: true, deleted_at };
    Image {
        id: ImageId::parse(ID).unwrap(),
        name: Some("seed-0".to_owned()),
        disk_format: Some("raw".to_owned()),
        container_format: Some("bare".to_owned()),
        visibility: "shared".to_owned(),
        size: Some(64),
        virtual_size: Some(64),
        status: ImageStatus::PendingDelete,
        checksum: Some("c8cbbeba08339a1e26d7ceb26b4c0136".to_owned()),
        os_hash_algo: Some("sha512".to_owned()),
        os_hash_value: Some(
            "0b0a68c315a220857f4779f3a2828125819385e07b9cac810945b67d3c98d7c8\
             7f2dfa63a28d164b40a4720faa23627ce10b3f118385170941eb80069bf8fd6a"
                .to_owned(),
        ),
        protected: false,
        os_hidden: false,
        min_ram: 0,
        min_disk: 0,
        owner: Some("p1".to_owned()),
        created_at: time("2026-11-22T12:59:35"),
        updated_at: deleted_at,
        deleted_at,
        deleted: true,
        version: RowVersion {
            deleted_at: "2026-11-22 13:10:00".to_owned(),
            updated_at: "2026-11-22 13:10:00".to_owned(),
        },
        locations: vec![location(1, DATA)],
        properties: vec![
            property("os_distro", "debian"),
            property("hw_disk_bus", "virtio"),
            property("note", "höwdy 0"),
            property("empty", ""),
        ],
        tags: vec![tag("n0"), tag("blue")],
        members: vec![Member {
            member: "p2".to_owned(),
            status: "accepted".to_owned(),
            deleted: true,
            deleted_at,
        }],
    }
}

/// A location deleted together with [`seed`].
pub(crate) fn location(id: i32, uri: &str) -> Location {
    Location {
        id,
        value: LocationValue::new(uri.to_owned()),
        metadata: LocationMetadata::read(Some(r#"{"store": "fast"}"#.to_owned())),
        status: LocationStatus::PendingDelete,
        deleted: true,
        deleted_at: Some(time("2026-11-22T13:09:59")),
    }
}

/// A deleted image with this id and time of deletion.
pub(crate) fn deleted(id: &str, name: &str, deleted_at: &str) -> Image {
    let mut image = seed();
    image.id = ImageId::parse(id).unwrap();
    image.name = Some(name.to_owned());
    image.deleted_at = Some(time(deleted_at));
    image
}
