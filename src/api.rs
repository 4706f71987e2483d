//! The HTTP API: parse the request, call the domain once, render the response.
//!
//! Depends on the domain only, not on databases, storage protocols or token formats: those are
//! passed in as trait objects in [`state::ApiState`].

pub mod audit;
pub mod auth;
pub mod client;
pub mod context;
pub mod docs;
pub mod document;
pub mod error;
pub mod extract;
mod head;
pub(crate) mod headers;
mod login;
pub mod middleware;
pub mod openapi;
pub mod pending_deletes;
mod redacted;
pub mod revert;
pub mod scrubber;
pub mod state;
pub mod throttle;
mod ui;
pub(crate) mod unreadable;
pub mod versions;

use axum::Router;
use axum::middleware::from_fn_with_state;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use error::{ApiError, RequestError};
use state::ApiState;

/// The router of the whole API.
///
/// Every response passes [`middleware::answer`], including those for unknown paths and methods.
pub fn router(state: ApiState) -> Router {
    let (operations, _) = operations().split_for_parts();
    let has_form = state.sign_in.is_some();
    let page = if state.view.settings.ui { ui::router(has_form) } else { Router::new() };
    operations
        .merge(versions::undocumented())
        .merge(docs::router())
        .merge(page)
        .fallback(async || ApiError::from(RequestError::UnknownUri))
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(from_fn_with_state(state.clone(), middleware::answer))
        .with_state(state)
}

/// Registers each operation once, as a route and in the OpenAPI document.
fn operations() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(revert::revert_image))
        .routes(routes!(pending_deletes::list::list_pending_deletes))
        .routes(routes!(pending_deletes::summary::summarize_pending_deletes))
        .routes(routes!(pending_deletes::show::get_pending_delete))
        .routes(routes!(pending_deletes::retained::list_retained_images))
        .routes(routes!(pending_deletes::revert::bulk_revert))
        .routes(routes!(pending_deletes::hold::hold_image, pending_deletes::hold::release_image))
        .routes(routes!(pending_deletes::hold_many::hold_images))
        .routes(routes!(pending_deletes::hold_many::release_images))
        .routes(routes!(scrubber::status::get_scrubber))
        .routes(routes!(scrubber::pause::pause_scrubber))
        .routes(routes!(scrubber::pause::resume_scrubber))
        .routes(routes!(scrubber::plan::get_scrub_plan))
        .routes(routes!(scrubber::accept::accept_scrub))
        .routes(routes!(audit::list::list_audit))
        .routes(routes!(login::log_in))
        .routes(routes!(versions::get_versions))
        .routes(routes!(versions::list_versions))
        .routes(routes!(versions::get_v2))
        .routes(routes!(docs::get_openapi))
}
