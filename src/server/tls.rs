//! TLS of the API listener: reloaded certificates and handshakes.

mod clients;
mod files;
mod handshake;
mod shown;

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use rustls::ServerConnection;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub use self::files::TlsError;
use self::files::{TlsFiles, UsableFiles};
pub(super) use self::handshake::{Handshakes, Shaken};
use crate::config::TlsConfig;
use crate::domain::time::Timestamp;
use crate::files::Look;
use crate::telemetry::audit::PeerCertificate;
use crate::telemetry::metric;

/// How often the files are checked.
const INTERVAL: Duration = Duration::from_secs(5);

/// The listener's certificate and trusted client CAs. New handshakes use the current files;
/// existing connections keep what they began with.
#[derive(Debug)]
pub struct Tls {
    config: TlsConfig,
    files: TlsFiles,
}

impl Tls {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// Files that cannot be used; on later changes that is logged, and the old ones stay in use.
    pub fn load(config: &TlsConfig) -> Result<Self, TlsError> {
        let files = files::load(config)?;
        files.get().publish();
        Ok(Self { config: config.clone(), files })
    }

    /// When the certificate in use expires; `None` if that cannot be read.
    pub fn expires(&self) -> Option<Timestamp> {
        self.files.get().expires
    }

    /// The acceptor for the next handshake.
    fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.files.get().server)
    }

    /// The client's certificate on this connection, if it presented one.
    fn shown(&self, connection: &ServerConnection) -> Option<PeerCertificate> {
        let trust = self.config.clients.trust()?;
        connection.peer_certificates()?.first().map(|first| shown::shown(first, trust))
    }

    /// Checks the files periodically until `stop`.
    pub async fn keep_fresh(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_some() {
            let tls = Arc::clone(&self);
            if let Err(error) = tokio::task::spawn_blocking(move || tls.look()).await {
                tracing::error!(%error, "the look at the TLS files did not end");
            }
        }
    }

    /// Checks the files, and takes new content if it is good. Blocks on the disk.
    pub fn look(&self) {
        let outcome = match self.files.look() {
            Look::Unchanged => return,
            Look::Taken => {
                self.files.get().publish();
                tracing::info!("the new TLS files are in use");
                "taken"
            }
            Look::Refused(error) => {
                tracing::error!(%error, "the new TLS files cannot be used; the old ones stay in use");
                "refused"
            }
        };
        metrics::counter!(metric::TLS_RELOADS_TOTAL, "outcome" => outcome).increment(1);
    }
}

impl UsableFiles {
    /// Publishes the expiry as a metric.
    fn publish(&self) {
        if let Some(expires) = self.expires {
            let seconds = (expires - DateTime::UNIX_EPOCH.naive_utc()).as_seconds_f64();
            metrics::gauge!(metric::TLS_CERTIFICATE_EXPIRY_TIMESTAMP_SECONDS).set(seconds);
        }
    }
}
