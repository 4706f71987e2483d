//! Who may call: the extractor that no guarded handler can do without.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::error::{ApiError, RequestError};
use super::middleware::RequestContext;
use super::state::ApiState;
use crate::domain::principal::{Admin, AuthError, NotAdmin, Token};

/// Where OpenStack clients put a Keystone token.
pub(crate) const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// An admin. Stands first in a handler's signature, so that nothing is parsed, read or looked up
/// for anybody else.
#[derive(Debug)]
pub struct AdminCaller(pub Admin);

/// A token, and by its header the verifier that it is for.
enum Presented<'a> {
    Bearer(&'a str),
    Keystone(&'a str),
}

impl FromRequestParts<ApiState> for AdminCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let (verifier, token) = match presented(&parts.headers)? {
            Presented::Bearer(token) => (Some(&state.bearer), token),
            Presented::Keystone(token) => (state.keystone.as_ref(), token),
        };
        let verifier = verifier.ok_or(AuthError::Invalid { reason: "keystone_not_configured" })?;
        let principal = verifier.authenticate(&Token::new(token)).await?;
        let context = parts.extensions.get::<RequestContext>();
        if let Some(context) = context {
            context.set_caller(principal.to_string());
        }
        Ok(Self(Admin::try_from(principal).map_err(|denied: NotAdmin| ApiError::from(denied))?))
    }
}

/// Exactly one token must be there: two would let two parties see two callers.
fn presented(headers: &HeaderMap) -> Result<Presented<'_>, ApiError> {
    let bearer: Vec<_> = headers.get_all(header::AUTHORIZATION).iter().collect();
    let keystone: Vec<_> = headers.get_all(X_AUTH_TOKEN).iter().collect();
    match (bearer.as_slice(), keystone.as_slice()) {
        ([], []) => Err(RequestError::TokenMissing.into()),
        ([value], []) => Ok(Presented::Bearer(bearer_token(text(value)?)?)),
        ([], [value]) => match text(value)?.trim() {
            "" => Err(RequestError::TokenMissing.into()),
            token => Ok(Presented::Keystone(token)),
        },
        _ => Err(RequestError::Invalid(
            "Send one token: either one Authorization header or one X-Auth-Token header.".into(),
        )
        .into()),
    }
}

fn text(value: &HeaderValue) -> Result<&str, AuthError> {
    value.to_str().map_err(|_| AuthError::Invalid { reason: "not_ascii" })
}

/// RFC 9110 11.1: the scheme is case-insensitive. Another scheme is no token of ours.
fn bearer_token(value: &str) -> Result<&str, ApiError> {
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
        Ok(token)
    } else {
        Err(RequestError::TokenMissing.into())
    }
}
