//! A server that is asked about keys or tokens: how it is reached, and who we are to it.
//!
//! Certificates and tokens change under a running pod, so both files are looked at before each
//! question; questions are rare. A file that cannot be used leaves what it held before in use.

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
    held: Mutex<Held>,
}

/// What the files held when they could last be used.
#[derive(Debug, Default)]
struct Held {
    client: Latest<Built>,
    token: Latest<SecretString>,
}

/// A client, and the version of the CA file that it was built from.
#[derive(Debug, Clone)]
struct Built {
    version: Option<Version>,
    client: Client,
}

#[derive(Debug)]
struct Latest<T> {
    good: Option<T>,
    /// What is wrong with the file now, if it was said already.
    told: Option<String>,
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
        let (section, access) = (section.to_owned(), access.clone());
        let inner = Inner { section, access, held: Mutex::default() };
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
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let built = self.build(held.client.good.as_ref());
        let Built { client, .. } = held.client.take(&self.section, built)?;
        let token = match &self.access.token_file {
            None => None,
            Some(path) => Some(held.token.take(&self.section, token(path))?),
        };
        Ok(Ready { client, token })
    }

    fn build(&self, held: Option<&Built>) -> Result<Built, PeerProblem> {
        let version = match &self.access.ca_file {
            None => None,
            Some(path) => Some(Version::of(path).map_err(file_problem("ca_file", path))?),
        };
        if let Some(built) = held.filter(|built| built.version == version) {
            return Ok(built.clone());
        }
        let ca_file = self.access.ca_file.clone();
        let client = Outbound { ca_file, ..Outbound::within(DEADLINE) }.client()?;
        Ok(Built { version, client })
    }
}

impl<T: Clone> Latest<T> {
    /// The new one; where it cannot be had the old one, with one warning for each cause.
    fn take(&mut self, section: &str, read: Result<T, PeerProblem>) -> Result<T, PeerProblem> {
        match (read, &self.good) {
            (Ok(new), _) => {
                self.told = None;
                Ok(self.good.insert(new).clone())
            }
            (Err(problem), None) => Err(problem),
            (Err(problem), Some(old)) => {
                let text = problem.to_string();
                if self.told.as_ref() != Some(&text) {
                    tracing::warn!(section, %problem, "the file's old content stays in use");
                    self.told = Some(text);
                }
                Ok(old.clone())
            }
        }
    }
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self { good: None, told: None }
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
