//! Sends alerts by POST to an operator's URL (`[revert] alert_webhook`), signed so that the
//! receiver can verify the sender.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use secrecy::ExposeSecret;
use serde_json::Value;

use crate::config::WebhookConfig;
use crate::files::{FileError, Look, Reloaded, Source};
use crate::net::{
    Endpoint, EndpointProblem, FreshClient, Outbound, OutboundError, StatusCode, retried,
    root_cause,
};

/// Time-out of one attempt.
const PATIENCE: Duration = Duration::from_secs(5);
/// Retries.
const MORE: u32 = 2;
/// A shorter secret could be guessed.
const SHORTEST_SECRET: usize = 16;
/// The option that names the file with the secret.
const SECRET: &str = "alert_webhook_secret_file";

/// Signature header: `sha256=` and the body's HMAC-SHA256 in hexadecimal.
const SIGNATURE: &str = "x-glance-revert-signature";
/// The kind of alert.
const EVENT: &str = "x-glance-revert-event";
/// Equal for repeated alerts about the same event.
const ID: &str = "x-glance-revert-id";

/// Why the webhook cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The URL is invalid.
    #[error("[revert] alert_webhook {0}")]
    Address(#[from] EndpointProblem),
    /// The secret's file cannot be read.
    #[error("[revert] {0}")]
    File(#[from] FileError),
    /// The secret is too short.
    #[error("[revert] {SECRET} must have at least {SHORTEST_SECRET} bytes")]
    ShortSecret,
    /// The CA file cannot be used.
    #[error("[revert] alert_webhook_ca_file: {0}")]
    Client(#[from] OutboundError),
}

/// The webhook's client. `Debug` shows neither the URL's path nor the secret.
#[derive(Debug, Clone)]
pub struct Webhook {
    address: Endpoint,
    client: FreshClient,
    secret: Arc<Reloaded<Key, WebhookError>>,
}

/// Why a POST failed.
#[derive(Debug, thiserror::Error)]
enum Refused {
    /// The receiver refused it; some statuses are retried.
    #[error("it answered {0}")]
    Status(StatusCode),
    /// No connection, or no response in time.
    #[error("{0}")]
    Unreachable(String),
}

impl Refused {
    fn may_pass(&self) -> bool {
        match self {
            Self::Status(status) => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Unreachable(_) => true,
        }
    }
}

impl Webhook {
    /// Reads the secret and CA certificates for the first time.
    pub fn new(config: &WebhookConfig) -> Result<Self, WebhookError> {
        let address = Endpoint::parse(config.url.expose_secret())?;
        let outbound = Outbound { ca_file: config.ca_file.clone(), ..Outbound::within(PATIENCE) };
        let sources = vec![Source::of_keys(SECRET, &config.secret_file)];
        let secret = Reloaded::load(sources, |contents| key(contents.of(SECRET)))?;
        let client = FreshClient::new("revert", outbound)?;
        Ok(Self { address, client, secret: Arc::new(secret) })
    }

    /// Its origin, for display.
    pub fn address(&self) -> &Endpoint {
        &self.address
    }

    /// Sends one alert with a few short attempts. The response body is not read.
    pub async fn post(&self, event: &'static str, id: &str, body: &Value) -> Result<(), String> {
        let body = body.to_string();
        let secret = self.fresh_secret().await;
        let signature = hex::encode(hmac::sign(&secret, body.as_bytes()).as_ref());
        let client = self.client.current().await;
        let ask = || async {
            let request = client
                .post(self.address.url())
                .header("content-type", "application/json")
                .header(EVENT, event)
                .header(ID, id)
                .header(SIGNATURE, format!("sha256={signature}"))
                .body(body.clone());
            match request.send().await {
                Ok(answer) if answer.status().is_success() => Ok(()),
                Ok(answer) => Err(Refused::Status(answer.status())),
                Err(error) => Err(Refused::Unreachable(root_cause(error))),
            }
        };
        retried(MORE, ask, Refused::may_pass).await.map_err(|error| error.to_string())
    }

    /// The secret, reloaded if its file changed.
    async fn fresh_secret(&self) -> Key {
        let secret = Arc::clone(&self.secret);
        let look = tokio::task::spawn_blocking(move || secret.look()).await;
        if let Ok(Look::Refused(problem)) = look {
            tracing::warn!(%problem, "the file's old content stays in use");
        }
        self.secret.get()
    }
}

/// Trailing blanks and line breaks come from editors and are ignored.
fn key(text: &[u8]) -> Result<Key, WebhookError> {
    let secret = text.trim_ascii();
    if secret.len() < SHORTEST_SECRET {
        return Err(WebhookError::ShortSecret);
    }
    Ok(Key::new(HMAC_SHA256, secret))
}
