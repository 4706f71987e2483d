//! The Swift store: containers of `OpenStack` Swift, or of Ceph's RGW by its Swift API.
//!
//! `glance_store`'s driver reports a missing container as "not found", treats a static large object
//! as deleted although the body of the 200 reports a refusal, and deletes a manifest although
//! deleting its segments failed. This store proves absence by listing the container, reads the
//! bodies, and deletes a manifest last. Servers, accounts and credentials come from the
//! configuration; a row only names an object.

mod access;
mod bulk;
mod chance;
mod client;
mod large;
mod purge;
mod removal;
mod retained;
mod segments;
mod uri;
mod versions;

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::{Method, StatusCode};
use tokio_util::sync::CancellationToken;

use self::access::Account;
use self::client::{Path, SwiftClient, Target, answered, named, quoted, success};
use self::uri::{Place, SwiftUri};
use self::versions::Keeping;
use super::http_client::{Trust, http_client};
use super::http_fault::Fault;
use super::together::{Bulk, Together};
use super::{StoreOptions, StoreSetupError, streamed};
use crate::config::SwiftConfig;
use crate::domain::image::ImageId;
use crate::domain::store::{
    Deletion, Keeps, ObjectStream, Objects, Presence, Purged, Retained, Store, StoreError, StoreId,
    StoreUri,
};
use crate::domain::time::Clock;
use crate::net::{Response, announced_length, header};

/// One `swift` store of the configuration.
#[derive(Debug)]
pub struct SwiftStore {
    id: StoreId,
    /// New images go to the first one.
    accounts: Vec<Arc<Account>>,
    container: String,
    /// Whether all images are in a single container.
    is_one_container: bool,
    multi_tenant: bool,
    any_file_name: bool,
    region: Option<String>,
    client: SwiftClient,
    bulk: Bulk,
}

/// The kind of an object, according to its own headers.
#[derive(Debug)]
enum Shape {
    Plain {
        size: u64,
    },
    /// A static large object: its manifest lists its segments.
    Fixed {
        size: u64,
    },
    /// A dynamic large object: its segments are the objects with its name and a number.
    Dynamic,
}

impl SwiftStore {
    /// Takes the store as configured; connects to nothing.
    pub fn new(
        id: StoreId,
        config: &SwiftConfig,
        options: &StoreOptions,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StoreSetupError> {
        let wrong = |reason| StoreSetupError::Endpoint { store: id.0.clone(), reason };
        let limit = options.store_timeout;
        let trust = Trust {
            ca_file: ("swift_store_cacert", config.ca_file.as_ref()),
            insecure: config.insecure.then_some("swift_store_auth_insecure"),
        };
        let http = http_client(&id, trust, limit)?;
        let account = |account| Account::new(account, config, &http, limit, clock).map(Arc::new);
        let mut accounts: Vec<_> =
            config.accounts.iter().map(account).collect::<Result<_, _>>().map_err(wrong)?;
        accounts.sort_by_key(|account| account.reference != config.default_account);
        Ok(Self {
            id,
            accounts,
            container: config.container.clone(),
            is_one_container: config.container_seed == 0 && !config.multi_tenant,
            multi_tenant: config.multi_tenant,
            any_file_name: options.any_file_name,
            region: config.region.clone(),
            client: SwiftClient { http, limit },
            bulk: Bulk::default(),
        })
    }

    /// The object that a URI names, if it is in this store, and the length of the part that names
    /// the store.
    fn find(&self, uri: &StoreUri) -> Option<(Target, usize)> {
        let uri = SwiftUri::parse(uri)?;
        if !uri.is_in_container(&self.container, self.multi_tenant) {
            return None;
        }
        let mut owner = None;
        let account = match uri.place {
            Place::Login(address, None) if self.multi_tenant => {
                address.split_account()?;
                owner = Some(address);
                self.accounts.first()
            }
            Place::Login(..) | Place::Reference(_) if self.multi_tenant => None,
            Place::Reference(reference) => {
                self.accounts.iter().find(|account| account.reference == reference)
            }
            // Keys change, and users may change too; the project identifies the account.
            Place::Login(address, project) => self.accounts.iter().find(|account| {
                account.address == address && (project.is_none() || account.project == project)
            }),
        }?;
        let target = Target {
            account: Arc::clone(account),
            owner,
            container: uri.container.to_owned(),
            object: uri.object.to_owned(),
        };
        Some((target, uri.length))
    }

    fn target(&self, image: &ImageId, uri: &StoreUri) -> Result<Target, Fault> {
        let (target, _) = self.find(uri).ok_or_else(|| {
            let text = "it does not lie in a configured account and swift_store_container";
            Fault::Location(text.to_owned())
        })?;
        if target.object != image.as_str() && !self.any_file_name {
            return Err(Fault::Location(
                "its object is not named after the image; if that is right, set any_file_name = \
                 true in [revert]"
                    .to_owned(),
            ));
        }
        Ok(target)
    }

    async fn presence(&self, target: &Target) -> Result<Presence, Fault> {
        let answer = self.client.ask(Method::HEAD, target, target.path()).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => self.absence(target).await,
            status if status.is_success() => match shape(&answer, target)? {
                Shape::Plain { size } => Ok(Presence::Present { size }),
                Shape::Fixed { size } => segments::fixed(&self.client, target, size).await,
                Shape::Dynamic => segments::dynamic(&self.client, target).await,
            },
            _ => Err(answered(&answer)),
        }
    }

    /// Interprets a 404 for an object: a missing container answers the same.
    async fn absence(&self, target: &Target) -> Result<Presence, Fault> {
        // Of all names that begin with the object's, the object itself is listed first.
        let query = format!("format=json&limit=1&prefix={}", quoted(&target.object));
        let path = Path { container: &target.container, object: None, query: &query };
        let answer = self.client.ask(Method::GET, target, path).await?;
        if answer.status() == StatusCode::NOT_FOUND && self.multi_tenant {
            // The container belonged to this image alone, so only the account must exist.
            let account = Path { container: "", object: None, query: "" };
            success(self.client.ask(Method::HEAD, target, account).await?)?;
            return Ok(Presence::Absent);
        }
        let answer = success(answer)?;
        let keeping = Keeping::of(answer.headers())?;
        let first = self.client.page(answer).await?.into_iter().next();
        if first.is_some_and(|listed| listed.name == target.object) {
            let text = "the container lists the object but Swift does not find it: a disk may \
                have failed";
            return Err(Fault::Unclear(text.to_owned()));
        }
        let kept = keeping.kept(&self.client, target).await?;
        Ok(kept.map_or(Presence::Absent, Presence::Hidden))
    }

    async fn head_container(&self, target: &Target) -> Result<Response, Fault> {
        let path = Path { container: &target.container, object: None, query: "" };
        self.client.ask(Method::HEAD, target, path).await
    }

    /// The target for checks of the store as a whole.
    fn whole(&self) -> Result<Target, Fault> {
        let account = self.accounts.first().ok_or_else(|| {
            Fault::Login("no account is configured: set swift_store_auth_address".to_owned())
        })?;
        let container = if self.is_one_container { self.container.as_str() } else { "" };
        Ok(Target {
            account: Arc::clone(account),
            owner: None,
            container: container.to_owned(),
            object: String::new(),
        })
    }
}

#[async_trait]
impl Store for SwiftStore {
    fn id(&self) -> &StoreId {
        &self.id
    }

    fn claims(&self, uri: &StoreUri) -> Option<usize> {
        self.find(uri).map(|(_, length)| length)
    }

    /// The URI contains neither the region nor the file that defines the reference.
    fn tells_apart(&self, _uri: &StoreUri) -> bool {
        false
    }

    /// The account: one account can be unavailable while the others work.
    fn part(&self, uri: &StoreUri) -> String {
        self.find(uri).map(|(target, _)| target.account.reference.clone()).unwrap_or_default()
    }

    /// One key for the store, because users of one account change, and one for the account, because
    /// several stores can share it.
    fn objects(&self, uri: &StoreUri) -> Objects {
        let Some(object) = uri::opened(uri) else { return Objects::default() };
        let of_account = self.find(uri).filter(|(target, _)| target.owner.is_none());
        let of_account = of_account.map(|(Target { account, .. }, _)| {
            let project = account.project.as_deref().unwrap_or(&account.reference);
            format!("swift@{:?}/{project}/{:?}:{object}", account.address, self.region)
        });
        let of_store = format!("swift:{}:{object}", self.id);
        Objects { names: of_account.into_iter().chain([of_store]).collect(), rough: None }
    }

    fn accepts(&self, image: &ImageId, uri: &StoreUri) -> Result<(), StoreError> {
        self.target(image, uri)?;
        Ok(())
    }

    async fn health(&self) -> Result<(), StoreError> {
        success(self.head_container(&self.whole()?).await?).map_err(StoreError::from)?;
        Ok(())
    }

    async fn stat(&self, image: &ImageId, uri: &StoreUri) -> Result<Presence, StoreError> {
        Ok(self.presence(&self.target(image, uri)?).await?)
    }

    async fn read(
        &self,
        image: &ImageId,
        uri: &StoreUri,
    ) -> Result<Option<ObjectStream>, StoreError> {
        let target = self.target(image, uri)?;
        let answer = self.client.ask(Method::GET, &target, target.path()).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return match self.presence(&target).await? {
                Presence::Absent | Presence::Hidden(_) => Ok(None),
                Presence::Damaged(text) => Err(StoreError::Unreachable(text)),
                Presence::Present { .. } | Presence::Repairable { .. } => {
                    Err(Fault::Unclear("the object came while it was asked for".to_owned()).into())
                }
            };
        }
        let answer = success(answer)?;
        shape(&answer, &target)?;
        Ok(Some(streamed(answer)))
    }

    async fn retained(
        &self,
        image: &ImageId,
        uri: &StoreUri,
    ) -> Result<Option<Retained>, StoreError> {
        Ok(self.kept(&self.target(image, uri)?).await?)
    }

    async fn read_retained(
        &self,
        image: &ImageId,
        uri: &StoreUri,
        kept: &Retained,
    ) -> Result<Option<ObjectStream>, StoreError> {
        Ok(self.read_kept(&self.target(image, uri)?, &kept.version).await?)
    }

    async fn recover(
        &self,
        image: &ImageId,
        uri: &StoreUri,
        kept: &Retained,
    ) -> Result<(), StoreError> {
        Ok(self.bring_back(&self.target(image, uri)?, &kept.version).await?)
    }

    async fn keeps(&self, image: &ImageId, uri: &StoreUri) -> Result<Keeps, StoreError> {
        Ok(self.all_kept(image, &self.target(image, uri)?).await?)
    }

    async fn purge(&self, image: &ImageId, uri: &StoreUri) -> Result<Purged, StoreError> {
        Ok(self.remove_for_good(image, &self.target(image, uri)?).await?)
    }

    async fn second_chance(&self) -> Result<Option<String>, StoreError> {
        Ok(self.chance().await?)
    }

    async fn delete(&self, image: &ImageId, uri: &StoreUri) -> Deletion {
        let target = match self.target(image, uri) {
            Ok(target) => target,
            Err(fault) => return fault.before_deletion(),
        };
        let deletion = self.remove(image, &target).await;
        if self.multi_tenant && matches!(deletion, Deletion::Deleted | Deletion::Gone) {
            self.remove_container(&target).await;
        }
        deletion
    }

    /// In multi-tenant mode each image has a container of its own.
    fn at_once(&self) -> usize {
        if self.multi_tenant { 1 } else { self.bulk.at_once() }
    }

    async fn delete_all(
        &self,
        wanted: &[(&ImageId, &StoreUri)],
        stop: &CancellationToken,
    ) -> Vec<Option<Deletion>> {
        self.remove_all(wanted, stop).await
    }
}

/// Reads the headers of a HEAD or GET response. Accepts a dynamic large object only if its manifest
/// names its own segments: whoever can write a manifest could name other objects in it.
fn shape(answer: &Response, target: &Target) -> Result<Shape, Fault> {
    let headers = answer.headers();
    if let Some(manifest) = named(headers, "x-object-manifest")? {
        let own = format!("{}/{}-", target.container, target.object);
        if manifest != own {
            let text = "its manifest names objects that are not its own segments";
            return Err(Fault::Location(text.to_owned()));
        }
        return Ok(Shape::Dynamic);
    }
    let size = announced_length(answer)
        .ok_or_else(|| Fault::Unclear("Swift answers 200 without a Content-Length".to_owned()))?;
    let is_fixed = header(headers, "x-static-large-object")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    Ok(if is_fixed { Shape::Fixed { size } } else { Shape::Plain { size } })
}
