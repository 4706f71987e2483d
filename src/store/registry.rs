//! All configured stores, and how to find the store of a row.

use std::sync::Arc;

use secrecy::SecretString;

use super::cinder::CinderStore;
use super::crypt::{ValueReader, is_known_scheme};
use super::file::FileStore;
use super::http::HttpStore;
use super::logged::Logged;
use super::rbd::RbdStore;
use super::s3::S3Store;
use super::swift::SwiftStore;
use super::{StoreOptions, StoreSetupError};
use crate::config::{HttpConfig, StoreConfig, StoreKind};
use crate::domain::location::{Location, LocationValue};
use crate::domain::store::{
    Objects, Placed, Store, StoreId, StoreUri, Stores, Unplaced, UnusableStore,
};
use crate::domain::time::Clock;

/// The supported types of store and the schemes of their locations.
const SERVED: [(&str, &[&str]); 6] = [
    ("file", &["file", "filesystem"]),
    ("http", &["http", "https"]),
    ("rbd", &["rbd"]),
    ("s3", &["s3", "s3+http", "s3+https"]),
    ("swift", &["swift", "swift+http", "swift+https", "swift+config"]),
    ("cinder", &["cinder"]),
];

/// The stores of the configuration.
#[derive(Debug)]
pub struct ConfiguredStores {
    stores: Vec<Arc<dyn Store>>,
    unusable: Vec<UnusableStore>,
    /// Serves every `http(s)` location; if none is configured, one that is not in `stores`.
    http: Arc<dyn Store>,
    values: ValueReader,
}

impl ConfiguredStores {
    /// Builds every supported store, and remembers those that cannot be used. Opens and connects to
    /// nothing.
    pub fn new(
        configs: &[StoreConfig],
        options: &StoreOptions,
        clock: &Arc<dyn Clock>,
        metadata_encryption_key: Option<SecretString>,
    ) -> Result<Self, StoreSetupError> {
        let values = ValueReader::new(metadata_encryption_key)?;
        let (mut stores, mut unusable) = (Vec::new(), Vec::new());
        for config in configs {
            match build(config, options, clock) {
                Ok(store) => stores.extend(store),
                Err(error) if error.is_of_one_store() => unusable.push(UnusableStore {
                    id: StoreId(config.id.clone()),
                    schemes: schemes(config.kind.name()),
                    why: error.to_string(),
                }),
                Err(error) => return Err(error),
            }
        }
        let http = configs.iter().find_map(|config| match &config.kind {
            StoreKind::Http(http) if unusable.iter().all(|other| other.id.0 != config.id) => {
                Some((config.id.as_str(), http.clone()))
            }
            StoreKind::Http(_)
            | StoreKind::File(_)
            | StoreKind::Rbd(_)
            | StoreKind::S3(_)
            | StoreKind::Swift(_)
            | StoreKind::Cinder(_)
            | StoreKind::Unsupported { .. }
            | StoreKind::Misconfigured { .. } => None,
        });
        let (id, http) = http.unwrap_or(("http", HttpConfig::default()));
        let http = HttpStore::new(StoreId(id.to_owned()), &http, options)?;
        let http = Arc::new(Logged(http));
        Ok(Self { stores, unusable, http, values })
    }

    /// The stores that match the URI, in the order of the configuration: the store that the row
    /// names, if it is configured and matches; otherwise those with the longest prefix, as in
    /// Glance for rows of a renamed store.
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

    /// The unusable store that has, or may have, the URI: the store that the row names, even if
    /// others match; otherwise one of the scheme, unless another store certainly has it.
    fn unusable_of(
        &self,
        named: Option<&str>,
        uri: &StoreUri,
        stores: &[&Arc<dyn Store>],
    ) -> Option<&UnusableStore> {
        let is_named = |id: &StoreId| named == Some(id.0.as_str());
        if let Some(unusable) = self.unusable.iter().find(|unusable| is_named(&unusable.id)) {
            return Some(unusable);
        }
        let scheme = uri.scheme();
        let has_scheme = |unusable: &&UnusableStore| unusable.schemes.contains(&scheme.as_str());
        let unusable = self.unusable.iter().find(has_scheme)?;
        let is_sure = |store: &&Arc<dyn Store>| {
            let is_stand_in = Arc::ptr_eq(store, &self.http);
            is_named(store.id()) || store.tells_apart(uri) && !is_stand_in
        };
        (!stores.iter().any(is_sure)).then_some(unusable)
    }
}

/// The schemes of a type of store.
fn schemes(kind: &str) -> &'static [&'static str] {
    SERVED.iter().find(|(known, _)| *known == kind).map_or(&[], |(_, schemes)| schemes)
}

fn is_served(scheme: &str) -> bool {
    SERVED.iter().any(|(_, schemes)| schemes.contains(&scheme))
}

/// Builds one store; `None` if its type is not supported.
fn build(
    config: &StoreConfig,
    options: &StoreOptions,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Arc<dyn Store>>, StoreSetupError> {
    let id = StoreId(config.id.clone());
    Ok(match &config.kind {
        StoreKind::File(file) => Some(Arc::new(Logged(FileStore::new(id, file, options)?))),
        StoreKind::Http(http) => Some(Arc::new(Logged(HttpStore::new(id, http, options)?))),
        StoreKind::Rbd(rbd) => Some(Arc::new(Logged(RbdStore::new(id, rbd, options)))),
        StoreKind::S3(s3) => Some(Arc::new(Logged(S3Store::new(id, s3, options)?))),
        StoreKind::Swift(swift) => {
            Some(Arc::new(Logged(SwiftStore::new(id, swift, options, clock)?)))
        }
        StoreKind::Cinder(cinder) => {
            Some(Arc::new(Logged(CinderStore::new(id, cinder, options, clock)?)))
        }
        StoreKind::Unsupported { .. } => None,
        StoreKind::Misconfigured { problems, .. } => {
            let problems = problems.iter().map(ToString::to_string).collect::<Vec<_>>();
            return Err(StoreSetupError::Misconfigured(problems.join("; ")));
        }
    })
}

impl Stores for ConfiguredStores {
    fn place(&self, location: &Location) -> Result<Placed, Unplaced> {
        let uri = self.uri(&location.value).ok_or(Unplaced::Unreadable(location.id))?;
        let (scheme, id) = (uri.scheme(), location.id);
        let stores = self.stores_of(location.store(), &uri);
        if let Some(unusable) = self.unusable_of(location.store(), &uri, &stores) {
            let (store, why) = (unusable.id.clone(), unusable.why.clone());
            return Err(Unplaced::Misconfigured { location: id, store, why });
        }
        match *stores {
            [store] => Ok(Placed { store: Arc::clone(store), uri }),
            [store, ..] if store.tells_apart(&uri) => Ok(Placed { store: Arc::clone(store), uri }),
            [_, ..] => Err(Unplaced::Several { location: id, scheme }),
            [] if is_known_scheme(&scheme) && !is_served(&scheme) => {
                Err(Unplaced::NoDriver { location: id, scheme })
            }
            [] => Err(Unplaced::NoStore { location: id, scheme }),
        }
    }

    fn uri(&self, value: &LocationValue) -> Option<StoreUri> {
        self.values.read(value)
    }

    /// Glance opens a location in the store that the row names, whatever the URI says; without a
    /// name, in the store that matches the URI, or in the only store of its type.
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

    fn unusable(&self) -> &[UnusableStore] {
        &self.unusable
    }
}
