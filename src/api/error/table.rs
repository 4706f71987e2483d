//! The table from errors to status, reason and message. Every match is exhaustive, so a new variant
//! must be added here. `docs/troubleshooting.md` has a heading per reason.

use std::time::Duration;

use axum::http::StatusCode;

use super::{ApiError, RequestError};
use crate::api::redacted::without_credentials;
use crate::config::ScrubTime;
use crate::domain::control::ControlError;
use crate::domain::image::ImageId;
use crate::domain::pending::NotPending;
use crate::domain::principal::{AuthError, NotAdmin};
use crate::domain::repo::RepoError;
use crate::domain::revert::RevertError;

/// Retry-After for short conditions: a lock, a restarting database.
const SOON: Duration = Duration::from_secs(5);

/// Retry-After for conditions that may last as long as scrubbing one image.
const LATER: Duration = Duration::from_secs(30);

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        use RequestError as E;
        use StatusCode as S;
        match error {
            E::Invalid(message) => Self::new(S::BAD_REQUEST, "request.invalid", message),
            E::UnknownUri => Self::new(
                S::NOT_FOUND,
                "uri.not_found",
                "There is nothing at this address. GET /openapi.json lists what there is.",
            ),
            E::ImpossibleImageId => Self::new(
                S::NOT_FOUND,
                "image.not_found",
                "No image can have this id: an id has 1 to 36 visible ASCII characters. Check it \
                 with GET /v2/pending-deletes.",
            ),
            E::Method => Self::new(
                S::METHOD_NOT_ALLOWED,
                "request.method_not_allowed",
                "This address does not support this method; the Allow header lists those it \
                 supports.",
            ),
            E::Timeout => Self::new(
                S::REQUEST_TIMEOUT,
                "request.timeout",
                "The request took too long and was cancelled. Read the image with GET \
                 /v2/pending-deletes/{image_id} before you try again: a revert may have been \
                 written.",
            ),
            E::TooLarge => Self::new(
                S::PAYLOAD_TOO_LARGE,
                "request.too_large",
                "The body is larger than 64 KiB; no request needs that much.",
            ),
            E::UriTooLong => Self::new(
                S::URI_TOO_LONG,
                "request.uri_too_long",
                "The address is longer than 8 KiB; use fewer or shorter parameters.",
            ),
            E::MediaType => Self::new(
                S::UNSUPPORTED_MEDIA_TYPE,
                "request.unsupported_media_type",
                "The body must be JSON: send Content-Type: application/json, or no body at all.",
            ),
            E::HeadersTooLarge => Self::new(
                S::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "request.headers_too_large",
                "The headers are larger than 32 KiB; send only those that the request needs.",
            ),
            E::TokenMissing => Self::new(
                S::UNAUTHORIZED,
                "auth.token_missing",
                "Send a token: Authorization: Bearer <JWT>, or X-Auth-Token: <Keystone token>.",
            ),
            E::LoginRefused => login_refused(),
            E::TooManyFailures { wait, cause } => Self::new(
                S::TOO_MANY_REQUESTS,
                "auth.too_many_failures",
                "Too many tokens from this address were refused. Wait as long as Retry-After says. \
                 A JWT, or a token that was accepted in the last minutes, still works.",
            )
            .retry_after(wait)
            .cause(cause),
            E::SelectionChanged { expected, found } => conflict(
                "selection.changed",
                format!(
                    "The selection now has {found} images, not {expected}, so nothing was done. \
                     Send {{\"dry_run\": true}}, then its number of images as expected_count."
                ),
            ),
            E::NoScrubTime(time) => no_scrub_time(time),
            E::ScrubberOff => conflict(
                "scrubber.off",
                "This process does not scrub ([revert] scrubber = false). Ask one that does, or run \
                 glance-revert scrub --accept."
                    .to_owned(),
            ),
            E::Internal(cause) => internal(cause),
        }
    }
}

fn no_scrub_time(time: ScrubTime) -> ApiError {
    let message = format!("{time}.");
    match time {
        ScrubTime::Unknown => conflict("scrub_time.unknown", message),
        ScrubTime::TooShort { .. } => conflict("scrub_time.too_short", message),
        ScrubTime::Unset | ScrubTime::Set(_) => conflict("scrub_time.unset", message),
    }
}

/// A fixed message; the cause is only logged.
fn internal(cause: impl Into<String>) -> ApiError {
    let message = "An internal error in the service. Its log has the cause under this request id.";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message).cause(cause)
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Invalid { reason } => Self::new(
                StatusCode::UNAUTHORIZED,
                "auth.token_invalid",
                "The token was refused. Get a new one from an issuer that this service accepts \
                 and try again; the service's log has the cause under this request id.",
            )
            .cause(reason),
            AuthError::Unavailable(cause) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "auth.unavailable",
                "Tokens cannot be verified now. Try again soon; if the error stays, check that \
                 the service can reach Keystone or the token issuer.",
            )
            .retry_after(SOON)
            .cause(cause),
        }
    }
}

impl From<NotAdmin> for ApiError {
    fn from(denied: NotAdmin) -> Self {
        Self::new(StatusCode::FORBIDDEN, "auth.not_admin", denied.advice())
            .cause(denied.to_string())
    }
}

impl From<&RepoError> for ApiError {
    fn from(error: &RepoError) -> Self {
        match error {
            RepoError::Unavailable(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                error.reason(),
                "Glance's database cannot be reached. Try again soon. If this was a revert, first \
                 read the image with GET /v2/pending-deletes/{image_id}.",
            )
            .retry_after(SOON)
            .cause(error.to_string()),
            RepoError::TooLarge(id) => conflict(
                error.reason(),
                format!(
                    "The properties, tags, members and locations of image {id} take more than 16 \
                     MiB, so nothing was changed. Send {{\"properties\": \"skip\"}} to revert the \
                     image without its properties, then set the properties that you need."
                ),
            ),
            RepoError::BadRow(bad) => conflict(
                error.reason(),
                format!(
                    "A row of image {} has a value that Glance never writes, so nothing was \
                     changed: {}.{} cannot be read. Correct the row in the database.",
                    bad.image, bad.table, bad.column
                ),
            )
            .cause(error.to_string()),
            RepoError::TablesMissing => conflict(
                error.reason(),
                "This needs the service's own tables, which are missing. Run glance-revert db \
                 sync as a database user who may create tables, then try again: no restart is \
                 needed."
                    .to_owned(),
            ),
            RepoError::Refused(_) | RepoError::NotLocked(_) => internal(error.to_string()),
        }
    }
}

impl From<RepoError> for ApiError {
    fn from(error: RepoError) -> Self {
        Self::from(&error)
    }
}

impl From<&RevertError> for ApiError {
    fn from(error: &RevertError) -> Self {
        match error {
            RevertError::NotFound(id) => Self::new(
                StatusCode::NOT_FOUND,
                error.reason(),
                format!(
                    "Glance's database has no image {id}. Check the id; GET /v2/pending-deletes \
                     lists the images that can be reverted."
                ),
            ),
            RevertError::NotPending(id, why) => not_pending(id, why),
            RevertError::Busy(id) => conflict(
                error.reason(),
                format!(
                    "The scrubber or another revert is working on image {id}. Nothing was \
                     changed; try again in a moment."
                ),
            )
            .retry_after(SOON),
            RevertError::DataMissing { id, findings } => conflict(
                error.reason(),
                format!(
                    "The data of image {id} is missing, so nothing was changed: {}. Put the data \
                     back in its place, or upload the image again.",
                    findings.join("; ")
                ),
            ),
            RevertError::Scrubbed { id, findings, chance } => conflict(
                error.reason(),
                format!(
                    "The data of image {id} has been destroyed: {}. {}",
                    without_credentials(&findings.join("; ")),
                    if *chance {
                        "Send {\"verify\": \"checksum\"}: the whole data is read and its hash \
                         compared before it is brought back."
                    } else {
                        "Upload the image again, or restore it from a backup."
                    }
                ),
            ),
            RevertError::NotVerifiable { id, findings } => conflict(
                error.reason(),
                format!(
                    "No location of image {id} can be verified, and trying again will not change \
                     that, so nothing was changed: {}. Send {{\"verify\": \"exists\"}} if you \
                     asked for a checksum, or {{\"verify\": \"none\"}} if you know that the data \
                     is there.",
                    without_credentials(&findings.join("; "))
                ),
            ),
            RevertError::DestroyedMeanwhile { id, problem } => conflict(
                error.reason(),
                format!(
                    "Image {id} was reverted, but another process destroyed its data at the same \
                     time: {problem}. Glance may show the image as active without data. Stop \
                     glance-scrubber and glance-manage db purge on all hosts, then check the image."
                ),
            ),
            RevertError::StoreUnavailable { id, problem } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                error.reason(),
                format!(
                    "Cannot verify the data of image {id} now, so nothing was changed: {}. Try again \
                     when the store answers, or send {{\"verify\": \"none\"}} if you know that the \
                     data is there.",
                    without_credentials(problem)
                ),
            )
            .retry_after(LATER)
            .cause(problem.as_str()),
            RevertError::Repo(error) => error.into(),
        }
    }
}

impl From<&ControlError> for ApiError {
    fn from(error: &ControlError) -> Self {
        match error {
            ControlError::Past { .. } => RequestError::Invalid(format!("{error}.")).into(),
            ControlError::NotFound(id) => Self::from(&RevertError::NotFound(id.clone())),
            ControlError::NotPending(id, why) => match why {
                NotPending::AlreadyActive => conflict(
                    why.reason(),
                    format!("Image {id} is active; there is nothing to hold."),
                ),
                NotPending::ScrubInProgress => conflict(
                    why.reason(),
                    format!(
                        "The scrubber is destroying the data of image {id}, so it can no longer \
                         be held. If the store refuses, the scrubber releases the image; look \
                         again later."
                    ),
                )
                .retry_after(LATER),
                NotPending::AlreadyScrubbed
                | NotPending::NoLocations
                | NotPending::DeleteInProgress { .. }
                | NotPending::OtherStatus(_) => not_pending(id, why),
            },
            ControlError::NothingSelected => conflict(
                error.reason(),
                "No pending image matches the selection, so nothing was changed. GET \
                 /v2/pending-deletes lists the pending images."
                    .to_owned(),
            ),
            ControlError::Repo(error) => error.into(),
        }
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        Self::from(&error)
    }
}

impl From<RevertError> for ApiError {
    fn from(error: RevertError) -> Self {
        Self::from(&error)
    }
}

fn not_pending(id: &ImageId, why: &NotPending) -> ApiError {
    match why {
        NotPending::AlreadyActive => conflict(
            why.reason(),
            format!("Image {id} is already active; there is nothing to revert."),
        ),
        NotPending::ScrubInProgress => conflict(
            why.reason(),
            format!(
                "The scrubber is destroying the data of image {id}. If the store refuses, the \
                 scrubber releases the image; look again later."
            ),
        )
        .retry_after(LATER),
        NotPending::AlreadyScrubbed => conflict(
            why.reason(),
            format!(
                "The data of image {id} has been destroyed, so it cannot come back. Upload the \
                 image again, or restore it from a backup."
            ),
        ),
        NotPending::NoLocations => conflict(
            why.reason(),
            format!(
                "Image {id} has no location left to bring back: a scrub was interrupted, or the \
                 rows were purged. Upload the image again, or restore it from a backup."
            ),
        ),
        NotPending::DeleteInProgress { retry_after } => {
            conflict(why.reason(), format!("Glance is still deleting image {id}. Try again later."))
                .retry_after(*retry_after)
        }
        NotPending::OtherStatus(status) => conflict(
            why.reason(),
            format!("Image {id} is {status}; only images in pending_delete can be reverted."),
        ),
    }
}

fn login_refused() -> ApiError {
    let message = "Keystone refuses this name, password, project or domain: check each of them.";
    ApiError::new(StatusCode::UNAUTHORIZED, "auth.login_refused", message)
}

fn conflict(reason: &'static str, message: String) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, reason, message)
}
