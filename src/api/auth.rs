//! Who may call: the extractor that no guarded handler can do without.
//!
//! A client whose tokens were refused too often is limited. A limit must keep it from making
//! others work (Keystone is asked about every token that it has not seen), and must not lock out
//! an operator who shares its address with an attacker. Hence, while a client is limited:
//!
//! * a token that is verified here, without asking anybody, still is. If it is good, it is let in;
//! * a token that would have to be asked about is, if it was good within the last minutes;
//! * for every other token the answer is 429, as it is for tokens that are refused.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::context::RequestContext;
use super::error::{ApiError, RequestError};
use super::extract::ImageIdPath;
use super::state::ApiState;
use crate::domain::principal::{Admin, AuthError, NotAdmin, Principal, Token};
use crate::telemetry::metric;

/// Where OpenStack clients put a Keystone token.
pub(crate) const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// Where one service says that it calls for somebody else. It could only let an expired token in,
/// or a call that its access rules do not allow, and neither is ever let in here.
const X_SERVICE_TOKEN: HeaderName = HeaderName::from_static("x-service-token");

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
        let context = RequestContext::of(&parts.extensions)?;
        let image = ImageIdPath::from_request_parts(parts, state).await.ok();
        context.note(|case| case.image = image.map(|ImageIdPath(id)| id));
        let admin = admit(&parts.headers, &context, state).await;
        admin.map(Self).inspect_err(|error| {
            metrics::counter!(metric::AUTH_FAILURES_TOTAL, "reason" => error.reason).increment(1);
        })
    }
}

async fn admit(
    headers: &HeaderMap,
    context: &RequestContext,
    state: &ApiState,
) -> Result<Admin, ApiError> {
    let principal = authenticate(headers, context, state).await?;
    context.note(|case| case.caller = Some(principal.clone()));
    let admin = Admin::try_from(principal).map_err(|denied: NotAdmin| ApiError::from(denied))?;
    context.note(|case| case.allowed = true);
    Ok(admin)
}

async fn authenticate(
    headers: &HeaderMap,
    context: &RequestContext,
    state: &ApiState,
) -> Result<Principal, ApiError> {
    let (verifier, token) = match presented(headers)? {
        Presented::Bearer(token) => (Some(&state.bearer), token),
        Presented::Keystone(token) => (state.keystone.as_ref(), token),
    };
    let (throttle, client) = (&state.throttle, context.client().address());
    let verdict = match verifier {
        None => Err(AuthError::Invalid { reason: "keystone_not_configured" }),
        Some(verifier) => {
            let token = Token::new(token);
            if let Some(wait) = throttle.limited(client)
                && verifier.asks_others(&token)
                && !throttle.remembers(&token)
            {
                return Err(RequestError::TooManyFailures { wait, cause: "not_verified" }.into());
            }
            let verdict = verifier.authenticate(&token).await;
            if verdict.is_ok() {
                throttle.remember(&token);
            }
            verdict
        }
    };
    verdict.map_err(|error| match error {
        AuthError::Invalid { reason } => match throttle.failed(client) {
            Some(wait) => RequestError::TooManyFailures { wait, cause: reason }.into(),
            None => error.into(),
        },
        AuthError::Unavailable(_) => error.into(),
    })
}

/// Exactly one token must be there: two would let two parties see two callers.
fn presented(headers: &HeaderMap) -> Result<Presented<'_>, ApiError> {
    if headers.contains_key(X_SERVICE_TOKEN) {
        let text = "X-Service-Token is not accepted: send the caller's own token alone.";
        return Err(RequestError::Invalid(text.into()).into());
    }
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
