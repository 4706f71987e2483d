//! An HTTP client whose certificates may change under a running service.

use std::sync::Arc;

use super::{Client, Outbound, OutboundError};
use crate::files::{Look, Reloaded};

/// A client that is rebuilt when one of its files changes. Cheap to clone; clones share it.
///
/// Files that cannot be used leave the old client in place.
#[derive(Debug, Clone)]
pub struct FreshClient(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    /// Without files.
    Fixed(Client),
    Reloaded {
        /// The section that names the files.
        section: String,
        client: Reloaded<Client, OutboundError>,
    },
}

impl FreshClient {
    /// Reads the files for the first time. `section` is used in log lines.
    pub fn new(section: &str, outbound: Outbound) -> Result<Self, OutboundError> {
        let sources = outbound.sources();
        if sources.is_empty() {
            return Ok(outbound.client()?.into());
        }
        let client = Reloaded::load(sources, move |contents| outbound.build(contents))?;
        Ok(Self(Arc::new(Kind::Reloaded { section: section.to_owned(), client })))
    }

    /// The current client. Checks its files first, so meant for infrequent requests.
    pub async fn current(&self) -> Client {
        if let Kind::Fixed(client) = &*self.0 {
            return client.clone();
        }
        let this = self.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || this.look()).await {
            tracing::error!(%error, "the look at the certificates did not end");
        }
        match &*self.0 {
            Kind::Fixed(client) => client.clone(),
            Kind::Reloaded { client, .. } => client.get(),
        }
    }

    fn look(&self) {
        if let Kind::Reloaded { section, client } = &*self.0
            && let Look::Refused(problem) = client.look()
        {
            tracing::warn!(section, %problem, "the file's old content stays in use");
        }
    }
}

impl From<Client> for FreshClient {
    fn from(client: Client) -> Self {
        Self(Arc::new(Kind::Fixed(client)))
    }
}
