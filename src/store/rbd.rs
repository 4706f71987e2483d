//! The RBD store: images in a pool of Ceph.
//!
//! Ceph's libraries run in a separate process (`helper`), which this one calls. Glance reads an
//! image through a protected snapshot. `glance_store` removes the snapshot before it notices that
//! the image is in use, and never checks the cluster. This store checks both first. It trusts a
//! protected snapshot, as Glance's own is until the delete; for any other it compares the data with
//! Glance's hash before it protects the snapshot again.

mod fault;
#[expect(unsafe_code, reason = "the C libraries of Ceph are called from this one module")]
mod ffi;
mod helper;
mod helpers;
mod protocol;
mod trash;
mod uri;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::DateTime;
use futures::StreamExt;
use futures::stream::{once, try_unfold};

pub use self::helper::serve;

use self::fault::Place;
use self::helpers::{Helpers, Hired, Trouble};
use self::protocol::{Found, Reply, Request, Settings, Snap, Target};
use super::StoreOptions;
use crate::config::RbdConfig;
use crate::domain::image::ImageId;
use crate::domain::store::{
    Deletion, Keeps, ObjectStream, Objects, Presence, Purged, Remains, Retained, Store, StoreError,
    StoreId, StoreUri,
};

/// The argument that starts this binary as a helper.
pub const HELPER: &str = "rbd-helper";

/// This binary, even after its file was replaced.
pub const OWN_BINARY: &str = "/proc/self/exe";

/// One `rbd` store of the configuration.
#[derive(Debug)]
pub struct RbdStore {
    id: StoreId,
    pool: String,
    any_file_name: bool,
    place: Place,
    helpers: Arc<Helpers>,
}

impl RbdStore {
    /// Starts and connects to nothing yet.
    pub fn new(id: StoreId, config: &RbdConfig, options: &StoreOptions) -> Self {
        let limit = options.store_timeout;
        let settings = Settings {
            conf: config.ceph_conf.clone(),
            user: config.user.clone(),
            timeout: config.connect_timeout.map_or(limit, |timeout| timeout.min(limit)),
        };
        let user = config.user.as_deref().unwrap_or("admin");
        let place = Place { client: format!("client.{user}"), pool: config.pool.clone() };
        let helpers = Arc::new(Helpers::new(options.rbd_helper.clone(), settings));
        let pool = config.pool.clone();
        Self { id, pool, any_file_name: options.any_file_name, place, helpers }
    }

    fn target(&self, uri: &StoreUri) -> Result<Target, StoreError> {
        let bad = |reason: String| Err(StoreError::BadLocation(reason));
        match uri::parse(uri, &self.pool) {
            Err(reason) => bad(format!("it {reason}")),
            Ok(target) if target.pool != self.pool => {
                bad(format!("it is in pool {}, not in {}", target.pool, self.pool))
            }
            Ok(target) => Ok(target),
        }
    }

    /// A location that may be destroyed for this image.
    fn own(&self, image: &ImageId, uri: &StoreUri) -> Result<Target, StoreError> {
        let target = self.target(uri)?;
        if self.any_file_name || target.image == image.as_str() {
            return Ok(target);
        }
        Err(StoreError::BadLocation(format!(
            "the RBD image is not named after the Glance image; if {} is right, set [revert] \
             any_file_name",
            target.image
        )))
    }

    async fn inspect(&self, target: &Target) -> Result<Found, Trouble> {
        let reply = self.helpers.ask(&Request::Inspect(target.clone())).await?;
        if let Reply::Found(found) = reply { Ok(found) } else { Err(unexpected()) }
    }

    async fn change(&self, request: Request) -> Result<(), StoreError> {
        let answer = self.helpers.ask(&request).await;
        answer.map(|_| ()).map_err(|trouble| self.place.error(&trouble))
    }

    async fn destroy(&self, target: Target) -> Deletion {
        let reply = self.helpers.ask(&Request::Delete(target)).await;
        let end =
            reply.and_then(
                |reply| {
                    if let Reply::Ended(end) = reply { Ok(end) } else { Err(unexpected()) }
                },
            );
        match end {
            Ok(end) => self.place.ended(&end),
            Err(trouble) => self.place.unanswered(&trouble),
        }
    }

    fn presence(&self, found: &Found) -> Presence {
        match *found {
            Found::Image { size, snap: Snap::Protected | Snap::None, .. } => {
                Presence::Present { size }
            }
            Found::Image { size, snap: Snap::Unprotected, .. } => {
                Presence::Repairable { size, why: NOT_PROTECTED.to_owned() }
            }
            Found::Image { size, snap: Snap::Lost, .. } => {
                Presence::Repairable { size, why: SNAP_LOST.to_owned() }
            }
            Found::Trash { size, .. } => Presence::Repairable { size, why: self.place.in_trash() },
            Found::Removing => Presence::Damaged(REMOVING.to_owned()),
            Found::Absent => Presence::Absent,
        }
    }
}

const NOT_PROTECTED: &str = "its snapshot is not protected, so Glance's clients could not clone it";
const SNAP_LOST: &str = "the location's snapshot no longer exists";
const REMOVING: &str = "its removal has begun, so parts of it may be gone";

fn unexpected() -> Trouble {
    Trouble::Lost("the helper process for librbd sent an unexpected answer".to_owned())
}

#[async_trait]
impl Store for RbdStore {
    fn id(&self) -> &StoreId {
        &self.id
    }

    fn claims(&self, uri: &StoreUri) -> Option<usize> {
        uri::claimed(uri, &self.pool)
    }

    /// Yes, if the URI names the cluster.
    fn tells_apart(&self, uri: &StoreUri) -> bool {
        self.target(uri).is_ok_and(|target| target.fsid.is_some())
    }

    /// By the cluster in the URI, which `glance_store` ignores, and by this store.
    fn objects(&self, uri: &StoreUri) -> Objects {
        let Some((fsid, image)) = uri::image(uri, &self.pool) else { return Objects::default() };
        let of_cluster = fsid.map(|fsid| format!("rbd@{fsid}:{image}"));
        let names = of_cluster.into_iter().chain([format!("rbd:{}:{image}", self.id)]).collect();
        Objects { names, rough: None }
    }

    fn accepts(&self, image: &ImageId, uri: &StoreUri) -> Result<(), StoreError> {
        self.own(image, uri).map(|_| ())
    }

    async fn health(&self) -> Result<(), StoreError> {
        let answer = self.helpers.ask(&Request::Health { pool: self.pool.clone() }).await;
        answer.map(|_| ()).map_err(|trouble| self.place.error(&trouble))
    }

    async fn stat(&self, _image: &ImageId, uri: &StoreUri) -> Result<Presence, StoreError> {
        let found = self.inspect(&self.target(uri)?).await;
        found.map(|found| self.presence(&found)).map_err(|trouble| self.place.error(&trouble))
    }

    async fn read(
        &self,
        _image: &ImageId,
        uri: &StoreUri,
    ) -> Result<Option<ObjectStream>, StoreError> {
        let target = self.target(uri)?;
        let hired = self.helpers.hire().await.map_err(|trouble| self.place.error(&trouble))?;
        let mut reader = Reader { hired, target, offset: 0, place: self.place.clone() };
        let Some(first) = reader.next().await? else { return Ok(None) };
        let rest = try_unfold(reader, |mut reader| async {
            let chunk = reader.next().await?.unwrap_or_default();
            Ok((!chunk.is_empty()).then_some((chunk, reader)))
        });
        if first.is_empty() {
            return Ok(Some(futures::stream::empty().boxed()));
        }
        Ok(Some(once(async { Ok(first) }).chain(rest).boxed()))
    }

    async fn keeps(&self, image: &ImageId, uri: &StoreUri) -> Result<Keeps, StoreError> {
        let found = self.inspect(&self.own(image, uri)?).await;
        Ok(match found.map_err(|trouble| self.place.error(&trouble))? {
            Found::Image { .. } => Keeps::Current,
            Found::Trash { size, .. } => Keeps::Remains(Remains { pieces: 1, bytes: size }),
            Found::Removing => Keeps::ByHand(REMOVING.to_owned()),
            Found::Absent => Keeps::Remains(Remains::default()),
        })
    }

    async fn purge(&self, image: &ImageId, uri: &StoreUri) -> Result<Purged, StoreError> {
        let Keeps::Remains(before) = self.keeps(image, uri).await? else {
            return Err(StoreError::Unreachable("an image is in its place".to_owned()));
        };
        let reply = self.helpers.ask(&Request::Purge(self.own(image, uri)?)).await;
        let end = reply.and_then(|reply| match reply {
            Reply::Ended(end) => Ok(end),
            Reply::Working
            | Reply::Done
            | Reply::Trash(_)
            | Reply::Found(_)
            | Reply::Chunk(_)
            | Reply::Absent
            | Reply::Failed(_) => Err(unexpected()),
        });
        let why = self.place.left(&end);
        match self.keeps(image, uri).await? {
            Keeps::Remains(left) if left.pieces == 0 => {
                Ok(Purged { removed: before, left, why: None })
            }
            Keeps::Remains(left) => Ok(Purged { removed: Remains::default(), left, why }),
            // a removal that was begun: its data is going
            Keeps::ByHand(how) => {
                let why = Some(why.unwrap_or(how));
                Ok(Purged { removed: Remains::default(), left: before, why })
            }
            Keeps::Current => Err(StoreError::Unreachable("an image came to its place".to_owned())),
        }
    }

    async fn retained(
        &self,
        _image: &ImageId,
        uri: &StoreUri,
    ) -> Result<Option<Retained>, StoreError> {
        let found = self.inspect(&self.target(uri)?).await;
        let found = found.map_err(|trouble| self.place.error(&trouble))?;
        let Found::Trash { size, since, until } = found else { return Ok(None) };
        let at = |seconds| DateTime::from_timestamp(seconds, 0).map(|at| at.naive_utc());
        Ok(Some(Retained {
            // a pool's trash has one image of a name, or none is taken
            version: "trash".to_owned(),
            size,
            since: at(since),
            until: Some(until).filter(|until| *until > since).and_then(at),
            how: self.place.in_trash(),
        }))
    }

    async fn second_chance(&self) -> Result<Option<String>, StoreError> {
        match self.helpers.ask(&Request::Trash { pool: self.pool.clone() }).await {
            Ok(Reply::Trash(trash)) => Ok(Some(trash::in_words(&trash, &self.place))),
            Ok(_) => Err(self.place.error(&unexpected())),
            Err(trouble) => Err(self.place.error(&trouble)),
        }
    }

    async fn delete(&self, image: &ImageId, uri: &StoreUri) -> Deletion {
        let target = match self.own(image, uri) {
            Ok(target) => target,
            Err(error) => return Deletion::Refused(error.to_string()),
        };
        match self.inspect(&target).await {
            Err(trouble) => self.place.untouched(&trouble),
            Ok(Found::Absent) => Deletion::Gone,
            Ok(Found::Trash { .. }) => Deletion::Retained(self.place.in_trash()),
            Ok(Found::Image { watchers, .. }) if !watchers.is_empty() => {
                Deletion::Held(format!("it is open for writing at {}", watchers.join(", ")))
            }
            Ok(Found::Image { .. } | Found::Removing) => self.destroy(target).await,
        }
    }

    async fn pin(&self, _image: &ImageId, uri: &StoreUri) -> Result<(), StoreError> {
        self.change(Request::Pin(self.target(uri)?)).await
    }

    async fn repair(&self, _image: &ImageId, uri: &StoreUri) -> Result<(), StoreError> {
        self.change(Request::Repair(self.target(uri)?)).await
    }
}

/// Reads an image from its beginning, with one helper.
struct Reader {
    hired: Hired,
    target: Target,
    offset: u64,
    place: Place,
}

impl Reader {
    /// The next bytes, empty at the end; `None` if there is no image.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let request = Request::Read { target: self.target.clone(), offset: self.offset };
        let answer = self.hired.ask(&request).await.and_then(|(reply, bytes)| {
            if reply == Reply::Absent {
                return Ok(None);
            }
            if let Reply::Chunk(_) = reply { Ok(Some(bytes)) } else { Err(unexpected()) }
        });
        let bytes = answer.map_err(|trouble| self.place.error(&trouble))?;
        self.offset += bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Ok(bytes)
    }
}
