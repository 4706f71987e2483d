//! A caller's request to the whole API over a small database.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::world::with;
use super::{first_line, text};

/// `METHOD URI`, and a JSON body on the next line.
pub(super) fn request(data: &[u8]) {
    let (first, body) = first_line(data);
    let first = text(first);
    let Some((method, uri)) = first.split_once(' ') else { return };
    with(|world| {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", "glance-revert.example:9393")
            .header("authorization", format!("Bearer {}", world.admin))
            .header("content-type", "application/json")
            .body(Body::from(body.to_vec()));
        let Ok(request) = request else { return };
        let router = world.router();
        let (status, body) = world.run(async {
            let answer = router.oneshot(request).await.unwrap();
            let status = answer.status();
            (status, answer.into_body().collect().await.unwrap().to_bytes())
        });
        let shown = String::from_utf8_lossy(&body);
        assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{method} {uri}: {shown}");
        assert_ne!(status, StatusCode::UNAUTHORIZED, "{method} {uri}: {shown}");
        if status.is_client_error() && method != "HEAD" {
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["error"]["code"], status.as_u16());
        }
    });
}
