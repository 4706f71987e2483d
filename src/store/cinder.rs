//! The Cinder store: an image is a volume, named after it.
//!
//! `glance_store`'s driver treats a 202 as success, although Cinder keeps the volume if something
//! depends on it; and a 404 as absence, although Cinder also answers it for volumes of other
//! projects. This store waits for the end of a deletion. It reports absence only if its user can
//! list the project's volumes, and sees all projects if the location names no store: volumes that
//! Glance wrote before it had several stores may be in its callers' projects. It only deletes
//! volumes named `image-<image id>`.

mod client;
mod uri;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::StatusCode;
use tokio::time::Instant;

use self::client::{CinderClient, Volume, answered};
use self::uri::CinderUri;
use super::http_client::{Trust, http_client};
use super::http_fault::Fault;
use super::{StoreOptions, StoreSetupError};
use crate::config::CinderConfig;
use crate::domain::image::ImageId;
use crate::domain::store::{
    Deletion, ObjectStream, Objects, Presence, Store, StoreError, StoreId, StoreUri,
};
use crate::domain::time::Clock;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const HIDDEN: &str = "Cinder does not show this volume to the service's user; it may be in \
    another project: give the user the admin role, or transfer the volume to the user's project";
const GIB: u64 = 1 << 30;
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// One `cinder` store of the configuration.
#[derive(Debug)]
pub struct CinderStore {
    id: StoreId,
    /// `None` if the configuration has no user.
    client: Option<CinderClient>,
    transition_timeout: Duration,
}

/// The meaning of a volume's status.
enum State {
    /// `available` or `in-use`.
    Whole,
    Deleting,
    /// `error`, `error_deleting`: the data may not be intact.
    Broken,
    /// An operation is in progress.
    Busy,
}

impl Volume {
    fn state(&self) -> State {
        match self.status.as_str() {
            "available" | "in-use" => State::Whole,
            "deleting" => State::Deleting,
            "error" | "error_deleting" => State::Broken,
            _ => State::Busy,
        }
    }

    /// Bytes. Glance writes them into the metadata; for images that Cinder itself made it uses the
    /// volume's size.
    fn image_size(&self) -> Result<u64, StoreError> {
        let size = match self.metadata.get("image_size") {
            Some(size) => size.parse().ok(),
            None => self.size.checked_mul(GIB).filter(|size| *size > 0),
        };
        let text = "neither the volume nor image_size in its metadata has a size";
        size.ok_or_else(|| StoreError::NotVerifiable(text.to_owned()))
    }
}

impl CinderStore {
    /// Takes the store as configured; connects to nothing.
    pub fn new(
        id: StoreId,
        config: &CinderConfig,
        options: &StoreOptions,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StoreSetupError> {
        let wrong = |reason| StoreSetupError::Endpoint { store: id.0.clone(), reason };
        let limit = options.store_timeout;
        let trust = Trust {
            ca_file: ("cinder_ca_certificates_file", config.ca_file.as_ref()),
            insecure: config.insecure.then_some("cinder_api_insecure"),
        };
        let http = http_client(&id, trust, limit)?;
        let client = CinderClient::new(config, http, limit, clock).map_err(wrong)?;
        Ok(Self { id, client, transition_timeout: config.transition_timeout })
    }

    fn client(&self) -> Result<&CinderClient, Fault> {
        self.client.as_ref().ok_or_else(|| {
            Fault::NotAble(
                "set cinder_store_auth_address, cinder_store_user_name, cinder_store_password and \
                 cinder_store_project_name: this service cannot use a caller's token for Cinder"
                    .to_owned(),
            )
        })
    }

    fn find<'u>(&self, uri: &'u StoreUri) -> Option<CinderUri<'u>> {
        CinderUri::parse(uri).filter(|uri| uri.store.is_none_or(|store| store == self.id.0))
    }

    fn place<'u>(&self, uri: &'u StoreUri) -> Result<(&CinderClient, &'u str), Fault> {
        let found = self.find(uri).ok_or_else(|| {
            Fault::Location("it is not a URI of a volume of this store".to_owned())
        })?;
        Ok((self.client()?, found.volume))
    }

    /// The volume, if it is the image's; `None` is proof of absence.
    async fn look(&self, image: &ImageId, uri: &StoreUri) -> Result<Option<Volume>, Fault> {
        let (client, id) = self.place(uri)?;
        let Some(volume) = client.volume(id).await? else {
            client.look().await?;
            let is_ours = self.find(uri).is_some_and(|uri| uri.store.is_some());
            if is_ours || client.sees_all().await? {
                return Ok(None);
            }
            return Err(Fault::NotAble(HIDDEN.to_owned()));
        };
        if volume.name.as_deref() != Some(format!("image-{image}").as_str()) {
            return Err(Fault::Location("the volume is not named after the image".to_owned()));
        }
        Ok(Some(volume))
    }

    async fn remove(&self, image: &ImageId, uri: &StoreUri) -> Result<Deletion, Fault> {
        let seen = match self.look(image, uri).await {
            Ok(seen) => seen,
            Err(fault) => return Ok(fault.before_deletion()),
        };
        let Some(volume) = seen else { return Ok(Deletion::Gone) };
        let (client, id) = self.place(uri)?;
        if matches!(volume.state(), State::Deleting) {
            return self.wait(client, id).await;
        }
        match client.delete(id).await? {
            StatusCode::ACCEPTED | StatusCode::NO_CONTENT => self.wait(client, id).await,
            StatusCode::NOT_FOUND => Ok(unknown_now(client).await),
            StatusCode::BAD_REQUEST => Ok(Deletion::Held(format!(
                "the volume is {}: it may be attached, or have snapshots, a group or a transfer",
                volume.status
            ))),
            StatusCode::PAYLOAD_TOO_LARGE => {
                Ok(Deletion::Refused("Cinder answers 413: a limit is reached".to_owned()))
            }
            status => Err(answered(status)),
        }
    }

    /// Waits until the volume is gone, or until Cinder gives up.
    async fn wait(&self, client: &CinderClient, id: &str) -> Result<Deletion, Fault> {
        let until = Instant::now() + self.transition_timeout;
        let mut pause = FIRST_PAUSE;
        loop {
            let volume = match client.volume(id).await {
                Ok(Some(volume)) => volume,
                Ok(None) => return Ok(unknown_now(client).await),
                Err(fault) => return Ok(fault.after_deletion()),
            };
            match volume.state() {
                State::Whole => {
                    let text = "Cinder did not delete the volume: something depends on it";
                    return Ok(Deletion::Held(text.to_owned()));
                }
                State::Broken => {
                    let text = format!("the volume is {}: it needs an operator", volume.status);
                    return Ok(Deletion::Uncertain(text));
                }
                State::Deleting | State::Busy => {}
            }
            if Instant::now() + pause > until {
                let text = "Cinder is still deleting the volume".to_owned();
                return Ok(Deletion::Uncertain(text));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Cinder no longer knows a volume that existed a moment ago. A wrong server, or a Cinder without
/// the project, would answer the same, so the volumes must be listable.
async fn unknown_now(client: &CinderClient) -> Deletion {
    match client.look().await {
        Ok(()) => Deletion::Deleted,
        Err(fault) => fault.after_deletion(),
    }
}

#[async_trait]
impl Store for CinderStore {
    fn id(&self) -> &StoreId {
        &self.id
    }

    fn claims(&self, uri: &StoreUri) -> Option<usize> {
        self.find(uri).map(|found| found.length)
    }

    fn tells_apart(&self, uri: &StoreUri) -> bool {
        self.find(uri).is_some_and(|found| found.store.is_some())
    }

    fn objects(&self, uri: &StoreUri) -> Objects {
        uri::volume(uri).map(|id| Objects::of(format!("cinder:{id}"))).unwrap_or_default()
    }

    fn accepts(&self, _image: &ImageId, uri: &StoreUri) -> Result<(), StoreError> {
        self.place(uri)?;
        Ok(())
    }

    async fn health(&self) -> Result<(), StoreError> {
        Ok(self.client()?.look().await?)
    }

    async fn stat(&self, image: &ImageId, uri: &StoreUri) -> Result<Presence, StoreError> {
        let Some(volume) = self.look(image, uri).await? else { return Ok(Presence::Absent) };
        let status = &volume.status;
        match volume.state() {
            State::Whole => Ok(Presence::Present { size: volume.image_size()? }),
            State::Deleting | State::Broken => {
                Ok(Presence::Damaged(format!("the volume is {status}")))
            }
            State::Busy => Err(StoreError::Unreachable(format!("the volume is {status}"))),
        }
    }

    async fn read(
        &self,
        _image: &ImageId,
        _uri: &StoreUri,
    ) -> Result<Option<ObjectStream>, StoreError> {
        let text = "a volume cannot be read over Cinder's API; use verify = exists";
        Err(StoreError::NotVerifiable(text.to_owned()))
    }

    async fn delete(&self, image: &ImageId, uri: &StoreUri) -> Deletion {
        self.remove(image, uri).await.unwrap_or_else(Fault::of_deletion)
    }
}
