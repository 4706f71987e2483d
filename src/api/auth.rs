//! Authenticates callers: the extractor that every guarded handler requires.
//!
//! A client whose tokens were refused too often is limited. The limit protects other servers
//! (Keystone validates every unknown token), and must not lock out an operator who shares an
//! address with an attacker. So while a client is limited:
//!
//! * a token that can be verified locally still is, and a good one is accepted;
//! * a token that needs a remote call is verified only if it was good within the last minutes;
//! * every other token, and every refused one, is answered 429.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::context::RequestContext;
use super::error::{ApiError, RequestError};
use super::extract::ImageIdPath;
use super::state::ApiState;
use crate::domain::principal::{Admin, AuthError, Call, NotAdmin, Principal, Token};
use crate::telemetry::metric;

/// The header of a Keystone token.
pub(crate) const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// The header of the token of a service that forwards a call.
pub(crate) const X_SERVICE_TOKEN: HeaderName = HeaderName::from_static("x-service-token");

/// An admin. Must be a handler's first argument, so that nothing is parsed, read or looked up for
/// anybody else.
#[derive(Debug)]
pub struct AdminCaller(pub Admin);

/// The tokens of a request, by the header that selects the verifier.
enum Presented<'a> {
    Bearer(&'a str),
    Keystone { token: &'a str, service_token: Option<&'a str> },
}

impl FromRequestParts<ApiState> for AdminCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let context = RequestContext::of(&parts.extensions)?;
        let image = ImageIdPath::from_request_parts(parts, state).await.ok();
        context.note(|case| case.image = image.map(|ImageIdPath(id)| id));
        let admin = admit(parts, &context, state).await;
        admin.map(Self).inspect_err(|error| {
            metrics::counter!(metric::AUTH_FAILURES_TOTAL, "reason" => error.reason).increment(1);
        })
    }
}

async fn admit(
    parts: &Parts,
    context: &RequestContext,
    state: &ApiState,
) -> Result<Admin, ApiError> {
    let principal = authenticate(parts, context, state).await?;
    context.note(|case| case.caller = Some(principal.clone()));
    let admin = Admin::try_from(principal).map_err(|denied: NotAdmin| ApiError::from(denied))?;
    context.note(|case| case.allowed = true);
    Ok(admin.in_request(context.id()))
}

async fn authenticate(
    parts: &Parts,
    context: &RequestContext,
    state: &ApiState,
) -> Result<Principal, ApiError> {
    let (verifier, token, service_token) = match presented(&parts.headers)? {
        Presented::Bearer(token) => (Some(&state.bearer), token, None),
        Presented::Keystone { token, service_token } => {
            (state.keystone.as_ref(), token, service_token)
        }
    };
    let call = Call {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        token: Token::new(token),
        service_token: service_token.map(Token::new),
    };
    let (throttle, client) = (&state.throttle, context.client().address());
    let verdict = match verifier {
        None => Err(AuthError::Invalid { reason: "keystone_not_configured" }),
        Some(verifier) => {
            if let Some(wait) = throttle.limited(client)
                && verifier.needs_remote_call(&call)
                && !call.tokens().all(|token| throttle.remembers(token))
            {
                return Err(RequestError::TooManyFailures { wait, cause: "not_verified" }.into());
            }
            let verdict = verifier.authenticate(&call).await;
            if verdict.is_ok() {
                call.tokens().for_each(|token| throttle.remember(token));
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

/// Requires exactly one caller token: with two, different verifiers could see different callers. A
/// service token is only accepted next to a Keystone token.
fn presented(headers: &HeaderMap) -> Result<Presented<'_>, ApiError> {
    let service_token = service_token(headers)?;
    let bearer: Vec<_> = headers.get_all(header::AUTHORIZATION).iter().collect();
    let keystone: Vec<_> = headers.get_all(X_AUTH_TOKEN).iter().collect();
    match (bearer.as_slice(), keystone.as_slice()) {
        ([], []) => Err(RequestError::TokenMissing.into()),
        ([_], []) if service_token.is_some() => {
            Err(invalid("Send X-Service-Token with X-Auth-Token, not with Authorization."))
        }
        ([value], []) => Ok(Presented::Bearer(bearer_token(text(value)?)?)),
        ([], [value]) => match text(value)?.trim() {
            "" => Err(RequestError::TokenMissing.into()),
            token => Ok(Presented::Keystone { token, service_token }),
        },
        _ => Err(invalid(
            "Send one token: either one Authorization header or one X-Auth-Token header.",
        )),
    }
}

/// An empty header counts as absent, as in keystonemiddleware.
fn service_token(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let values: Vec<_> = headers.get_all(X_SERVICE_TOKEN).iter().collect();
    match values.as_slice() {
        [] => Ok(None),
        [value] => Ok(Some(text(value)?.trim()).filter(|token| !token.is_empty())),
        _ => Err(invalid("Send one X-Service-Token header, not several.")),
    }
}

fn invalid(message: &str) -> ApiError {
    RequestError::Invalid(message.to_owned()).into()
}

fn text(value: &HeaderValue) -> Result<&str, AuthError> {
    value.to_str().map_err(|_| AuthError::Invalid { reason: "not_ascii" })
}

/// The scheme is case-insensitive (RFC 9110 11.1). Other schemes are refused.
fn bearer_token(value: &str) -> Result<&str, ApiError> {
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
        Ok(token)
    } else {
        Err(RequestError::TokenMissing.into())
    }
}
