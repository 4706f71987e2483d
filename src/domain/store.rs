//! What the product asks of the places where image data lies.

use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::image::ImageId;
use super::location::{Location, LocationValue};
use super::time::{Timestamp, isotime};

/// The name of a configured store: a backend's section, or the scheme in the single-store form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreId(pub String);

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A location in plain text. May hold credentials: `Debug` shows the scheme alone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StoreUri(String);

impl StoreUri {
    /// Takes a text that has a scheme, `scheme://rest`.
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

    /// What stands before `://`, in lower case.
    pub fn scheme(&self) -> String {
        self.0.split("://").next().unwrap_or_default().to_ascii_lowercase()
    }
}

impl fmt::Debug for StoreUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUri({}://..)", self.scheme())
    }
}

/// What a store says of the data that a location names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It is there, as far as can be told without reading it.
    Present {
        /// Bytes.
        size: u64,
    },
    /// Proof that it is not there: the store itself was seen to be healthy.
    Absent,
    /// Nobody can read it, but the store still keeps it (a delete marker of a versioned bucket, a
    /// pool's trash). Where, and how an operator brings it back.
    Hidden(String),
    /// Something is there that cannot serve an image: parts of it are missing. Which.
    Damaged(String),
    /// It is there, and Glance can use it once [`Store::repair`] has put right what surrounds it. Bytes
    /// may have suffered: only the hash proves that they are whole.
    Repairable {
        /// Bytes.
        size: u64,
        /// What is wrong.
        why: String,
    },
}

/// Data that nobody can read any more and that its store has kept all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retained {
    /// The store's own name of exactly this data: a version, an id in a trash.
    pub version: String,
    /// Bytes.
    pub size: u64,
    /// Since when nobody can read it, where the store says so.
    pub since: Option<Timestamp>,
    /// Until when it is kept at the least; `None` where nobody set an end, or it cannot be seen.
    pub until: Option<Timestamp>,
    /// As what it is kept, and what is known of the end of that.
    pub how: String,
}

impl fmt::Display for Retained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its store has kept it: {}", self.how)?;
        self.since.map_or(Ok(()), |since| write!(f, "; since {}", isotime(since)))?;
        self.until.map_or(Ok(()), |until| write!(f, "; until {} at least", isotime(until)))
    }
}

/// A store could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing can be said of the data: time-outs, an unmounted share, a missing bucket.
    #[error("the store cannot be asked: {0}")]
    Unreachable(String),
    /// The store knows us and says no.
    #[error("the store refuses: {0}")]
    Refused(String),
    /// The location is not one that this store may touch.
    #[error("the location is not acceptable: {0}")]
    BadLocation(String),
    /// The configuration does not let us look.
    #[error("the location cannot be verified: {0}")]
    NotVerifiable(String),
}

/// How a request to destroy data ended. A bare "not found" is not among the answers: absence is
/// [`Deletion::Gone`] only where the store itself was seen to be healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deletion {
    /// The store confirmed the removal.
    Deleted,
    /// Removed as Glance would have removed it, and yet the store keeps the bytes: an older
    /// version, a trash. Where.
    Retained(String),
    /// Proof that the data was not there.
    Gone,
    /// In use; the data is as it was.
    Held(String),
    /// Not allowed, or the store was not reached before anything was asked of it: the data is as
    /// it was.
    Refused(String),
    /// Some of it was destroyed.
    Partial(String),
    /// Nothing is known.
    Uncertain(String),
    /// Read only in Glance: there is nothing for us to delete.
    NotOurs,
}

/// A stream of an object's bytes.
pub type ObjectStream = BoxStream<'static, Result<Vec<u8>, StoreError>>;

/// What a location names, the same however it is spelled: rows keep the spellings of their time, and
/// Glance's drivers take many for one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objects {
    /// Two locations with one of these in common name the same data.
    pub names: Vec<String>,
    /// What every location of the same data has in common, where the names may miss some: a path
    /// that leads through links. A location without `names` may name the data of each that is equal
    /// in this.
    pub rough: Option<String>,
}

impl Objects {
    /// One name, and nothing to miss.
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

    /// How many characters of the URI name this store itself; `None` where the URI lies elsewhere.
    /// The longest match wins.
    fn claims(&self, uri: &StoreUri) -> Option<usize>;

    /// Whether this store would notice that the data of a URI which it claims is in another store
    /// that claims it too. Where it would not, it could call it absent.
    fn tells_apart(&self, _uri: &StoreUri) -> bool {
        true
    }

    /// Which part of the store the URI lies in, where parts can be away one by one: a store with
    /// several data directories, each a share of its own. What one shows proves nothing of another.
    fn part(&self, _uri: &StoreUri) -> String {
        String::new()
    }

    /// What a URI names if Glance's own driver reads it with the settings of this store, whether
    /// this product would touch it or not. Empty where the driver cannot read it, and where nothing
    /// is ever destroyed.
    fn objects(&self, uri: &StoreUri) -> Objects;

    /// Whether this location may be touched for this image at all; does no I/O. An image with a
    /// location that is not acceptable is never claimed.
    fn accepts(&self, image: &ImageId, uri: &StoreUri) -> Result<(), StoreError>;

    /// Whether the store itself is there and can be read, whatever it holds.
    async fn health(&self) -> Result<(), StoreError>;

    /// Asks whether an image's data is there, and how much of it; reads none of it.
    async fn stat(&self, image: &ImageId, uri: &StoreUri) -> Result<Presence, StoreError>;

    /// Reads an image's data from its beginning; `None` is proof of absence.
    async fn read(
        &self,
        image: &ImageId,
        uri: &StoreUri,
    ) -> Result<Option<ObjectStream>, StoreError>;

    /// Sees to it that what is read from now on is what [`Store::repair`] will show, whoever writes
    /// meanwhile. What it does is not believed before that.
    async fn pin(&self, _image: &ImageId, _uri: &StoreUri) -> Result<(), StoreError> {
        Ok(())
    }

    /// Puts right what [`Presence::Repairable`] says is wrong, and touches no byte of the data. Only
    /// stores that say so are asked.
    async fn repair(&self, _image: &ImageId, _uri: &StoreUri) -> Result<(), StoreError> {
        Err(StoreError::NotVerifiable("this store can repair nothing".to_owned()))
    }

    /// What the store has kept of an image's data that it shows as [`Presence::Hidden`], if it can
    /// bring that back itself. Changes nothing.
    async fn retained(
        &self,
        _image: &ImageId,
        _uri: &StoreUri,
    ) -> Result<Option<Retained>, StoreError> {
        Ok(None)
    }

    /// Reads what is kept from its beginning, where it lies; `None` if it is not kept any more.
    async fn read_retained(
        &self,
        _image: &ImageId,
        _uri: &StoreUri,
        _kept: &Retained,
    ) -> Result<Option<ObjectStream>, StoreError> {
        Err(StoreError::NotVerifiable("this store keeps nothing".to_owned()))
    }

    /// Brings exactly this back to its place, if nothing is there. An error may leave it half done:
    /// the next look tells.
    async fn recover(
        &self,
        _image: &ImageId,
        _uri: &StoreUri,
        _kept: &Retained,
    ) -> Result<(), StoreError> {
        Err(StoreError::NotVerifiable("this store keeps nothing".to_owned()))
    }

    /// How the store keeps data that is deleted from now on, and how long, in words; `None` where it
    /// does not.
    async fn second_chance(&self) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    /// Destroys an image's data. Never an `Err`: each outcome says what became of the data.
    async fn delete(&self, image: &ImageId, uri: &StoreUri) -> Deletion;
}

/// A location that is understood: its plain URI, and the store that has it.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The URI, decrypted.
    pub uri: StoreUri,
}

impl Placed {
    /// The store, or the part of it, that is proved to be there by itself.
    pub fn part(&self) -> (StoreId, String) {
        (self.store.id().clone(), self.store.part(&self.uri))
    }
}

/// A location that no configured store can be matched to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unplaced {
    /// The value is no URI, neither plain nor decrypted.
    #[error("location {0} cannot be read: it is no URI, or metadata_encryption_key is not its key")]
    Unreadable(i32),
    /// No store of the configuration has this URI.
    #[error("location {location}: no configured store has {scheme}:// URIs of this place")]
    NoStore {
        /// `image_locations.id`.
        location: i32,
        /// The URI's scheme.
        scheme: String,
    },
    /// Several stores of the configuration could have it.
    #[error(
        "location {location}: several stores could have this {scheme}:// URI, and the row's \
         metadata names none"
    )]
    Several {
        /// `image_locations.id`.
        location: i32,
        /// The URI's scheme.
        scheme: String,
    },
    /// Its store cannot be used as it is configured.
    #[error("location {location} is in store {store}, which cannot be used: {why}")]
    Misconfigured {
        /// `image_locations.id`.
        location: i32,
        /// The store.
        store: StoreId,
        /// The option, and what is wrong with it.
        why: String,
    },
    /// The scheme is Glance's, and this product has no driver for it.
    #[error("location {location}: there is no driver for {scheme}:// locations")]
    NoDriver {
        /// `image_locations.id`.
        location: i32,
        /// The URI's scheme.
        scheme: String,
    },
}

/// A store that cannot be used as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableStore {
    /// Its name in Glance's configuration.
    pub id: StoreId,
    /// The schemes of its locations; empty where its type has none that are known.
    pub schemes: &'static [&'static str],
    /// The option, and what is wrong with it.
    pub why: String,
}

/// All configured stores.
pub trait Stores: Debug + Send + Sync {
    /// Reads a location and finds its store.
    fn place(&self, location: &Location) -> Result<Placed, Unplaced>;

    /// The plain URI of a stored value.
    fn uri(&self, value: &LocationValue) -> Option<StoreUri>;

    /// The data that a location names, in whichever of the stores Glance would look for it.
    fn objects(&self, location: &Location) -> Objects;

    /// Every store that can be used, for checks.
    fn all(&self) -> Vec<Arc<dyn Store>>;

    /// The stores that cannot be used as they are configured. What is in them is left alone.
    fn unusable(&self) -> &[UnusableStore] {
        &[]
    }
}
