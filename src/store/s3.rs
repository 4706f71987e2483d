//! The S3 store: one bucket of Amazon S3, Ceph's RGW, or another compatible service.
//!
//! `glance_store`'s driver reports a missing bucket, a key behind a delete marker and an absent key
//! all as "not found". This store proves absence by listing the bucket, and reports data that a
//! versioned bucket keeps as retained. Host, bucket and keys come from the configuration; a row
//! only names an object.

mod bulk;
mod client;
mod purge;
mod retained;
mod uri;
mod versions;

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{StatusCode, Url};
use rusty_s3::{Bucket, Credentials, UrlStyle};
use secrecy::ExposeSecret;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::client::{Call, S3Client, answered};
use self::uri::Place;
use self::versions::is_archive;
use super::http_client::{Trust, http_client};
use super::http_fault::{Fault, is_busy};
use super::together::{Bulk, Together};
use super::{StoreOptions, StoreSetupError, streamed};
use crate::config::{S3Config, UrlFormat};
use crate::domain::image::ImageId;
use crate::domain::store::{
    Deletion, Keeps, ObjectStream, Objects, Presence, Purged, Retained, Store, StoreError, StoreId,
    StoreUri,
};
use crate::net::{Response, announced_length, header};

const HIDDEN: &str = "the bucket keeps it behind a delete marker, which its owner can remove";
const RETAINED: &str = "the bucket keeps it as an older version, behind a delete marker";
const HIDDEN_ARCHIVED: &str = "the bucket keeps it behind a delete marker, but in an archive, \
    where nobody can read it: restore that version (RestoreObject), copy it to its old place in \
    another storage class, then revert with checksum";
const PERHAPS_KEPT: &str = "a delete marker hides it, and whether the bucket keeps an older version \
    cannot be seen: allow s3:ListBucketVersions";
const ARCHIVED: &str = "it is in an archive, where Glance cannot read it: restore it permanently \
    (RestoreObject, then copy it onto itself in another storage class), then revert";

/// One `s3` store of the configuration.
#[derive(Debug)]
pub struct S3Store {
    id: StoreId,
    place: Place,
    client: S3Client,
    keys: Option<Credentials>,
    any_name: bool,
    /// Whether the keys in a row may be used if the configuration has none.
    may_use_keys_of_rows: bool,
    limit: Duration,
    bulk: Bulk,
}

/// The object of a location, and the call in progress.
pub(in crate::store) struct Object {
    key: String,
    call: Call,
}

impl S3Store {
    /// Takes the store as configured; connects to nothing.
    pub fn new(
        id: StoreId,
        config: &S3Config,
        options: &StoreOptions,
    ) -> Result<Self, StoreSetupError> {
        let wrong = |reason: String| StoreSetupError::Endpoint { store: id.0.clone(), reason };
        let endpoint = &config.endpoint;
        let scheme = if endpoint.https { "https" } else { "http" };
        let url = format!("{scheme}://{}/{}", endpoint.authority, endpoint.prefix);
        let url = Url::parse(&url).map_err(|error| wrong(format!("s3_store_host: {error}")))?;
        let may_use_keys_of_rows = options.trusts_credentials_for(&url);
        let style = match config.url_format {
            UrlFormat::Path => UrlStyle::Path,
            UrlFormat::Virtual => UrlStyle::VirtualHost,
        };
        let bucket = Bucket::new(url, style, config.bucket.clone(), config.region.clone())
            .map_err(|error| wrong(format!("s3_store_bucket: {error}")))?;
        let limit = options.store_timeout;
        let ca_file = ("s3_store_cacert", config.ca_file.as_ref());
        let http = http_client(&id, Trust { ca_file, insecure: None }, limit)?;
        let keys = config
            .keys
            .as_ref()
            .map(|keys| Credentials::new(keys.access.expose_secret(), keys.secret.expose_secret()));
        let place = Place::new(endpoint, &config.bucket);
        let client = S3Client { http, bucket };
        let any_name = options.any_file_name;
        let bulk = Bulk::default();
        Ok(Self { id, place, client, keys, any_name, may_use_keys_of_rows, limit, bulk })
    }

    fn call(&self, keys: Option<Credentials>) -> Call {
        Call { keys, until: Instant::now() + self.limit }
    }

    fn object(&self, uri: &StoreUri) -> Result<Object, Fault> {
        let wrong = |reason: &str| Fault::Location(reason.to_owned());
        let inside = self
            .place
            .find(uri)
            .ok_or_else(|| wrong("it does not lie in s3_store_bucket of s3_store_host"))?;
        let key = inside.key().map_err(wrong)?.to_owned();
        let of_row = || inside.credentials().filter(|_| self.may_use_keys_of_rows);
        let keys = self.keys.clone().or_else(of_row).ok_or_else(|| {
            Fault::NotAble(
                "set s3_store_access_key and s3_store_secret_key (those of the location are used \
                 only for hosts in [revert] location_credentials_hosts)"
                    .to_owned(),
            )
        })?;
        Ok(Object { key, call: self.call(Some(keys)) })
    }

    async fn presence(&self, object: &Object) -> Result<Presence, Fault> {
        let response = self.client.head(&object.key, &object.call).await?;
        match response.status() {
            StatusCode::OK if is_archived(&response) => Ok(Presence::Damaged(ARCHIVED.to_owned())),
            StatusCode::OK => size(&response).map(|size| Presence::Present { size }),
            StatusCode::NOT_FOUND => self.absence(object, has_delete_marker(&response)).await,
            _ => Err(answered(response, &object.call).await),
        }
    }

    /// Interprets a 404: a HEAD answers the same for a missing bucket and a missing key, without a
    /// body that would distinguish them.
    async fn absence(&self, object: &Object, is_marked: bool) -> Result<Presence, Fault> {
        if self.client.lists(&object.key, &object.call).await? {
            let text = "the bucket lists the object but does not serve it";
            return Err(Fault::Unclear(text.to_owned()));
        }
        match self.client.older(&object.key, is_marked, &object.call).await {
            Ok(Some(older)) => {
                let how = if older.is_archived { HIDDEN_ARCHIVED } else { HIDDEN };
                Ok(Presence::Hidden(how.to_owned()))
            }
            Ok(None) => Ok(Presence::Absent),
            Err(fault) if is_marked && is_lasting(&fault) => {
                Ok(Presence::Hidden(PERHAPS_KEPT.to_owned()))
            }
            Err(fault) => Err(fault),
        }
    }

    /// The object, if there is one to delete.
    async fn find(&self, uri: &StoreUri) -> Result<Object, Deletion> {
        let object = self.object(uri).map_err(Fault::before_deletion)?;
        match self.presence(&object).await.map_err(Fault::before_deletion)? {
            Presence::Present { .. } | Presence::Damaged(_) | Presence::Repairable { .. } => {
                Ok(object)
            }
            Presence::Absent => Err(Deletion::Gone),
            Presence::Hidden(how) => Err(Deletion::Retained(how)),
        }
    }

    /// Deletes an object that was seen, and checks that it is gone.
    async fn remove(&self, object: &Object) -> Deletion {
        let removed = match self.client.delete(&object.key, &object.call).await {
            Ok(response) if response.status().is_success() => response,
            Ok(response) => return answered(response, &object.call).await.of_deletion(),
            Err(fault) => return fault.of_deletion(),
        };
        let seen = self.look_after(object, has_delete_marker(&removed)).await;
        seen.unwrap_or_else(Fault::after_deletion)
    }

    /// The state after a confirmed deletion. A deletion that left a delete marker usually says so
    /// (`is_marked`).
    async fn look_after(&self, object: &Object, is_marked: bool) -> Result<Deletion, Fault> {
        if !is_marked {
            let after = self.client.head(&object.key, &object.call).await?;
            match after.status() {
                StatusCode::NOT_FOUND if has_delete_marker(&after) => {}
                StatusCode::NOT_FOUND => return Ok(Deletion::Deleted),
                StatusCode::OK => {
                    return Err(Fault::Unclear("the object is still there".to_owned()));
                }
                _ => return Err(answered(after, &object.call).await),
            }
        }
        // If versioning is suspended, there is a marker but no version behind it.
        match self.client.older(&object.key, true, &object.call).await {
            Ok(Some(_)) => Ok(Deletion::Retained(RETAINED.to_owned())),
            Ok(None) => Ok(Deletion::Deleted),
            Err(fault) if is_lasting(&fault) => Ok(Deletion::Retained(PERHAPS_KEPT.to_owned())),
            Err(fault) => Err(fault),
        }
    }
}

#[async_trait]
impl Store for S3Store {
    fn id(&self) -> &StoreId {
        &self.id
    }

    fn claims(&self, uri: &StoreUri) -> Option<usize> {
        self.place.find(uri).map(|inside| inside.length)
    }

    fn objects(&self, uri: &StoreUri) -> Objects {
        self.place.opened(uri).map(Objects::of).unwrap_or_default()
    }

    fn accepts(&self, image: &ImageId, uri: &StoreUri) -> Result<(), StoreError> {
        let object = self.object(uri)?;
        if !self.any_name && object.key != image.as_str() {
            return Err(StoreError::BadLocation(
                "the object is not named after the image ([revert] any_file_name allows that)"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    async fn health(&self) -> Result<(), StoreError> {
        let call = self.call(self.keys.clone());
        let response = self.client.head_bucket(&call).await?;
        match (response.status(), &self.keys) {
            (StatusCode::OK, Some(_)) => {
                self.client.lists("", &call).await?;
                Ok(())
            }
            // Without keys of its own, the store can only check that the service answers.
            (StatusCode::OK | StatusCode::FORBIDDEN, None) => Ok(()),
            _ => Err(answered(response, &call).await.into()),
        }
    }

    async fn stat(&self, _image: &ImageId, uri: &StoreUri) -> Result<Presence, StoreError> {
        Ok(self.presence(&self.object(uri)?).await?)
    }

    async fn read(
        &self,
        _image: &ImageId,
        uri: &StoreUri,
    ) -> Result<Option<ObjectStream>, StoreError> {
        let object = self.object(uri)?;
        let response = self.client.get(&object.key, &object.call).await?;
        match response.status() {
            StatusCode::OK => Ok(Some(streamed(response))),
            StatusCode::NOT_FOUND => match self.presence(&object).await? {
                Presence::Absent | Presence::Hidden(_) => Ok(None),
                Presence::Present { .. } | Presence::Damaged(_) | Presence::Repairable { .. } => {
                    Err(Fault::Unclear("the object came while it was asked for".to_owned()).into())
                }
            },
            _ => Err(answered(response, &object.call).await.into()),
        }
    }

    async fn retained(
        &self,
        _image: &ImageId,
        uri: &StoreUri,
    ) -> Result<Option<Retained>, StoreError> {
        Ok(self.kept(&self.object(uri)?).await?)
    }

    async fn read_retained(
        &self,
        _image: &ImageId,
        uri: &StoreUri,
        kept: &Retained,
    ) -> Result<Option<ObjectStream>, StoreError> {
        let object = self.object(uri)?;
        let response = self.client.get_version(&object.key, &kept.version, &object.call).await?;
        match response.status() {
            StatusCode::OK => Ok(Some(streamed(response))),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(answered(response, &object.call).await.into()),
        }
    }

    async fn recover(
        &self,
        image: &ImageId,
        uri: &StoreUri,
        kept: &Retained,
    ) -> Result<(), StoreError> {
        self.accepts(image, uri)?;
        Ok(self.uncover(&self.object(uri)?, &kept.version).await?)
    }

    async fn keeps(&self, image: &ImageId, uri: &StoreUri) -> Result<Keeps, StoreError> {
        self.accepts(image, uri)?;
        Ok(self.all_kept(&self.object(uri)?).await?)
    }

    async fn purge(&self, image: &ImageId, uri: &StoreUri) -> Result<Purged, StoreError> {
        self.accepts(image, uri)?;
        Ok(self.remove_for_good(&self.object(uri)?).await?)
    }

    async fn second_chance(&self) -> Result<Option<String>, StoreError> {
        let Some(keys) = &self.keys else { return Ok(None) };
        Ok(self.how_long(&self.call(Some(keys.clone()))).await?)
    }

    async fn delete(&self, _image: &ImageId, uri: &StoreUri) -> Deletion {
        match self.find(uri).await {
            Ok(object) => self.remove(&object).await,
            Err(deletion) => deletion,
        }
    }

    fn at_once(&self) -> usize {
        self.bulk.at_once()
    }

    async fn delete_all(
        &self,
        wanted: &[(&ImageId, &StoreUri)],
        stop: &CancellationToken,
    ) -> Vec<Option<Deletion>> {
        self.remove_all(wanted, stop).await
    }
}

fn size(response: &Response) -> Result<u64, Fault> {
    announced_length(response).ok_or_else(|| {
        Fault::Unclear("the service answers 200 without a Content-Length".to_owned())
    })
}

/// Whether a GET would answer 403 `InvalidObjectState`. A temporarily restored copy does not count,
/// because Glance must be able to read the image after it expires.
fn is_archived(response: &Response) -> bool {
    let class = header(response.headers(), "x-amz-storage-class");
    let is_moved = response.headers().contains_key("x-amz-archive-status");
    is_moved || class.is_some_and(is_archive)
}

/// Whether a retry would fail in the same way.
fn is_lasting(fault: &Fault) -> bool {
    matches!(fault, Fault::Answered(status, _) if !is_busy(*status))
}

fn has_delete_marker(response: &Response) -> bool {
    header(response.headers(), "x-amz-delete-marker").is_some_and(|mark| mark == "true")
}
