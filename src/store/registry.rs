//! All configured stores, and the way from a row of `image_locations` to one of them.

use std::sync::Arc;

use secrecy::SecretString;

use super::cinder::CinderStore;
use super::crypt::{ValueReader, is_known_scheme};
use super::file::FileStore;
use super::http::HttpStore;
use super::rbd::RbdStore;
use super::s3::S3Store;
use super::swift::SwiftStore;
use super::{StoreOptions, StoreSetupError};
use crate::config::{HttpConfig, StoreConfig, StoreKind};
use crate::domain::location::{Location, LocationValue};
use crate::domain::store::{Objects, Placed, Store, StoreId, StoreUri, Stores, Unplaced};

/// Schemes whose locations there is a driver for.
const SERVED_SCHEMES: [&str; 13] = [
    "file",
    "filesystem",
    "http",
    "https",
    "rbd",
    "s3",
    "s3+http",
    "s3+https",
    "swift",
    "swift+http",
    "swift+https",
    "swift+config",
    "cinder",
];

/// The stores of the configuration.
#[derive(Debug)]
pub struct ConfiguredStores {
    stores: Vec<Arc<dyn Store>>,
    /// Serves every `http(s)` location; where none is configured, one that is not in `stores`.
    http: Arc<dyn Store>,
    values: ValueReader,
}

impl ConfiguredStores {
    /// Builds every store that there is a driver for. Opens and connects to nothing.
    pub fn new(
        configs: &[StoreConfig],
        options: &StoreOptions,
        metadata_encryption_key: Option<SecretString>,
    ) -> Result<Self, StoreSetupError> {
        let values = ValueReader::new(metadata_encryption_key)?;
        let mut stores = Vec::new();
        for config in configs {
            stores.extend(build(config, options)?);
        }
        let http = configs.iter().find_map(|config| match &config.kind {
            StoreKind::Http(http) => Some((config.id.as_str(), http.clone())),
            StoreKind::File(_)
            | StoreKind::Rbd(_)
            | StoreKind::S3(_)
            | StoreKind::Swift(_)
            | StoreKind::Cinder(_)
            | StoreKind::Unsupported { .. } => None,
        });
        let (id, http) = http.unwrap_or(("http", HttpConfig::default()));
        let http = Arc::new(HttpStore::new(StoreId(id.to_owned()), &http, options)?);
        Ok(Self { stores, http, values })
    }

    /// The stores that could have the URI, the first in the configuration first: the one that the
    /// row names, if it is configured and the URI lies in it; else those with the longest prefix, as
    /// Glance does for rows of a renamed store.
    fn stores_of(&self, named: Option<&str>, uri: &StoreUri) -> Vec<&Arc<dyn Store>> {
        let claims: Vec<_> = self
            .stores
            .iter()
            .filter_map(|store| store.claims(uri).map(|length| (store, length)))
            .collect();
        let is_named = |store: &dyn Store| named == Some(store.id().0.as_str());
        if let Some((store, _)) = claims.iter().find(|(store, _)| is_named(&***store)) {
            return vec![store];
        }
        if claims.is_empty() {
            return self.http.claims(uri).map(|_| &self.http).into_iter().collect();
        }
        let longest = claims.iter().map(|(_, length)| *length).max();
        claims.into_iter().filter(|(_, length)| Some(*length) == longest).map(|(s, _)| s).collect()
    }
}

/// One store; `None` where there is no driver.
fn build(
    config: &StoreConfig,
    options: &StoreOptions,
) -> Result<Option<Arc<dyn Store>>, StoreSetupError> {
    let id = StoreId(config.id.clone());
    Ok(match &config.kind {
        StoreKind::File(file) => Some(Arc::new(FileStore::new(id, file, options)?)),
        StoreKind::Http(http) => Some(Arc::new(HttpStore::new(id, http, options)?)),
        StoreKind::Rbd(rbd) => Some(Arc::new(RbdStore::new(id, rbd, options))),
        StoreKind::S3(s3) => Some(Arc::new(S3Store::new(id, s3, options)?)),
        StoreKind::Swift(swift) => Some(Arc::new(SwiftStore::new(id, swift, options)?)),
        StoreKind::Cinder(cinder) => Some(Arc::new(CinderStore::new(id, cinder, options)?)),
        StoreKind::Unsupported { .. } => None,
    })
}

impl Stores for ConfiguredStores {
    fn place(&self, location: &Location) -> Result<Placed, Unplaced> {
        let uri = self.uri(&location.value).ok_or(Unplaced::Unreadable(location.id))?;
        let (scheme, id) = (uri.scheme(), location.id);
        match *self.stores_of(location.store(), &uri) {
            [store] => Ok(Placed { store: Arc::clone(store), uri }),
            [store, ..] if store.tells_apart(&uri) => Ok(Placed { store: Arc::clone(store), uri }),
            [_, ..] => Err(Unplaced::Several { location: id, scheme }),
            [] if is_known_scheme(&scheme) && !SERVED_SCHEMES.contains(&scheme.as_str()) => {
                Err(Unplaced::NoDriver { location: id, scheme })
            }
            [] => Err(Unplaced::NoStore { location: id, scheme }),
        }
    }

    fn uri(&self, value: &LocationValue) -> Option<StoreUri> {
        self.values.read(value)
    }

    /// Glance opens a location in the store that the row names, wherever the URI lies; and that of a
    /// row without a name in the one that the URI lies in, or in the only one of its kind.
    fn objects(&self, location: &Location) -> Objects {
        let Some(uri) = self.uri(&location.value) else { return Objects::default() };
        let is_named = |store: &&Arc<dyn Store>| location.store() == Some(&*store.id().0);
        let named = self.stores.iter().find(is_named).map(|store| store.objects(&uri));
        if let Some(objects) = named.filter(|objects| !objects.is_empty()) {
            return objects;
        }
        let mut stores = self.stores_of(None, &uri);
        if stores.is_empty() {
            stores = self.stores.iter().collect();
        }
        let mut all = Objects::default();
        for Objects { names, rough } in stores.into_iter().map(|store| store.objects(&uri)) {
            all.names.extend(names);
            all.rough = all.rough.or(rough);
        }
        all.names.sort_unstable();
        all.names.dedup();
        all
    }

    fn all(&self) -> Vec<Arc<dyn Store>> {
        self.stores.clone()
    }
}
