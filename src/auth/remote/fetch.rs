//! One fetch of an issuer's keys: the key set itself, or first the discovery document that names
//! it.

use std::time::Duration;

use serde_json::Value;

use crate::auth::algorithm::Algorithm;
use crate::auth::answer::{AnswerProblem, ask};
use crate::auth::https_peer::{DEADLINE, HttpsPeer, PeerProblem, Ready};
use crate::auth::json::{JsonFault, parse_object};
use crate::auth::keys::{KeyProblem, KeySet, jwks};
use crate::config::JwtKeyServer;
use crate::net::{Endpoint, EndpointProblem};

/// `OpenID` Connect Discovery 1.0, section 4; Kubernetes serves it too.
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Where an issuer's key set is found.
#[derive(Debug)]
pub(in crate::auth) enum Source {
    /// `jwks_uri`.
    Jwks(Endpoint),
    /// The document at the issuer's well-known address names the URL, read at each fetch.
    Discovery { document: Endpoint, issuer: String },
}

/// Why a fetch returned no keys.
#[derive(Debug, thiserror::Error)]
pub(in crate::auth) enum FetchProblem {
    /// Our own files cannot be used.
    #[error(transparent)]
    Peer(#[from] PeerProblem),
    /// The server with the discovery document failed.
    #[error("requesting {WELL_KNOWN} from the issuer's server: {0}")]
    Document(#[source] AnswerProblem),
    /// The document is no JSON object.
    #[error("{WELL_KNOWN} is not a discovery document: {0}")]
    NotDocument(#[source] JsonFault),
    /// The document is for another issuer, or for none.
    #[error(
        "{WELL_KNOWN} belongs to another issuer: its issuer must equal the section's, byte by \
        byte"
    )]
    OtherIssuer,
    /// The document has no `jwks_uri`.
    #[error("{WELL_KNOWN} has no jwks_uri")]
    NoJwksUri,
    /// The document's `jwks_uri` is not allowed.
    #[error("the jwks_uri in {WELL_KNOWN} {0}")]
    JwksUri(#[source] EndpointProblem),
    /// The server with the keys failed.
    #[error("the server with the keys: {0}")]
    KeyServer(#[source] AnswerProblem),
    /// The key set is refused.
    #[error("the key set {0}")]
    Keys(#[from] KeyProblem),
    /// The fetch took too long.
    #[error("the keys did not come within {} seconds", .0.as_secs())]
    Slow(Duration),
}

impl Source {
    /// Checks the address; on error also returns the option that is wrong.
    pub(in crate::auth) fn new(
        issuer: &str,
        server: &JwtKeyServer,
    ) -> Result<Self, (&'static str, EndpointProblem)> {
        if let Some(uri) = &server.jwks_uri {
            return Endpoint::parse(uri).map(Self::Jwks).map_err(|e| ("jwks_uri", e));
        }
        let document = Endpoint::below(issuer, WELL_KNOWN).map_err(|e| ("issuer", e))?;
        Ok(Self::Discovery { document, issuer: issuer.to_owned() })
    }

    /// Fetches the keys, within [`DEADLINE`] in all.
    pub(super) async fn fetch(
        &self,
        peer: &HttpsPeer,
        allowed: &[Algorithm],
    ) -> Result<KeySet, FetchProblem> {
        let fetched = async { self.ask(&peer.ready().await?).await };
        let fetched = tokio::time::timeout(DEADLINE, fetched).await;
        let text = fetched.map_err(|_| FetchProblem::Slow(DEADLINE))??;
        Ok(jwks::parse(&text, allowed)?)
    }

    async fn ask(&self, ready: &Ready) -> Result<Vec<u8>, FetchProblem> {
        let (jwks_uri, token) = match self {
            Self::Jwks(uri) => (uri.clone(), ready.token.as_ref()),
            Self::Discovery { document, issuer } => {
                let text = ask(ready.client.get(document.url()), ready.token.as_ref()).await;
                let jwks_uri = jwks_uri(&text.map_err(FetchProblem::Document)?, issuer)?;
                // Our token goes only to the configured server.
                let token = ready.token.as_ref().filter(|_| jwks_uri.same_origin(document));
                (jwks_uri, token)
            }
        };
        ask(ready.client.get(jwks_uri.url()), token).await.map_err(FetchProblem::KeyServer)
    }
}

fn jwks_uri(document: &[u8], issuer: &str) -> Result<Endpoint, FetchProblem> {
    let document = parse_object(document).map_err(FetchProblem::NotDocument)?;
    if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(FetchProblem::OtherIssuer);
    }
    let uri = document.get("jwks_uri").and_then(Value::as_str).ok_or(FetchProblem::NoJwksUri)?;
    Endpoint::parse(uri).map_err(FetchProblem::JwksUri)
}
