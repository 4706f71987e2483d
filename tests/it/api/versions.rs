//! The version document, which needs no token.

use axum::http::StatusCode;
use serde_json::json;

use crate::support::api::TestApi;

#[tokio::test]
async fn the_version_document_is_where_openstack_clients_look_for_it() {
    let api = TestApi::new();
    let expected = json!({"versions": [
        {"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": "/v2/"}]}
    ]});
    for uri in ["/", "/versions", "/v2", "/v2/"] {
        let answer = api.get_anonymously(uri).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, expected.clone()), "{uri}");
        assert!(answer.header("x-openstack-request-id").is_some());
    }
    assert_eq!(*api.repo.calls.lock().unwrap(), 0);
}

#[tokio::test]
async fn the_docs_page_and_its_assets_are_part_of_the_binary() {
    let api = TestApi::new();
    let redirect = api.get_anonymously("/docs").await;
    assert_eq!(redirect.header("location"), Some("/docs/"));
    let page = String::from_utf8(api.get_anonymously("/docs/").await.bytes).unwrap();
    let links = page.split('"').filter_map(|text| text.strip_prefix("./"));
    let assets: Vec<_> = links.map(str::to_owned).collect();
    assert!(assets.len() >= 4, "{page}");
    for asset in assets {
        let answer = api.get_anonymously(&format!("/docs/{asset}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{asset}");
        assert!(!answer.bytes.is_empty(), "{asset}");
        assert!(answer.header("content-security-policy").unwrap().contains("default-src 'self'"));
    }
    let script = api.get_anonymously("/docs/swagger-initializer.js").await.bytes;
    let script = String::from_utf8(script).unwrap();
    assert!(script.contains("/openapi.json") && !script.contains("petstore"), "{script}");
    api.get_anonymously("/docs/nothing.js").await.assert_error(404, "uri.not_found");
}
