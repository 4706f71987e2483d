//! The connection to a server that supplies keys or validates tokens.
//!
//! Certificates and tokens are rotated under a running pod, so both files are checked before each
//! (rare) request. A file that cannot be used leaves its old content in use.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::config::JwtAccess;
use crate::files::{Contents, FileError, Look, Reloaded, Source};
use crate::net::{Client, FreshClient, Outbound, OutboundError};

/// For one request, from connecting to the last byte of the response.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

const TOKEN_FILE: &str = "token_file";

/// Why the server cannot be called: a file that the configuration names cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PeerProblem {
    /// The CA file cannot be used.
    #[error("ca_file: {0}")]
    Client(OutboundError),
    /// A file cannot be read.
    #[error("{option} = {} {problem}", path.display())]
    File {
        /// `ca_file` or `token_file`.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The token file holds no token.
    #[error("token_file = {} has no token: it must be one line of visible ASCII", .0.display())]
    NoToken(PathBuf),
    /// The thread that was reading the file panicked.
    #[error("the file was not read: {0}")]
    Thread(String),
}

impl From<OutboundError> for PeerProblem {
    fn from(error: OutboundError) -> Self {
        match error {
            OutboundError::File(path, problem) => Self::File { option: "ca_file", path, problem },
            OutboundError::NoCertificate(_)
            | OutboundError::NoIdentity(..)
            | OutboundError::Client(_) => Self::Client(error),
        }
    }
}

impl From<FileError> for PeerProblem {
    fn from(FileError { option, path, problem }: FileError) -> Self {
        Self::File { option, path, problem: problem.to_string() }
    }
}

/// The HTTP client for a server, and our token for it.
#[derive(Debug, Clone)]
pub(super) struct HttpsPeer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    section: String,
    client: FreshClient,
    token: Option<Reloaded<SecretString, PeerProblem>>,
}

/// All that one request needs.
pub(super) struct Ready {
    pub(super) client: Client,
    /// For `Authorization: Bearer`.
    pub(super) token: Option<SecretString>,
}

impl HttpsPeer {
    /// Reads both files for the first time.
    pub(super) fn new(section: &str, access: &JwtAccess) -> Result<Self, PeerProblem> {
        let outbound = Outbound { ca_file: access.ca_file.clone(), ..Outbound::within(DEADLINE) };
        let client = FreshClient::new(section, outbound)?;
        let token = access.token_file.as_ref().map(|path| {
            let sources = vec![Source::of_keys(TOKEN_FILE, path)];
            let path = path.clone();
            Reloaded::load(sources, move |contents| {
                token(contents).ok_or_else(|| PeerProblem::NoToken(path.clone()))
            })
        });
        let (section, token) = (section.to_owned(), token.transpose()?);
        Ok(Self(Arc::new(Inner { section, client, token })))
    }

    /// Client and token, reloaded if their files changed.
    pub(super) async fn ready(&self) -> Result<Ready, PeerProblem> {
        let client = self.0.client.current().await;
        if self.0.token.is_none() {
            return Ok(Ready { client, token: None });
        }
        let inner = Arc::clone(&self.0);
        let token = tokio::task::spawn_blocking(move || inner.fresh_token()).await;
        let token = token.map_err(|error| PeerProblem::Thread(error.to_string()))?;
        Ok(Ready { client, token })
    }
}

impl Inner {
    fn fresh_token(&self) -> Option<SecretString> {
        let token = self.token.as_ref()?;
        if let Look::Refused(problem) = token.look() {
            let section = &self.section;
            tracing::warn!(section, %problem, "the file's old content stays in use");
        }
        Some(token.get())
    }
}

fn token(contents: &Contents) -> Option<SecretString> {
    let text = str::from_utf8(contents.of(TOKEN_FILE).trim_ascii()).ok()?;
    let is_token = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_token.then(|| SecretString::from(text))
}
