//! POSTs of alerts to an address of the operator's (`[revert] alert_webhook`), signed so that the
//! receiver knows who sent them.

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

/// For one attempt, answer and all.
const PATIENCE: Duration = Duration::from_secs(5);
/// Attempts after the first one.
const MORE: u32 = 2;
/// What anybody can try out is no secret.
const SHORTEST_SECRET: usize = 16;
/// The option that names the file with the secret.
const SECRET: &str = "alert_webhook_secret_file";

/// HMAC-SHA256 of the body, in hexadecimal digits after `sha256=`.
const SIGNATURE: &str = "x-glance-revert-signature";
/// The kind of alert.
const EVENT: &str = "x-glance-revert-event";
/// The same for all that tell of the same.
const ID: &str = "x-glance-revert-id";

/// The receiver cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The address.
    #[error("[revert] alert_webhook {0}")]
    Address(#[from] EndpointProblem),
    /// The file with the secret.
    #[error("[revert] {0}")]
    File(#[from] FileError),
    /// What is in it.
    #[error("[revert] {SECRET} must hold at least {SHORTEST_SECRET} bytes")]
    ShortSecret,
    /// The certificates that are trusted.
    #[error("[revert] alert_webhook_ca_file: {0}")]
    Client(#[from] OutboundError),
}

/// Where alerts are sent to. Prints neither the path of the address nor the secret.
#[derive(Debug, Clone)]
pub struct Webhook {
    address: Endpoint,
    client: FreshClient,
    secret: Arc<Reloaded<Key, WebhookError>>,
}

/// Why a POST was not taken.
#[derive(Debug, thiserror::Error)]
enum Refused {
    /// By its status; whether it may be taken later.
    #[error("it answered {0}")]
    Status(StatusCode),
    /// Nobody was reached, or nobody answered in time.
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
    /// Reads the secret and the certificates for the first time.
    pub fn new(config: &WebhookConfig) -> Result<Self, WebhookError> {
        let address = Endpoint::parse(config.url.expose_secret())?;
        let outbound = Outbound { ca_file: config.ca_file.clone(), ..Outbound::within(PATIENCE) };
        let sources = vec![Source::of_keys(SECRET, &config.secret_file)];
        let secret = Reloaded::load(sources, |contents| key(contents.of(SECRET)))?;
        let client = FreshClient::new("revert", outbound)?;
        Ok(Self { address, client, secret: Arc::new(secret) })
    }

    /// Its origin, for people.
    pub fn address(&self) -> &Endpoint {
        &self.address
    }

    /// Sends one alert: a few short attempts, then it is given up. What is answered is not read.
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

    /// The secret, as fresh as its file.
    async fn fresh_secret(&self) -> Key {
        let secret = Arc::clone(&self.secret);
        let look = tokio::task::spawn_blocking(move || secret.look()).await;
        if let Ok(Look::Refused(problem)) = look {
            tracing::warn!(%problem, "the file's old content stays in use");
        }
        self.secret.get()
    }
}

/// Blanks and line breaks at its end are the editor's.
fn key(text: &[u8]) -> Result<Key, WebhookError> {
    let secret = text.trim_ascii();
    if secret.len() < SHORTEST_SECRET {
        return Err(WebhookError::ShortSecret);
    }
    Ok(Key::new(HMAC_SHA256, secret))
}
