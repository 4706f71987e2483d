//! Security headers of every response, and the one Host that every request needs.

use axum::body::Body;
use axum::http::{Method, Request};

use crate::support::api::{Answer, TestApi, admin, revert_uri};
use crate::support::images::ID;

const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

fn assert_guarded(answer: &Answer, policy: &str) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("content-security-policy", policy),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
    ] {
        let values: Vec<_> = answer.headers.get_all(name).iter().collect();
        assert_eq!(values, [value], "{name} of {}", answer.status);
    }
    for name in answer.headers.keys() {
        assert!(!name.as_str().starts_with("access-control-") && name != "server", "{name}");
    }
}

#[tokio::test]
async fn every_response_has_the_security_headers_even_errors() {
    let api = TestApi::new();
    for uri in ["/", "/openapi.json", "/v2/pending-deletes", "/nothing", &revert_uri(ID)] {
        assert_guarded(&api.get(uri).await, NOTHING);
        assert_guarded(&api.get_anonymously(uri).await, NOTHING);
    }
    let options = Request::options("/v2/pending-deletes")
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "GET");
    let answer = api.send(options.body(Body::empty()).unwrap()).await;
    answer.assert_error(405, "request.method_not_allowed");
    assert_guarded(&answer, NOTHING);
}

#[tokio::test]
async fn the_page_for_people_has_a_policy_that_lets_it_work() {
    let answer = TestApi::new().get_anonymously("/docs/").await;
    assert_eq!(answer.status, 200);
    let policy = answer.header("content-security-policy").unwrap().to_owned();
    assert_guarded(&answer, &policy);
    assert!(policy.starts_with("default-src 'self'; style-src 'self' 'unsafe-inline';"));
    assert!(policy.ends_with("frame-ancestors 'none'") && !policy.contains("unsafe-eval"));
    let page = String::from_utf8(answer.bytes).unwrap();
    let inline = page.split("<script").skip(1).filter(|tag| !tag.trim_start().starts_with("src="));
    assert_eq!(inline.count(), 0, "the policy forbids inline scripts: {page}");
}

#[tokio::test]
async fn https_is_remembered_where_there_is_tls_and_only_there() {
    let plain = TestApi::new().get("/").await;
    assert_eq!(plain.header("strict-transport-security"), None);
    let api = TestApi::with(|state| state.view.settings.tls = true);
    for uri in ["/", "/nothing", "/docs/"] {
        let answer = api.get(uri).await;
        assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"), "{uri}");
    }
}

#[tokio::test]
async fn a_request_without_exactly_one_good_host_goes_no_further() {
    let api = TestApi::new();
    for hosts in [&[][..], &["a", "b"], &["a", "a"], &[""], &["a/b"], &["user@a"], &["a:port"]] {
        for uri in ["/", "/v2/pending-deletes", "/nothing"] {
            let request =
                hosts.iter().fold(admin(Method::GET, uri), |r, host| r.header("host", *host));
            let answer = api.send_as_it_is(request.body(Body::empty()).unwrap()).await;
            answer.assert_error(400, "request.invalid");
            assert!(answer.message().contains("Host"), "{}", answer.message());
            assert_guarded(&answer, NOTHING);
        }
    }
    assert_eq!(*api.repo.calls.lock().unwrap(), 0);
}
