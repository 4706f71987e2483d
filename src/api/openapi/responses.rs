//! The answers that are no success, each described once and shared by the operations.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Value, json};
use utoipa::IntoResponses;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

/// Every status that is no success: its name in the document, what it means, an example.
const SHARED: [Shared; 13] = [
    Shared {
        status: 400,
        name: "BadRequest",
        about: "A header, parameter or body cannot be used (`request.invalid`).",
        reason: "request.invalid",
        message: "The body cannot be used: unknown field `dryrun`.",
    },
    Shared {
        status: 401,
        name: "Unauthorized",
        about: "No token (`auth.token_missing`), or one that is not good (`auth.token_invalid`).",
        reason: "auth.token_missing",
        message: "Send a token: Authorization: Bearer <JWT>, or X-Auth-Token: <Keystone token>.",
    },
    Shared {
        status: 403,
        name: "Forbidden",
        about: "The caller is known and is not an admin (`auth.not_admin`).",
        reason: "auth.not_admin",
        message: "The token is good, but its holder is not an admin here.",
    },
    Shared {
        status: 404,
        name: "NotFound",
        about: "Glance's database has no such image (`image.not_found`).",
        reason: "image.not_found",
        message: "Glance's database has no image bfc6e7ec-f6cf-4f92-8276-f2f6afe31222.",
    },
    Shared {
        status: 408,
        name: "RequestTimeout",
        about: "The request took too long (`request.timeout`). Look before you try again.",
        reason: "request.timeout",
        message: "The request took too long and was given up.",
    },
    Shared {
        status: 409,
        name: "Conflict",
        about: "The image cannot be reverted as it stands, and nothing was changed. `reason` is \
                one of `image.already_active`, `image.already_scrubbed`, \
                `image.not_pending_delete`, `image.no_locations`, `image.data_missing`, \
                `image.scrub_in_progress`, `image.delete_in_progress`; more may come. The last \
                two pass, and come with `Retry-After`.",
        reason: "image.already_scrubbed",
        message: "The data of image bfc6e7ec-f6cf-4f92-8276-f2f6afe31222 has been destroyed, so \
                  it cannot come back.",
    },
    Shared {
        status: 413,
        name: "ContentTooLarge",
        about: "The body is larger than 64 KiB (`request.too_large`).",
        reason: "request.too_large",
        message: "The body is larger than 64 KiB; no request needs that much.",
    },
    Shared {
        status: 414,
        name: "UriTooLong",
        about: "The address is longer than 8 KiB (`request.uri_too_long`).",
        reason: "request.uri_too_long",
        message: "The address is longer than 8 KiB; use fewer or shorter parameters.",
    },
    Shared {
        status: 415,
        name: "UnsupportedMediaType",
        about: "The body is not said to be JSON (`request.unsupported_media_type`).",
        reason: "request.unsupported_media_type",
        message: "The body must be JSON: send Content-Type: application/json, or no body at all.",
    },
    Shared {
        status: 429,
        name: "TooManyRequests",
        about: "Too many tokens of this client were refused (`auth.too_many_failures`). Try again \
                after `Retry-After`.",
        reason: "auth.too_many_failures",
        message: "Too many tokens from this address were refused.",
    },
    Shared {
        status: 431,
        name: "HeadersTooLarge",
        about: "The headers are larger than 32 KiB (`request.headers_too_large`).",
        reason: "request.headers_too_large",
        message: "The headers are larger than 32 KiB; send a token and what the request needs.",
    },
    Shared {
        status: 500,
        name: "InternalServerError",
        about: "Something went wrong inside (`internal`); the service's log has the cause.",
        reason: "internal",
        message: "Something went wrong inside the service.",
    },
    Shared {
        status: 503,
        name: "ServiceUnavailable",
        about: "The database (`db.unavailable`), a store (`store.unavailable`) or the verifier of \
                tokens (`auth.unavailable`) does not answer now. Try again after `Retry-After`.",
        reason: "db.unavailable",
        message: "Glance's database cannot be reached. Try again soon.",
    },
];

struct Shared {
    status: u16,
    name: &'static str,
    about: &'static str,
    reason: &'static str,
    message: &'static str,
}

/// For `components.responses`.
pub(crate) fn shared() -> impl Iterator<Item = (String, RefOr<Response>)> {
    SHARED.iter().map(|one| (one.name.to_owned(), RefOr::T(one.response())))
}

impl Shared {
    fn response(&self) -> Response {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("Error")))
            .example(Some(self.example()))
            .build();
        let response = ResponseBuilder::new()
            .description(self.about)
            .content("application/json", content)
            .header("x-openstack-request-id", header(Type::String, "The request's id."));
        let response = match self.status {
            401 => response.header(
                "WWW-Authenticate",
                header(Type::String, "`Bearer`, and `Keystone uri=\"...\"` where one is known."),
            ),
            409 | 429 | 503 => response.header(
                "Retry-After",
                header(Type::Integer, "Seconds to wait; only where waiting can help."),
            ),
            _ => response,
        };
        response.build()
    }

    fn example(&self) -> Value {
        let status = StatusCode::from_u16(self.status).ok();
        json!({"error": {
            "code": self.status,
            "title": status.and_then(|status| status.canonical_reason()),
            "message": self.message,
            "reason": self.reason,
            "request_id": "req-0a3f8c1e-5f0b-4a43-9d2c-6f1f3c8d7b1a"
        }})
    }
}

fn header(of: Type, about: &str) -> utoipa::openapi::Header {
    let schema = ObjectBuilder::new().schema_type(of).build();
    HeaderBuilder::new().schema(Some(schema)).description(Some(about)).build()
}

type Responses = BTreeMap<String, RefOr<Response>>;

/// References to the shared answers of these statuses.
fn references(statuses: &[u16]) -> Responses {
    let wanted = SHARED.iter().filter(|one| statuses.contains(&one.status));
    wanted
        .map(|one| (one.status.to_string(), RefOr::Ref(Ref::from_response_name(one.name))))
        .collect()
}

/// What any operation may answer.
pub(crate) struct OpenErrors;

/// What any operation for admins may answer.
pub(crate) struct AdminErrors;

/// What any operation on one image may answer.
pub(crate) struct ImageErrors;

/// What a revert may answer.
pub(crate) struct RevertErrors;

impl IntoResponses for OpenErrors {
    fn responses() -> Responses {
        references(&[400, 408, 414, 431, 500])
    }
}

impl IntoResponses for AdminErrors {
    fn responses() -> Responses {
        references(&[400, 401, 403, 408, 414, 429, 431, 500, 503])
    }
}

impl IntoResponses for ImageErrors {
    fn responses() -> Responses {
        references(&[404])
    }
}

impl IntoResponses for RevertErrors {
    fn responses() -> Responses {
        references(&[409, 413, 415])
    }
}
