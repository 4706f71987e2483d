//! All configured stores, and the way from a row of `image_locations` to one of them.

use std::sync::Arc;

use secrecy::SecretString;

use super::crypt::{ValueReader, is_known_scheme};
use super::file::FileStore;
use super::http::HttpStore;
use super::{StoreOptions, StoreSetupError};
use crate::config::{StoreConfig, StoreKind};
use crate::domain::location::{Location, LocationValue};
use crate::domain::store::{Placed, Store, StoreId, StoreUri, Stores, Unplaced};

/// Schemes whose locations are served here; Glance's other ones have no driver yet.
const SERVED_SCHEMES: [&str; 4] = ["file", "filesystem", "http", "https"];

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
        let mut stores: Vec<Arc<dyn Store>> = Vec::new();
        let mut http: Option<Arc<dyn Store>> = None;
        for config in configs {
            let id = StoreId(config.id.clone());
            match &config.kind {
                StoreKind::File { datadirs, timeout } => {
                    let timeout = timeout.unwrap_or(options.store_timeout);
                    let store = FileStore::new(id, datadirs, options.any_file_name, timeout)?;
                    stores.push(Arc::new(store));
                }
                StoreKind::Http => {
                    let store: Arc<dyn Store> = Arc::new(HttpStore::new(id, options)?);
                    http.get_or_insert_with(|| Arc::clone(&store));
                    stores.push(store);
                }
                StoreKind::Unsupported { .. } => {}
            }
        }
        let http = match http {
            Some(store) => store,
            None => Arc::new(HttpStore::new(StoreId("http".to_owned()), options)?),
        };
        Ok(Self { stores, http, values })
    }

    /// The store that the row names, if it is configured and the URI lies in it; else the one
    /// with the longest prefix, as Glance does for rows of a renamed store.
    fn store_of(&self, named: Option<&str>, uri: &StoreUri) -> Option<Arc<dyn Store>> {
        let claims = || {
            self.stores.iter().filter_map(|store| store.claims(uri).map(|length| (store, length)))
        };
        let by_name = claims().find(|(store, _)| named == Some(store.id().0.as_str()));
        // `rev`, so that of equals the first in the configuration wins.
        let by_prefix = || {
            let all: Vec<_> = claims().collect();
            all.into_iter().rev().max_by_key(|(_, length)| *length)
        };
        by_name
            .or_else(by_prefix)
            .map(|(store, _)| Arc::clone(store))
            .or_else(|| self.http.claims(uri).map(|_| Arc::clone(&self.http)))
    }
}

impl Stores for ConfiguredStores {
    fn place(&self, location: &Location) -> Result<Placed, Unplaced> {
        let uri = self.uri(&location.value).ok_or(Unplaced::Unreadable(location.id))?;
        if let Some(store) = self.store_of(location.store(), &uri) {
            return Ok(Placed { store, uri });
        }
        let scheme = uri.scheme();
        let location = location.id;
        if is_known_scheme(&scheme) && !SERVED_SCHEMES.contains(&scheme.as_str()) {
            Err(Unplaced::NoDriver { location, scheme })
        } else {
            Err(Unplaced::NoStore { location, scheme })
        }
    }

    fn uri(&self, value: &LocationValue) -> Option<StoreUri> {
        self.values.read(value)
    }

    fn encrypted(&self) -> bool {
        self.values.encrypted()
    }

    fn all(&self) -> Vec<Arc<dyn Store>> {
        self.stores.clone()
    }
}
