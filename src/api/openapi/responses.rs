//! The error responses, each described once and shared by the operations.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Value, json};
use utoipa::IntoResponses;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{Content, ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

/// Every error status: its name in the document, its meaning, and its reasons with example
/// messages.
const SHARED: [Shared; 13] = [
    Shared {
        status: 400,
        name: "BadRequest",
        about: "A header, parameter or body is invalid (`request.invalid`).",
        reasons: &[("request.invalid", "The body cannot be used: unknown field `dryrun`.")],
    },
    Shared {
        status: 401,
        name: "Unauthorized",
        about: "No token was sent (`auth.token_missing`), the token is invalid \
            (`auth.token_invalid`), or the login was refused (`auth.login_refused`).",
        reasons: &[
            (
                "auth.token_missing",
                "Send a token: Authorization: Bearer <JWT>, or X-Auth-Token: <Keystone token>.",
            ),
            ("auth.token_invalid", "The token was refused; get a new one. The log has the cause."),
            ("auth.login_refused", "Keystone refuses this name, password, project or domain."),
        ],
    },
    Shared {
        status: 403,
        name: "Forbidden",
        about: "The token is valid, but its holder is not an admin (`auth.not_admin`).",
        reasons: &[("auth.not_admin", "The token is good, but its holder is not an admin here.")],
    },
    Shared {
        status: 404,
        name: "NotFound",
        about: "Glance's database has no such image (`image.not_found`), or the operation is off here \
                (`uri.not_found`).",
        reasons: &[
            (
                "image.not_found",
                "Glance's database has no image bfc6e7ec-f6cf-4f92-8276-f2f6afe31222.",
            ),
            ("uri.not_found", "There is nothing at this address."),
        ],
    },
    Shared {
        status: 408,
        name: "RequestTimeout",
        about: "The request took too long (`request.timeout`). Read the image before you try \
            again: a revert may have been written.",
        reasons: &[("request.timeout", "The request took too long and was given up.")],
    },
    Shared {
        status: 409,
        name: "Conflict",
        about: "The image cannot be reverted in its present state, a selection has changed, or \
            this service does not scrub. Nothing was changed. `reason` says why; more reasons may \
            be added. `image.scrub_in_progress` and `image.delete_in_progress` are temporary and \
            have `Retry-After`.",
        reasons: &[
            ("image.already_active", "The image is active: there is nothing to revert."),
            (
                "image.already_scrubbed",
                "The data of the image has been destroyed, so it cannot come back.",
            ),
            (
                "image.not_pending_delete",
                "The image is queued, not pending_delete: there is nothing to revert.",
            ),
            (
                "image.no_locations",
                "The image has no location left, so there is no data to bring back.",
            ),
            ("image.data_missing", "No location has the data of the image."),
            ("image.not_verifiable", "No location of the image can ever be verified."),
            ("image.too_large", "The rows of the image take more memory than a request may have."),
            ("image.destroyed_meanwhile", "Another process destroyed the data during the revert."),
            (
                "image.unreadable",
                "The rows of the image hold what Glance never writes: images.size cannot be read.",
            ),
            (
                "image.scrub_in_progress",
                "The scrubber, or another revert, has the image. Try again soon.",
            ),
            ("image.delete_in_progress", "Glance is still deleting the image. Try again soon."),
            ("selection.changed", "The selection now has 12 images, not 10, so nothing was done."),
            ("selection.empty", "No pending image matches the selection."),
            ("scrub_time.unset", "scrub_time is not set, so nothing is scrubbed."),
            (
                "scrub_time.unknown",
                "A glance-scrubber.conf cannot be read, so nothing is scrubbed.",
            ),
            ("scrub_time.too_short", "scrub_time is too short, so nothing is scrubbed."),
            ("scrubber.off", "This process does not scrub. Send the request to one that does."),
        ],
    },
    Shared {
        status: 413,
        name: "ContentTooLarge",
        about: "The body is larger than 64 KiB (`request.too_large`).",
        reasons: &[(
            "request.too_large",
            "The body is larger than 64 KiB; no request needs that much.",
        )],
    },
    Shared {
        status: 414,
        name: "UriTooLong",
        about: "The address is longer than 8 KiB (`request.uri_too_long`).",
        reasons: &[(
            "request.uri_too_long",
            "The address is longer than 8 KiB; use fewer or shorter parameters.",
        )],
    },
    Shared {
        status: 415,
        name: "UnsupportedMediaType",
        about: "The body's content type is not JSON (`request.unsupported_media_type`).",
        reasons: &[(
            "request.unsupported_media_type",
            "The body must be JSON: send Content-Type: application/json, or no body at all.",
        )],
    },
    Shared {
        status: 429,
        name: "TooManyRequests",
        about: "Too many tokens from this client were refused (`auth.too_many_failures`). Try \
            again after `Retry-After`.",
        reasons: &[("auth.too_many_failures", "Too many tokens from this address were refused.")],
    },
    Shared {
        status: 431,
        name: "HeadersTooLarge",
        about: "The headers are larger than 32 KiB (`request.headers_too_large`).",
        reasons: &[(
            "request.headers_too_large",
            "The headers are larger than 32 KiB; send only those that the request needs.",
        )],
    },
    Shared {
        status: 500,
        name: "InternalServerError",
        about: "An internal error (`internal`); the service's log has the cause.",
        reasons: &[("internal", "An internal error in the service.")],
    },
    Shared {
        status: 503,
        name: "ServiceUnavailable",
        about: "The database (`db.unavailable`), a store (`store.unavailable`) or the service \
            that verifies tokens (`auth.unavailable`) is unavailable. Try again after \
            `Retry-After`.",
        reasons: &[
            ("db.unavailable", "Glance's database cannot be reached. Try again soon."),
            ("store.unavailable", "A store does not answer, so the data cannot be verified."),
            ("auth.unavailable", "Tokens cannot be verified now. Try again soon."),
        ],
    },
];

struct Shared {
    status: u16,
    name: &'static str,
    about: &'static str,
    reasons: &'static [(&'static str, &'static str)],
}

/// For `components.responses`.
pub(crate) fn shared() -> impl Iterator<Item = (String, RefOr<Response>)> {
    SHARED.iter().map(|one| (one.name.to_owned(), RefOr::T(one.response())))
}

impl Shared {
    fn response(&self) -> Response {
        let response = ResponseBuilder::new()
            .description(self.about)
            .content("application/json", self.content())
            .header("x-openstack-request-id", header(Type::String, "The request's id."))
            .extensions(Some(self.extensions()));
        let response = match self.status {
            401 => response.header(
                "WWW-Authenticate",
                header(
                    Type::String,
                    "`Bearer`, and `Keystone uri=\"...\"` if Keystone is configured.",
                ),
            ),
            409 | 429 | 503 => response.header(
                "Retry-After",
                header(Type::Integer, "Seconds to wait; absent if waiting does not help."),
            ),
            _ => response,
        };
        response.build()
    }

    /// Lists the reasons, so that programs comparing two documents see changes.
    fn extensions(&self) -> Extensions {
        let reasons: Vec<_> = self.reasons.iter().map(|(reason, _)| *reason).collect();
        Extensions::builder().add("x-reasons", reasons).build()
    }

    fn content(&self) -> Content {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Error")));
        let content = match self.reasons {
            [(reason, message)] => content.example(Some(self.example(reason, message))),
            several => content.examples_from_iter(several.iter().map(|(reason, message)| {
                let example = ExampleBuilder::new().value(Some(self.example(reason, message)));
                ((*reason).to_owned(), example.build())
            })),
        };
        content.build()
    }

    fn example(&self, reason: &str, message: &str) -> Value {
        let status = StatusCode::from_u16(self.status).ok();
        json!({"error": {
            "code": self.status,
            "title": status.and_then(|status| status.canonical_reason()),
            "message": message,
            "reason": reason,
            "request_id": "req-0a3f8c1e-5f0b-4a43-9d2c-6f1f3c8d7b1a"
        }})
    }
}

fn header(of: Type, about: &str) -> utoipa::openapi::Header {
    let format =
        matches!(of, Type::Integer).then_some(SchemaFormat::KnownFormat(KnownFormat::Int32));
    let schema = ObjectBuilder::new().schema_type(of).format(format).build();
    HeaderBuilder::new().schema(Some(schema)).description(Some(about)).build()
}

type Responses = BTreeMap<String, RefOr<Response>>;

/// References to the shared responses of these statuses.
fn references(statuses: &[u16]) -> Responses {
    let wanted = SHARED.iter().filter(|one| statuses.contains(&one.status));
    wanted
        .map(|one| (one.status.to_string(), RefOr::Ref(Ref::from_response_name(one.name))))
        .collect()
}

/// Errors of every operation.
pub(crate) struct OpenErrors;

/// Additional errors of signing in.
pub(crate) struct LoginErrors;

/// Errors of every admin operation.
pub(crate) struct AdminErrors;

/// Errors of every operation on one image.
pub(crate) struct ImageErrors;

/// Errors of a revert.
pub(crate) struct RevertErrors;

/// Errors of operations on our own tables.
pub(crate) struct TableErrors;

/// Errors of operations on the scrubber.
pub(crate) struct ScrubErrors;

/// The same, with a request body.
pub(crate) struct BodyErrors;

impl IntoResponses for OpenErrors {
    fn responses() -> Responses {
        references(&[400, 408, 414, 431, 500])
    }
}

impl IntoResponses for LoginErrors {
    fn responses() -> Responses {
        references(&[401, 404, 413, 415, 429, 503])
    }
}

impl IntoResponses for AdminErrors {
    fn responses() -> Responses {
        references(&[400, 401, 403, 408, 414, 429, 431, 500, 503])
    }
}

impl IntoResponses for ImageErrors {
    fn responses() -> Responses {
        references(&[404, 409])
    }
}

impl IntoResponses for TableErrors {
    fn responses() -> Responses {
        references(&[409])
    }
}

impl IntoResponses for ScrubErrors {
    fn responses() -> Responses {
        references(&[409])
    }
}

impl IntoResponses for BodyErrors {
    fn responses() -> Responses {
        references(&[409, 413, 415])
    }
}

impl IntoResponses for RevertErrors {
    fn responses() -> Responses {
        references(&[413, 415])
    }
}
