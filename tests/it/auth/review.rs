//! Kubernetes tokens, validated by a fake API server that refuses, fails or gives wrong answers.

use std::time::Duration;

use futures::future::join_all;
use glance_revert::domain::principal::{AuthMethod, Authenticator};
use serde_json::{Value, json};

use crate::support::canary;
use crate::support::kubernetes::{ISSUER, OPERATOR, PATH, account, good, review, running};
use crate::support::server::{Says, Server};
use crate::support::tokens::{Signer, token};
use crate::support::verifier::{AUDIENCE, NOW, ask, call_with, claims};

fn questions(server: &Server) -> usize {
    server.asked(PATH).len()
}

#[tokio::test]
async fn the_api_server_validates_a_token_for_our_audience() {
    let (server, verifier, _folder) = running().await;
    let token = account(&json!({}));
    let principal = verifier.jwt.authenticate(&call_with(&token)).await.unwrap();
    assert_eq!((principal.subject.as_str(), principal.is_admin), (OPERATOR, true));
    assert_eq!(
        (principal.method, principal.token_ids),
        (AuthMethod::TokenReview, vec!["id-1".to_owned()])
    );
    let asked = server.asked(PATH).remove(0);
    assert_eq!(
        asked.authorization.as_deref(),
        Some(format!("Bearer {}", canary::SERVICE_ACCOUNT_TOKEN).as_str())
    );
    let question: Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!(
        question,
        json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": {"token": token, "audiences": [AUDIENCE]},
        })
    );
}

#[tokio::test]
async fn every_other_verdict_is_a_refusal_or_no_admin() {
    let (server, verifier, _folder) = running().await;
    let with = |name: &str, value: Value| {
        let mut status = good(OPERATOR);
        status[name] = value;
        status
    };
    for (status, expected) in [
        (json!({"user": {}, "error": "invalid bearer token"}), "review_refused"),
        (json!({}), "review_refused"),
        (with("authenticated", json!(false)), "review_refused"),
        (with("error", json!("half of it failed")), "review_error"),
        (with("audiences", json!([])), "review_audience"),
        (with("audiences", json!(["https://kubernetes.default.svc"])), "review_audience"),
        (json!({"authenticated": true, "user": {"username": OPERATOR}}), "review_audience"),
        (with("user", json!({})), "review_username"),
        (with("user", json!({"username": "a\nb"})), "review_username"),
        (good("system:serviceaccount:openstack:default"), "caller"),
        (good("system:serviceaccount:openstack:operator2"), "caller"),
    ] {
        server.say(PATH, review(&status));
        verifier.clock.advance(Duration::from_secs(11));
        assert_eq!(verifier.answer(&account(&json!({}))).await, expected, "{status}");
    }
}

#[tokio::test]
async fn an_unavailable_api_server_does_not_refuse_the_token() {
    let (server, verifier, _folder) = running().await;
    let api = verifier.api();
    let json = |text: Value| Says::Text(201, "application/json", text.to_string());
    for (what, says) in [
        ("we may not ask", Says::Text(403, "application/json", "{}".to_owned())),
        ("it does not know us", Says::Text(401, "application/json", "{}".to_owned())),
        ("500", Says::Text(500, "text/plain", String::new())),
        ("another server", Says::Text(200, "text/html", "<html>".to_owned())),
        ("another kind", json(json!({"kind": "Status", "status": good(OPERATOR)}))),
        ("no status", json(json!({"kind": "TokenReview"}))),
        ("a status of text", json(json!({"kind": "TokenReview", "status": "Failure"}))),
        ("a redirect", Says::Redirect(server.url("/elsewhere"))),
        ("huge", Says::Text(201, "application/json", " ".repeat(256 * 1024 + 1))),
    ] {
        server.say(PATH, says);
        let answer = ask(&api, format!("Bearer {}", account(&json!({}))).as_bytes()).await;
        assert_eq!(answer.status.as_u16(), 503, "{what}");
        answer.assert_error(503, "auth.unavailable");
        assert_eq!(answer.header("retry-after"), Some("5"));
        assert!(verifier.jwt.trials().await[0].result.is_err(), "{what}");
    }
    assert_eq!(server.asked("/elsewhere").len(), 0);
    server.say(PATH, review(&good(OPERATOR)));
    assert_eq!(verifier.answer(&account(&json!({}))).await, "admin", "no failure is kept");
    assert!(verifier.jwt.trials().await[0].result.is_ok());
}

#[tokio::test]
async fn hopeless_tokens_are_refused_without_a_request() {
    let (server, verifier, _folder) = running().await;
    for (more, expected) in [
        (json!({"exp": NOW - 60}), "expired"),
        (json!({"aud": ["https://kubernetes.default.svc"]}), "wrong_audience"),
        (json!({"sub": ""}), "sub_invalid"),
        (json!({"cnf": {}}), "cnf_present"),
        (json!({"iss": "https://kubernetes.default.svc"}), "unknown_issuer"),
    ] {
        assert_eq!(verifier.answer(&account(&more)).await, expected, "{more}");
    }
    let unsigned = token(r#"{"alg":"none"}"#, &claims(ISSUER, &json!({})), Signer::Zeros(1));
    assert_eq!(verifier.answer(&unsigned).await, "alg_not_allowed");
    assert_eq!(questions(&server), 0);
}

#[tokio::test]
async fn a_good_answer_is_cached_for_ten_seconds_and_requested_once() {
    let (server, verifier, _folder) = running().await;
    let token = account(&json!({}));
    assert!(verifier.jwt.needs_remote_call(&call_with(&token)));
    let answers = join_all((0..50).map(|_| verifier.answer(&token))).await;
    assert!(answers.iter().all(|answer| *answer == "admin"), "{answers:?}");
    assert_eq!(questions(&server), 1);
    assert!(!verifier.jwt.needs_remote_call(&call_with(&token)));
    server.say(PATH, review(&json!({"error": "the pod is gone"})));
    verifier.clock.advance(Duration::from_millis(9999));
    assert_eq!((verifier.answer(&token).await, questions(&server)), ("admin", 1));
    verifier.clock.advance(Duration::from_millis(1));
    assert_eq!((verifier.answer(&token).await, questions(&server)), ("review_refused", 2));
    assert_eq!((verifier.answer(&token).await, questions(&server)), ("review_refused", 3));
}

#[tokio::test]
async fn our_own_token_is_read_again_before_each_question() {
    let (server, verifier, folder) = running().await;
    assert_eq!(verifier.answer(&account(&json!({}))).await, "admin");
    std::fs::write(folder.path().join("token"), "renewed").unwrap();
    assert_eq!(verifier.answer(&account(&json!({"jti": "id-2"}))).await, "admin");
    assert_eq!(server.asked(PATH)[1].authorization.as_deref(), Some("Bearer renewed"));
    std::fs::remove_file(folder.path().join("token")).unwrap();
    assert_eq!(verifier.answer(&account(&json!({"jti": "id-3"}))).await, "admin");
    assert_eq!(server.asked(PATH)[2].authorization.as_deref(), Some("Bearer renewed"));
}
