//! `POST /v2/login`: exchanges a name and a password for a Keystone token.

use axum::Extension;
use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::context::RequestContext;
use super::error::{ApiError, RequestError};
use super::extract::{JsonAnswer, NoParameters, OptionalBody};
use super::openapi::responses::{LoginErrors, OpenErrors};
use super::state::ApiState;
use crate::domain::principal::{AuthError, Issued, PasswordLogin};
use crate::domain::time::isotime;
use crate::telemetry::metric;

/// Longest name or password, in bytes; Keystone's own limits are lower.
const LONGEST: usize = 4096;

/// The user's credentials, and the project for the token. All fields are required.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginRequest {
    /// Name of the user.
    #[schema(value_type = String)]
    user: Value,
    /// The user's password. Never logged.
    #[schema(value_type = String, format = Password)]
    password: Value,
    /// Name of the user's domain.
    #[schema(value_type = String)]
    user_domain: Value,
    /// Name of the project for the token.
    #[schema(value_type = String)]
    project: Value,
    /// Name of the project's domain.
    #[schema(value_type = String)]
    project_domain: Value,
}

/// A token.
#[derive(Serialize, ToSchema)]
#[schema(example = crate::api::openapi::examples::login)]
pub(crate) struct LoginAnswer {
    /// The token, for `X-Auth-Token`.
    token: String,
    /// When the token expires, UTC.
    #[schema(format = DateTime)]
    expires_at: String,
}

impl LoginRequest {
    /// A value that is not text is refused without quoting it, as it may be the password.
    fn read(&self) -> Result<PasswordLogin, RequestError> {
        Ok(PasswordLogin {
            user: text("user", &self.user)?,
            password: SecretString::from(text("password", &self.password)?),
            user_domain: text("user_domain", &self.user_domain)?,
            project: text("project", &self.project)?,
            project_domain: text("project_domain", &self.project_domain)?,
        })
    }
}

fn text(name: &str, value: &Value) -> Result<String, RequestError> {
    let text = value.as_str().filter(|text| !text.is_empty() && text.len() <= LONGEST);
    text.map(str::to_owned).ok_or_else(|| {
        RequestError::Invalid(format!(
            "{name} must be a text of 1 to {LONGEST} bytes; user, password, user_domain, project \
             and project_domain are required."
        ))
    })
}

/// Sign in with a name and a password
///
/// Gets a Keystone token for the user of the page at `/ui`. The service neither stores nor logs the
/// password or the token. 404 unless `[revert] ui_login` is `keystone`. A client with too many
/// refused logins gets 429.
#[utoipa::path(
    post,
    path = "/v2/login",
    operation_id = "logIn",
    tag = "versions",
    security(),
    request_body = LoginRequest,
    responses(
        (status = 200, description = "A token. It may belong to a user who is not an admin: the \
            next call then answers 403.",
            body = LoginAnswer,
            headers(("x-openstack-request-id" = String, description = "The request's id."))),
        OpenErrors, LoginErrors
    )
)]
pub(crate) async fn log_in(
    State(state): State<ApiState>,
    Extension(context): Extension<RequestContext>,
    _: NoParameters,
    OptionalBody(body): OptionalBody<LoginRequest>,
) -> Result<JsonAnswer<LoginAnswer>, ApiError> {
    let sign_in = state.sign_in.as_ref().ok_or(RequestError::UnknownUri)?;
    let client = context.client().address();
    if let Some(wait) = state.throttle.limited(client) {
        return Err(RequestError::TooManyFailures { wait, cause: "not_tried" }.into());
    }
    let signed_in = sign_in.sign_in(body.read()?).await;
    let Issued { token, expires_at } = signed_in.map_err(|error| {
        let error = match error {
            AuthError::Invalid { reason } => match state.throttle.failed(client) {
                Some(wait) => RequestError::TooManyFailures { wait, cause: reason }.into(),
                None => ApiError::from(RequestError::LoginRefused),
            },
            AuthError::Unavailable(_) => error.into(),
        };
        metrics::counter!(metric::AUTH_FAILURES_TOTAL, "reason" => error.reason).increment(1);
        error
    })?;
    let token = token.expose_secret().to_owned();
    Ok(JsonAnswer(LoginAnswer { token, expires_at: isotime(expires_at) }))
}
