//! The image document, exactly as Glance shows it (`glance/api/v2/images.py`, `_format_image`), so
//! that every Glance client can parse the response to a revert.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::redacted::without_credentials;
use super::state::View;
use crate::domain::image::Image;
use crate::domain::location::Location;
use crate::domain::time::isotime;

/// Names that a custom property cannot have in the document.
const BASE_ATTRIBUTES: [&str; 25] = [
    "name",
    "disk_format",
    "container_format",
    "visibility",
    "size",
    "virtual_size",
    "status",
    "checksum",
    "protected",
    "min_ram",
    "min_disk",
    "owner",
    "os_hidden",
    "os_hash_algo",
    "os_hash_value",
    "id",
    "created_at",
    "updated_at",
    "locations",
    "direct_url",
    "tags",
    "self",
    "file",
    "schema",
    "stores",
];

/// Properties that Glance does not show.
const HIDDEN_PROPERTIES: [&str; 2] = ["os_glance_stage_host", "os_glance_hash_op_host"];

/// An image as Glance's Image API v2 shows it. Custom properties are further fields of the same
/// object, each a string.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Image, example = super::openapi::examples::image)]
pub struct ImageDocument {
    /// Name; not unique.
    #[schema(required)]
    pub name: Option<String>,
    /// Format of the disk, such as `qcow2` or `raw`.
    #[schema(required)]
    pub disk_format: Option<String>,
    /// Format of the container, such as `bare`.
    #[schema(required)]
    pub container_format: Option<String>,
    /// Visibility of the image: `public`, `private`, `shared` or `community`.
    pub visibility: String,
    /// Size of the data in bytes.
    #[schema(required)]
    pub size: Option<i64>,
    /// Size of the virtual disk in bytes.
    #[schema(required)]
    pub virtual_size: Option<i64>,
    /// Status; `active` after a revert.
    pub status: String,
    /// MD5 of the data.
    #[schema(required)]
    pub checksum: Option<String>,
    /// Whether Glance refuses to delete the image.
    pub protected: bool,
    /// Minimum memory of a server that boots the image, in MiB.
    pub min_ram: i32,
    /// Minimum disk of a server that boots the image, in GiB.
    pub min_disk: i32,
    /// Project that owns the image.
    #[schema(required)]
    pub owner: Option<String>,
    /// Whether lists leave the image out by default.
    pub os_hidden: bool,
    /// Algorithm of `os_hash_value`.
    #[schema(required)]
    pub os_hash_algo: Option<String>,
    /// Hash of the data, in hexadecimal.
    #[schema(required)]
    pub os_hash_value: Option<String>,
    /// Id.
    pub id: String,
    /// When the image was created, UTC.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When the image was last changed, UTC; a revert sets it.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// Locations of the data, without credentials; only with Glance's `show_multiple_locations`.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locations: Option<Vec<LocationDocument>>,
    /// URL of the data, without credentials; only with Glance's `show_image_direct_url`.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct_url: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Path of the image in Glance.
    #[serde(rename = "self")]
    pub self_link: String,
    /// Path of the data in Glance.
    pub file: String,
    /// Path of the schema in Glance.
    pub schema: String,
    /// Stores that hold the data, joined by commas; only where Glance has `enabled_backends`.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stores: Option<String>,
    /// Custom properties.
    #[serde(flatten)]
    pub properties: BTreeMap<String, String>,
}

/// One location of the data.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImageLocation)]
pub struct LocationDocument {
    /// URL of the data, without credentials.
    pub url: String,
    /// Glance's metadata of the location, such as `{"store": "fast"}`.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
}

impl ImageDocument {
    /// The document that Glance would show with the same configuration.
    #[must_use]
    pub fn of(image: &Image, view: &View) -> Self {
        let live: Vec<&Location> = image.locations.iter().filter(|l| l.is_live()).collect();
        let settings = view.settings;
        let locations = || live.iter().filter_map(|l| location(l, view)).collect::<Vec<_>>();
        let direct_url =
            || live.iter().find_map(|l| location(l, view)).map(|location| location.url);
        let stores: Vec<_> = live.iter().filter_map(|l| l.store()).collect();
        Self {
            name: image.name.clone(),
            disk_format: image.disk_format.clone(),
            container_format: image.container_format.clone(),
            visibility: image.visibility.clone(),
            size: image.size,
            virtual_size: image.virtual_size,
            status: image.status.to_string(),
            checksum: image.checksum.clone(),
            protected: image.protected,
            min_ram: image.min_ram,
            min_disk: image.min_disk,
            owner: image.owner.clone(),
            os_hidden: image.os_hidden,
            os_hash_algo: image.os_hash_algo.clone(),
            os_hash_value: image.os_hash_value.clone(),
            id: image.id.to_string(),
            created_at: isotime(image.created_at),
            updated_at: isotime(image.updated_at.unwrap_or(image.created_at)),
            locations: settings.show_multiple_locations.then(locations),
            direct_url: settings.show_image_direct_url.then(direct_url).flatten(),
            tags: image.tags.iter().filter(|t| !t.deleted).map(|t| t.value.clone()).collect(),
            self_link: format!("/v2/images/{}", image.id),
            file: format!("/v2/images/{}/file", image.id),
            schema: "/v2/schemas/image".to_owned(),
            stores: (settings.multi_store && !stores.is_empty()).then(|| stores.join(",")),
            properties: properties(image),
        }
    }
}

/// Base attributes take precedence over a property of the same name; NULL becomes an empty string
/// (`glance/schema.py`, `Schema.filter`).
fn properties(image: &Image) -> BTreeMap<String, String> {
    let shown = |name: &str| !BASE_ATTRIBUTES.contains(&name) && !HIDDEN_PROPERTIES.contains(&name);
    let live = image.properties.iter().filter(|p| !p.deleted && shown(&p.name));
    live.map(|p| (p.name.clone(), p.value.clone().unwrap_or_default())).collect()
}

/// `None` for a location that cannot be decrypted.
fn location(location: &Location, view: &View) -> Option<LocationDocument> {
    let uri = view.stores.uri(&location.value)?;
    Some(LocationDocument {
        url: without_credentials(uri.as_str()),
        metadata: location.metadata.shown(),
    })
}
