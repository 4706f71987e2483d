//! What a store stands on in its tests: a real server or a folder, which a test can look into and
//! spoil beside the product.

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

/// One store, alone in its world. What a kind of store lacks keeps its default, which is not to be
/// called: the case is in the store's list of lacking ones.
#[async_trait]
pub(super) trait Stand: Send + Sync {
    /// The stores as the product is configured, with a time-out of [`LIMIT`].
    fn stores(&self) -> Arc<dyn Stores>;

    /// The most that can be proved of its data: `Exists` where nothing can be read.
    fn proof(&self) -> Verify {
        Verify::Checksum
    }

    /// Where Glance would put this image's data: the text of its location.
    fn uri(&self, name: &str) -> String;

    /// Writes data beside the product, as Glance would.
    async fn put(&self, name: &str, data: &[u8]);

    /// Writes an image in several parts, as Glance writes large ones, and gives what it wrote.
    async fn put_large(&self, _name: &str) -> Vec<u8> {
        lacking()
    }

    /// What is there, asked beside the product.
    async fn look(&self, name: &str) -> Option<Vec<u8>>;

    /// How many things of any kind the store has: objects, parts, versions, volumes.
    async fn count(&self) -> usize;

    /// Takes container, bucket, pool or folder away, with all that is in it.
    async fn take_root_away(&self) {
        lacking()
    }

    /// Takes the product's right to touch the data away, or gives it back.
    async fn set_allowed(&self, _allowed: bool) {
        lacking()
    }

    /// Keeps an object in use.
    async fn hold(&self, _name: &str) -> Held {
        lacking()
    }

    /// Makes the store keep what is deleted from now on.
    async fn keep_versions(&self) {
        lacking()
    }

    /// What stands between the product and the server.
    fn network(&self) -> &Proxy {
        lacking()
    }

    /// Names with as many odd characters as the store can have in them.
    fn odd_names(&self) -> &'static [&'static str];

    /// Locations that look alike and lie in another place: another host, bucket, pool.
    fn elsewhere(&self, name: &str) -> Vec<String>;
}

fn lacking() -> ! {
    panic!("the store lacks this, or its stand does")
}

/// A new image's id.
pub(super) fn new_image() -> ImageId {
    ImageId::parse(&uuid::Uuid::new_v4().to_string()).unwrap()
}

/// Names that an object store can have: all but a slash.
pub(super) const ODD_NAMES: [&str; 24] = [
    "a b", "a%20b", "%", "ü", "☃", "a+b", "a&b=c", "'\"`$(x)", "a;b", "a:b", "~", "a@b", "a..b",
    "...", "*", "<&>", "[x]", "a,b", "-", "ü%C3%BC", "x|y", "{}", "^", "!",
];

/// The stores of a configuration that has this one alone.
pub(super) fn only(id: &str, kind: StoreKind, options: &StoreOptions) -> Arc<dyn Stores> {
    let config = StoreConfig { id: id.to_owned(), kind };
    Arc::new(ConfiguredStores::new(&[config], options, &clock::machine(), None).unwrap())
}

/// Objects of any name may be touched, and nothing is waited for longer than [`LIMIT`].
pub(super) fn options() -> StoreOptions {
    StoreOptions { any_file_name: true, store_timeout: LIMIT, ..StoreOptions::default() }
}
