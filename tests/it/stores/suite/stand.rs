//! The environment of a store in its tests: a real server or a folder, to which tests have direct
//! access.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use glance_revert::config::{StoreConfig, StoreKind};
use glance_revert::domain::image::ImageId;
use glance_revert::domain::revert::Verify;
use glance_revert::domain::store::Stores;
use glance_revert::store::{ConfiguredStores, StoreOptions};

use super::cases::LIMIT;
use crate::support::clock;
use crate::support::proxy::Proxy;

/// Keeps an object in use until it is dropped.
pub(super) type Held = Box<dyn Any + Send>;

/// One store in its own environment. Default implementations are for features that the kind of
/// store lacks, and must not be called: those cases are in the store's list of missing ones.
#[async_trait]
pub(super) trait Stand: Send + Sync {
    /// The stores as the product configures them, with a time-out of [`LIMIT`].
    fn stores(&self) -> Arc<dyn Stores>;

    /// The strongest verification that the store supports: `Exists` if nothing can be read.
    fn proof(&self) -> Verify {
        Verify::Checksum
    }

    /// The location that Glance would write for this image's data.
    fn uri(&self, name: &str) -> String;

    /// Writes data directly, as Glance would.
    async fn put(&self, name: &str, data: &[u8]);

    /// Writes an image in several parts, as Glance writes large ones; returns its data.
    async fn put_large(&self, _name: &str) -> Vec<u8> {
        lacking()
    }

    /// Reads the data directly.
    async fn look(&self, name: &str) -> Option<Vec<u8>>;

    /// The number of all things in the store: objects, parts, versions, volumes.
    async fn count(&self) -> usize;

    /// Removes the container, bucket, pool or folder, with everything in it.
    async fn take_root_away(&self) {
        lacking()
    }

    /// Revokes or restores the product's permissions on the data.
    async fn set_allowed(&self, _allowed: bool) {
        lacking()
    }

    /// Keeps an object in use.
    async fn hold(&self, _name: &str) -> Held {
        lacking()
    }

    /// Makes the store keep versions of deleted data.
    async fn keep_versions(&self) {
        lacking()
    }

    /// The proxy between the product and the server.
    fn network(&self) -> &Proxy {
        lacking()
    }

    /// Names with as many odd characters as the store allows.
    fn odd_names(&self) -> &'static [&'static str];

    /// Locations that look similar but are in another place: another host, bucket, pool.
    fn elsewhere(&self, name: &str) -> Vec<String>;
}

fn lacking() -> ! {
    panic!("the store lacks this, or its stand does")
}

/// A new image's id.
pub(super) fn new_image() -> ImageId {
    ImageId::parse(&uuid::Uuid::new_v4().to_string()).unwrap()
}

/// Names that an object store can have: everything except a slash.
pub(super) const ODD_NAMES: [&str; 24] = [
    "a b", "a%20b", "%", "ü", "☃", "a+b", "a&b=c", "'\"`$(x)", "a;b", "a:b", "~", "a@b", "a..b",
    "...", "*", "<&>", "[x]", "a,b", "-", "ü%C3%BC", "x|y", "{}", "^", "!",
];

/// Stores with only this one configured.
pub(super) fn only(id: &str, kind: StoreKind, options: &StoreOptions) -> Arc<dyn Stores> {
    let config = StoreConfig { id: id.to_owned(), kind };
    Arc::new(ConfiguredStores::new(&[config], options, &clock::machine(), None).unwrap())
}

/// Options that allow objects of any name, with a time-out of [`LIMIT`].
pub(super) fn options() -> StoreOptions {
    StoreOptions { any_file_name: true, store_timeout: LIMIT, ..StoreOptions::default() }
}
