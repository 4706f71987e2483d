//! The HTTP client of a store, and its Keystone user.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::StoreSetupError;
use crate::config::keystone_auth::Credentials;
use crate::domain::store::StoreId;
use crate::domain::time::Clock;
use crate::net::keystone::{AddressError, KeystoneApi, KeystoneUrl, Patience, ServiceUser};
use crate::net::{Client, Outbound};

/// Retries of idempotent requests, and of failed connections at login.
pub(super) const RETRIES: u32 = 2;

/// Which certificates a store trusts, and the options that say so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trust<'c> {
    /// The option of the CA file, and the file.
    pub(super) ca_file: (&'static str, Option<&'c PathBuf>),
    /// The option that disables verification, if it is on.
    pub(super) insecure: Option<&'static str>,
}

/// A client whose bodies may have any length, as images do: each wait has the time-out `limit`, and
/// the caller limits the total.
pub(super) fn http_client(
    id: &StoreId,
    trust: Trust<'_>,
    limit: Duration,
) -> Result<Client, StoreSetupError> {
    let store = &id.0;
    if let Some(option) = trust.insecure {
        tracing::warn!(store, "{option}: certificates are not checked");
    }
    let (option, ca_file) = trust.ca_file;
    let outbound = Outbound {
        ca_file: ca_file.cloned(),
        insecure: trust.insecure.is_some(),
        ..Outbound::streaming(limit)
    };
    outbound.client().map_err(|error| {
        let reason = match ca_file {
            Some(_) => format!("{option}: {error}"),
            None => error.to_string(),
        };
        StoreSetupError::Endpoint { store: store.clone(), reason }
    })
}

/// The store's user at the Keystone of `auth_address`, with a catalog. Connects to nothing yet.
pub(super) fn service_user(
    http: &Client,
    auth_address: &str,
    credentials: &Credentials,
    limit: Duration,
    clock: &Arc<dyn Clock>,
) -> Result<ServiceUser, AddressError> {
    let patience = Patience { deadline: limit, retries: RETRIES };
    let api = KeystoneApi::new(http.clone(), KeystoneUrl::parse(auth_address)?, patience);
    Ok(ServiceUser::new(api, credentials.clone(), true, Arc::clone(clock)))
}
