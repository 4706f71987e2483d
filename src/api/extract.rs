//! Extractors and the JSON response. Unlike axum's own, every refusal has our error body and names
//! the problem.

use axum::body::{Body, HttpBody};
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use super::error::{ApiError, RequestError};
use super::state::ApiState;
use crate::domain::image::ImageId;
use crate::telemetry::printable;

/// The largest body that is read, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// `{image_id}` of the path. An impossible image id is answered as an image that is not found.
#[derive(Debug)]
pub struct ImageIdPath(pub ImageId);

impl FromRequestParts<ApiState> for ImageIdPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, state).await.ok();
        let id = params.as_ref().and_then(|params| {
            params.iter().find(|(name, _)| *name == "image_id").map(|(_, value)| value)
        });
        let id = id.and_then(|id| ImageId::parse(id).ok());
        Ok(Self(id.ok_or(RequestError::ImpossibleImageId)?))
    }
}

/// Query parameters; `T` must deny unknown fields.
#[derive(Debug)]
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<ApiState> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let refused = |refused: QueryRejection| {
            RequestError::Invalid(format!("The query cannot be used: {}.", root_cause(&refused)))
        };
        let Query(parameters) = Query::from_request_parts(parts, state).await.map_err(refused)?;
        Ok(Self(parameters))
    }
}

fn root_cause(mut error: &dyn std::error::Error) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// No query parameters: a misplaced option must not be ignored silently.
#[derive(Debug)]
pub struct NoParameters;

impl FromRequestParts<ApiState> for NoParameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, ApiError> {
        match parts.uri.query().filter(|query| !query.is_empty()) {
            None => Ok(Self),
            Some(_) => Err(RequestError::Invalid(
                "This call has no query parameters; send options of a revert in the JSON body."
                    .into(),
            )
            .into()),
        }
    }
}

/// A JSON object, or nothing: an empty body is `T::default()` whatever its content type, since
/// clients send all kinds with an empty body.
#[derive(Debug)]
pub struct OptionalBody<T>(pub T);

impl<T: DeserializeOwned + Default> FromRequest<ApiState> for OptionalBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &ApiState) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read(body).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        if !is_json(&parts.headers) {
            return Err(RequestError::MediaType.into());
        }
        // openapi-generator's Go client sends this for an absent body.
        if bytes.trim_ascii() == b"null" {
            return Ok(Self(T::default()));
        }
        // serde would also deserialize a struct from an array.
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err(RequestError::Invalid("The body must be a JSON object.".into()).into());
        }
        let body = serde_json::from_slice(&bytes);
        Ok(Self(body.map_err(|error| {
            RequestError::Invalid(format!("The body cannot be used: {error}."))
        })?))
    }
}

/// Reads a field that may be absent but not null; use with `default`.
pub(crate) fn present<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(from).map(Some)
}

async fn read(body: Body) -> Result<Vec<u8>, RequestError> {
    // A body announced as too large is not read, nor requested (`Expect: 100-continue`).
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(RequestError::TooLarge);
    }
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes().to_vec()),
        Err(error) if error.is::<LengthLimitError>() => Err(RequestError::TooLarge),
        Err(_) => Err(RequestError::Invalid("The body could not be read to its end.".into())),
    }
}

/// Whether the content type is JSON; a missing one counts as JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return true;
    };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// A JSON response.
#[derive(Debug)]
pub struct JsonAnswer<T>(pub T);

impl<T: Serialize> IntoResponse for JsonAnswer<T> {
    fn into_response(self) -> Response {
        match serde_json::to_string(&self.0) {
            Ok(body) => {
                let json = HeaderValue::from_static("application/json");
                // equivalent JSON that is safe to print on a terminal
                ([(header::CONTENT_TYPE, json)], printable(&body).into_owned()).into_response()
            }
            Err(error) => ApiError::from(RequestError::Internal(error.to_string())).into_response(),
        }
    }
}
