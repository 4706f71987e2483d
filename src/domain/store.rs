//! The interface to the stores of image data.

mod kept;

use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use tokio_util::sync::CancellationToken;

pub use self::kept::{Keeps, Purged, Remains, Retained};

use super::image::ImageId;
use super::location::{Location, LocationValue};

/// The name of a configured store: a backend's section, or the scheme in the single-store form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreId(pub String);

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A decrypted location. May hold credentials: `Debug` shows the scheme only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StoreUri(String);

impl StoreUri {
    /// Parses a text that has a scheme, `scheme://rest`.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, _) = text.split_once("://")?;
        let known_shape = !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        known_shape.then(|| Self(text.to_owned()))
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The scheme, in lower case.
    pub fn scheme(&self) -> String {
        self.0.split("://").next().unwrap_or_default().to_ascii_lowercase()
    }
}

impl fmt::Debug for StoreUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUri({}://..)", self.scheme())
    }
}

/// The state of a location's data in its store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Present, as far as the store says without a read of the data.
    Present {
        /// Bytes.
        size: u64,
    },
    /// Proved absent: the store itself was seen to be healthy.
    Absent,
    /// Deleted, but retained by the store (a version under a delete marker, a pool's trash). Says
    /// where, and how an operator restores it.
    Hidden(String),
    /// Present but unusable, since parts are missing. Says which.
    Damaged(String),
    /// Present, and usable by Glance once [`Store::repair`] has fixed what surrounds it. Bytes may
    /// be damaged: only the hash proves them intact.
    Repairable {
        /// Bytes.
        size: u64,
        /// What is wrong.
        why: String,
    },
}

/// Why a store could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The state of the data is unknown: a time-out, an unmounted share, a missing bucket.
    #[error("the store is unavailable: {0}")]
    Unreachable(String),
    /// The store denies us access.
    #[error("the store refuses: {0}")]
    Refused(String),
    /// This store must not touch the location.
    #[error("the location is not acceptable: {0}")]
    BadLocation(String),
    /// The configuration does not permit a check.
    #[error("the location cannot be verified: {0}")]
    NotVerifiable(String),
}

/// The result of a request to destroy data. A bare "not found" is none: data counts as
/// [`Deletion::Gone`] only if the store itself is healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deletion {
    /// The store confirmed that the data was removed.
    Deleted,
    /// Removed as Glance does it, but the store retains the bytes as an older version or in a
    /// trash. Says where.
    Retained(String),
    /// The data was already absent, and the store is healthy.
    Gone,
    /// The data is in use, and unchanged.
    Held(String),
    /// The store refused or was not reached; the data is unchanged.
    Refused(String),
    /// The data was partly destroyed.
    Partial(String),
    /// Unknown whether the data was destroyed.
    Uncertain(String),
    /// Read-only in Glance: nothing for us to delete.
    NotOurs,
}

/// A stream of an object's bytes.
pub type ObjectStream = BoxStream<'static, Result<Vec<u8>, StoreError>>;

/// The data that a location names, independent of spelling: rows keep old spellings, and Glance's
/// drivers accept many for the same data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objects {
    /// Two locations that share one of these name the same data.
    pub names: Vec<String>,
    /// Common to all locations of the same data where names may differ, as with paths through
    /// links. A location without `names` may name the data of every other with the same `rough`.
    pub rough: Option<String>,
}

impl Objects {
    /// A single exact name.
    pub fn of(name: String) -> Self {
        Self { names: vec![name], rough: None }
    }

    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.rough.is_none()
    }

    /// Whether both may name the same data.
    pub fn meets(&self, other: &Self) -> bool {
        let in_doubt = self.names.is_empty() || other.names.is_empty();
        self.names.iter().any(|name| other.names.contains(name))
            || (in_doubt && self.rough.is_some() && self.rough == other.rough)
    }
}

/// One configured store.
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// Its name in Glance's configuration.
    fn id(&self) -> &StoreId;

    /// How many characters of the URI identify this store; `None` if the URI is not in it. The
    /// longest match wins.
    fn claims(&self, uri: &StoreUri) -> Option<usize>;

    /// Whether this store can tell that a URI's data is in another store that also claims it. If
    /// not, it could wrongly report it absent.
    fn tells_apart(&self, _uri: &StoreUri) -> bool {
        true
    }

    /// The part of the store that the URI is in, if parts can fail separately, such as several data
    /// directories on different shares. One part proves nothing about another.
    fn part(&self, _uri: &StoreUri) -> String {
        String::new()
    }

    /// The data that a URI names when Glance's driver reads it with this store's settings, even if
    /// this product would not touch it. Empty if the driver cannot parse it, or nothing is ever
    /// destroyed.
    fn objects(&self, uri: &StoreUri) -> Objects;

    /// Whether this location may be touched for this image; does no I/O. An image with an
    /// unacceptable location is never claimed.
    fn accepts(&self, image: &ImageId, uri: &StoreUri) -> Result<(), StoreError>;

    /// Checks that the store itself can be reached and read.
    async fn health(&self) -> Result<(), StoreError>;

    /// Whether an image's data is present, and its size; reads none of it.
    async fn stat(&self, image: &ImageId, uri: &StoreUri) -> Result<Presence, StoreError>;

    /// Reads an image's data from its beginning; `None` proves absence.
    async fn read(
        &self,
        image: &ImageId,
        uri: &StoreUri,
    ) -> Result<Option<ObjectStream>, StoreError>;

    /// Pins the data so that what is read from now on is what [`Store::repair`] will expose,
    /// despite concurrent writers.
    async fn pin(&self, _image: &ImageId, _uri: &StoreUri) -> Result<(), StoreError> {
        Ok(())
    }

    /// Repairs what [`Presence::Repairable`] reports, without changing the data. Only called for
    /// such stores.
    async fn repair(&self, _image: &ImageId, _uri: &StoreUri) -> Result<(), StoreError> {
        Err(StoreError::NotVerifiable("this store cannot repair data".to_owned()))
    }

    /// The retained data of an image whose presence is [`Presence::Hidden`], if the store can
    /// restore it itself or sets it aside for [`Store::repair`]. Changes nothing.
    async fn retained(
        &self,
        _image: &ImageId,
        _uri: &StoreUri,
    ) -> Result<Option<Retained>, StoreError> {
        Ok(None)
    }

    /// Reads retained data from its beginning without restoring it; `None` if it is no longer
    /// retained.
    async fn read_retained(
        &self,
        _image: &ImageId,
        _uri: &StoreUri,
        _kept: &Retained,
    ) -> Result<Option<ObjectStream>, StoreError> {
        Err(StoreError::NotVerifiable("this store keeps no deleted data".to_owned()))
    }

    /// Restores exactly this version, unless the place is taken. After an error it may be partly
    /// restored; the next check shows it.
    async fn recover(
        &self,
        _image: &ImageId,
        _uri: &StoreUri,
        _kept: &Retained,
    ) -> Result<(), StoreError> {
        Err(StoreError::NotVerifiable("this store keeps no deleted data".to_owned()))
    }

    /// How, and for how long, the store retains data that is deleted from now on, as text; `None`
    /// if it does not.
    async fn second_chance(&self) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    /// Everything the store retains of an image's deleted data. Changes nothing.
    async fn keeps(&self, image: &ImageId, uri: &StoreUri) -> Result<Keeps, StoreError> {
        Ok(match self.stat(image, uri).await? {
            Presence::Present { .. } | Presence::Damaged(_) | Presence::Repairable { .. } => {
                Keeps::Current
            }
            Presence::Absent => Keeps::Remains(Remains::default()),
            Presence::Hidden(how) => Keeps::ByHand(how),
        })
    }

    /// Permanently removes what [`Store::keeps`] reports as [`Keeps::Remains`], and no current
    /// data. After an error it may be partly removed; the next check shows it.
    async fn purge(&self, _image: &ImageId, _uri: &StoreUri) -> Result<Purged, StoreError> {
        Err(StoreError::NotVerifiable("this store keeps no deleted data".to_owned()))
    }

    /// Destroys an image's data. There is no `Err`: each result says what happened to the data.
    async fn delete(&self, image: &ImageId, uri: &StoreUri) -> Deletion;

    /// The largest number of images for [`Store::delete_all`]; 1 if it is no faster.
    fn at_once(&self) -> usize {
        1
    }

    /// Destroys the data of several images in one part of the store with as few requests as
    /// possible. The results are in order, and as reliable as those of [`Store::delete`]; `None`
    /// for images that were not touched because of `stop`.
    async fn delete_all(
        &self,
        wanted: &[(&ImageId, &StoreUri)],
        stop: &CancellationToken,
    ) -> Vec<Option<Deletion>> {
        let mut results = Vec::with_capacity(wanted.len());
        for (image, uri) in wanted {
            let is_stopped = stop.is_cancelled();
            results.push(if is_stopped { None } else { Some(self.delete(image, uri).await) });
        }
        results
    }
}

/// A resolved location: its plain URI and its store.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The URI, decrypted.
    pub uri: StoreUri,
}

impl Placed {
    /// The store and the part of it that must be proved present.
    pub fn part(&self) -> (StoreId, String) {
        (self.store.id().clone(), self.store.part(&self.uri))
    }
}

/// Why a location cannot be matched to a configured store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unplaced {
    /// The value is no URI, neither plain nor decrypted.
    #[error(
        "location {0} cannot be read: it is not a URI, or metadata_encryption_key is not its \
        key"
    )]
    Unreadable(i32),
    /// No configured store contains this URI.
    #[error("location {location}: no configured store contains this {scheme}:// URI")]
    NoStore {
        /// `image_locations.id`.
        location: i32,
        /// The URI's scheme.
        scheme: String,
    },
    /// Several configured stores could contain it.
    #[error(
        "location {location}: several stores match this {scheme}:// URI, and the row's metadata \
         names none of them"
    )]
    Several {
        /// `image_locations.id`.
        location: i32,
        /// The URI's scheme.
        scheme: String,
    },
    /// Its store's configuration is not usable.
    #[error("location {location} is in store {store}, which cannot be used: {why}")]
    Misconfigured {
        /// `image_locations.id`.
        location: i32,
        /// The store.
        store: StoreId,
        /// The option, and what is wrong with it.
        why: String,
    },
    /// A scheme of Glance's without a driver here.
    #[error("location {location}: there is no driver for {scheme}:// locations")]
    NoDriver {
        /// `image_locations.id`.
        location: i32,
        /// The URI's scheme.
        scheme: String,
    },
}

/// A store whose configuration is not usable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableStore {
    /// Its name in Glance's configuration.
    pub id: StoreId,
    /// The schemes of its locations; empty if unknown for its type.
    pub schemes: &'static [&'static str],
    /// The option, and what is wrong with it.
    pub why: String,
}

/// All configured stores.
pub trait Stores: Debug + Send + Sync {
    /// Resolves a location to its store.
    fn place(&self, location: &Location) -> Result<Placed, Unplaced>;

    /// The plain URI of a stored value.
    fn uri(&self, value: &LocationValue) -> Option<StoreUri>;

    /// The data that a location names, in every store where Glance would look for it.
    fn objects(&self, location: &Location) -> Objects;

    /// All usable stores, for checks.
    fn all(&self) -> Vec<Arc<dyn Store>>;

    /// The stores with an unusable configuration. Their data is not touched.
    fn unusable(&self) -> &[UnusableStore] {
        &[]
    }
}
