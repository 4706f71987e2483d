//! Who is admitted, in which order requests are checked, and how others are refused.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};

use crate::support::api::{Answer, KEYSTONE, TestApi, admin, revert_uri};
use crate::support::images::{ID, seed};

async fn list(api: &TestApi, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get("/v2/pending-deletes");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    api.send(request.body(Body::empty()).unwrap()).await
}

fn challenges(answer: &Answer) -> Vec<&str> {
    let values = answer.headers.get_all("www-authenticate").iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn each_header_has_its_own_verifier() {
    let api = TestApi::new();
    for header in [("authorization", "Bearer jwt-admin"), ("x-auth-token", "keystone-admin")] {
        assert_eq!(list(&api, &[header]).await.status, StatusCode::OK, "{header:?}");
    }
    assert_eq!(list(&api, &[("authorization", "bearer jwt-admin")]).await.status, StatusCode::OK);
    for header in [("authorization", "Bearer keystone-admin"), ("x-auth-token", "jwt-admin")] {
        list(&api, &[header]).await.assert_error(401, "auth.token_invalid");
    }
}

#[tokio::test]
async fn without_a_token_the_challenges_name_the_accepted_schemes() {
    let api = TestApi::new();
    for headers in [
        &[][..],
        &[("authorization", "Basic YTpi")],
        &[("authorization", "Bearer ")],
        &[("x-auth-token", "")],
    ] {
        let answer = list(&api, headers).await;
        answer.assert_error(401, "auth.token_missing");
        assert_eq!(challenges(&answer), ["Bearer", &format!("Keystone uri=\"{KEYSTONE}\"")]);
    }
    let api = TestApi::with(|state| state.www_authenticate = None);
    assert_eq!(challenges(&list(&api, &[]).await), ["Bearer"]);
}

#[tokio::test]
async fn all_refused_tokens_get_the_same_answer() {
    let api = TestApi::new();
    let expired = list(&api, &[("authorization", "Bearer jwt-expired")]).await;
    let unknown = list(&api, &[("authorization", "Bearer nonsense")]).await;
    let odd = list(&api, &[("authorization", "Bearer h\u{f6}wdy")]).await;
    let no_keystone = TestApi::with(|state| state.keystone = None);
    let no_keystone = list(&no_keystone, &[("x-auth-token", "keystone-admin")]).await;
    for answer in [&expired, &unknown, &odd, &no_keystone] {
        answer.assert_error(401, "auth.token_invalid");
        assert_eq!(answer.message(), expired.message());
        assert_eq!(challenges(answer)[0], "Bearer");
    }
}

#[tokio::test]
async fn two_tokens_are_one_too_many() {
    let api = TestApi::new();
    for headers in [
        [("authorization", "Bearer jwt-admin"), ("x-auth-token", "keystone-admin")],
        [("authorization", "Bearer jwt-admin"), ("authorization", "Bearer jwt-admin")],
        [("x-auth-token", "keystone-admin"), ("x-auth-token", "keystone-admin")],
    ] {
        list(&api, &headers).await.assert_error(400, "request.invalid");
    }
}

#[tokio::test]
async fn an_unavailable_verifier_does_not_refuse_the_token() {
    let answer = list(&TestApi::new(), &[("x-auth-token", "keystone-down")]).await;
    answer.assert_error(503, "auth.unavailable");
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert!(!answer.message().contains("10.0.0.7"));
}

#[tokio::test]
async fn a_caller_who_is_not_an_admin_learns_nothing() {
    let api = TestApi::new();
    api.repo.put(seed());
    let uris = [
        (Method::POST, revert_uri(ID)),
        (Method::POST, revert_uri("no-such-image")),
        (Method::POST, revert_uri("%ff")),
        (Method::POST, format!("{}?dry_run=true", revert_uri(ID))),
        (Method::GET, format!("/v2/pending-deletes/{ID}")),
        (Method::GET, "/v2/pending-deletes?limit=junk".to_owned()),
    ];
    for (method, uri) in uris {
        for (token, status, reason) in [
            (None, 401, "auth.token_missing"),
            (Some("Bearer jwt-nobody"), 401, "auth.token_invalid"),
            (Some("Bearer jwt-reader"), 403, "auth.not_admin"),
        ] {
            let mut request = Request::builder().method(&method).uri(&uri);
            if let Some(token) = token {
                request = request.header("authorization", token);
            }
            let answer = api.send(request.body(Body::from("{junk")).unwrap()).await;
            answer.assert_error(status, reason);
        }
    }
    assert_eq!(*api.repo.calls.lock().unwrap(), 0);
}

#[tokio::test]
async fn the_token_is_checked_before_the_body_is_read() {
    let api = TestApi::new();
    let never = futures::stream::pending::<Result<&[u8], std::io::Error>>();
    let request = Request::post(revert_uri(ID)).body(Body::from_stream(never)).unwrap();
    api.send(request).await.assert_error(401, "auth.token_missing");
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let api = TestApi::new();
    let global = "req-0a3f8c1e-5f0b-4a43-9d2c-6f1f3c8d7b1a";
    let mut seen = std::collections::HashSet::from([global.to_owned()]);
    for uri in ["/", "/nothing", "/v2/pending-deletes", "/docs/"] {
        let request = admin(Method::GET, uri).header("x-openstack-request-id", global);
        let answer = api.send(request.body(Body::empty()).unwrap()).await;
        let ids: Vec<_> = answer.headers.get_all("x-openstack-request-id").iter().collect();
        assert_eq!(ids.len(), 1, "{uri}");
        assert!(seen.insert(ids[0].to_str().unwrap().to_owned()), "{uri}");
    }
}

#[tokio::test]
async fn a_caller_who_is_not_an_admin_is_told_the_missing_role() {
    let api = TestApi::new();
    let answer = list(&api, &[("authorization", "Bearer jwt-reader")]).await;
    answer.assert_error(403, "auth.not_admin");
    assert!(answer.message().contains("the role image-admin"), "{}", answer.message());
}
