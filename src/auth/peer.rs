//! A server that is asked about keys or tokens: how it is reached, and who we are to it.
//!
//! Certificates and tokens change under a running pod, so both files are looked at before each
//! question; questions are rare.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::SecretString;

use super::file::{self, FileProblem, Version};
use crate::config::JwtAccess;
use crate::net::{Client, Outbound, OutboundError};

/// For one question, from the connection to the last byte of the answer.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// What it takes to ask. The files that the configuration names are wrong, where it cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PeerProblem {
    /// The CA file, or what is in it.
    #[error("ca_file: {0}")]
    Client(#[from] OutboundError),
    /// A file cannot be read.
    #[error("{option} = {} {problem}", path.display())]
    File {
        /// `ca_file` or `token_file`.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        problem: FileProblem,
    },
    /// What is in the file with our token.
    #[error("token_file = {} holds no token: one line of visible ASCII", .0.display())]
    NoToken(PathBuf),
    /// The thread that read the files is gone.
    #[error("the files were not read: {0}")]
    Thread(String),
}

/// A server's client and our token for it.
#[derive(Debug, Clone)]
pub(super) struct Peer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    section: String,
    access: JwtAccess,
    /// The client, and the version of the CA file that it was built from.
    client: Mutex<Option<(Option<Version>, Client)>>,
}

/// All that one question needs.
pub(super) struct Ready {
    pub(super) client: Client,
    /// For `Authorization: Bearer`.
    pub(super) token: Option<SecretString>,
}

impl Peer {
    /// Reads both files for the first time; a file that cannot be used is an error.
    pub(super) fn new(section: &str, access: &JwtAccess) -> Result<Self, PeerProblem> {
        let client = Mutex::default();
        let inner = Inner { section: section.to_owned(), access: access.clone(), client };
        inner.ready()?;
        Ok(Self(Arc::new(inner)))
    }

    /// Client and token, as fresh as their files.
    pub(super) async fn ready(&self) -> Result<Ready, PeerProblem> {
        let inner = Arc::clone(&self.0);
        let read = tokio::task::spawn_blocking(move || inner.ready()).await;
        read.map_err(|error| PeerProblem::Thread(error.to_string()))?
    }
}

impl Inner {
    fn ready(&self) -> Result<Ready, PeerProblem> {
        let token = self.access.token_file.as_deref().map(token).transpose()?;
        Ok(Ready { client: self.client()?, token })
    }

    /// A new CA file that cannot be used leaves the old certificates in force, with a warning.
    fn client(&self) -> Result<Client, PeerProblem> {
        let mut held = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let built = self.build(held.as_ref());
        match (built, held.as_ref()) {
            (Ok(built), _) => Ok(held.insert(built).1.clone()),
            (Err(problem), Some((_, client))) => {
                tracing::warn!(section = self.section, %problem, "the old certificates stay in force");
                Ok(client.clone())
            }
            (Err(problem), None) => Err(problem),
        }
    }

    fn build(
        &self,
        held: Option<&(Option<Version>, Client)>,
    ) -> Result<(Option<Version>, Client), PeerProblem> {
        let version = match &self.access.ca_file {
            None => None,
            Some(path) => Some(Version::of(path).map_err(file_problem("ca_file", path))?),
        };
        if let Some((seen, client)) = held.filter(|(seen, _)| *seen == version) {
            return Ok((seen.clone(), client.clone()));
        }
        let ca_file = self.access.ca_file.clone();
        let client = Outbound { ca_file, ..Outbound::within(DEADLINE) }.client()?;
        Ok((version, client))
    }
}

fn token(path: &Path) -> Result<SecretString, PeerProblem> {
    let text = file::read(path).map_err(file_problem("token_file", path))?;
    let text = text.trim_ascii();
    let token = str::from_utf8(text)
        .ok()
        .filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
    let token = token.ok_or_else(|| PeerProblem::NoToken(path.to_owned()))?;
    Ok(SecretString::from(token))
}

fn file_problem(option: &'static str, path: &Path) -> impl FnOnce(FileProblem) -> PeerProblem {
    let path = path.to_owned();
    move |problem| PeerProblem::File { option, path, problem }
}
