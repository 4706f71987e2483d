//! Limits on the requests that tokens can cause at a Kubernetes API server, and on how long its
//! verdicts are cached.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::daemon::until;
use crate::support::kubernetes::{OPERATOR, PATH, account, good, review, running, section};
use crate::support::log::lines_of;
use crate::support::server::{Asked, Says, Server};
use crate::support::verifier::{NOW, Verifier, ask};

/// Maximum number of concurrent reviews.
const AT_A_TIME: usize = 16;

fn numbered(number: usize) -> String {
    account(&json!({"jti": number.to_string()}))
}

async fn until_asked(server: &Server, number: usize) {
    let what = format!("{number} questions");
    until(&what, async || (server.asked(PATH).len() >= number).then_some(())).await;
}

#[tokio::test]
async fn no_more_than_sixteen_questions_are_under_way() {
    let (server, verifier, folder) = running().await;
    server.hold(true);
    let verifier = Arc::new(verifier);
    let asking: Vec<_> = (0..AT_A_TIME * 3)
        .map(|number| {
            let verifier = Arc::clone(&verifier);
            tokio::spawn(async move { verifier.answer(&numbered(number)).await })
        })
        .collect();
    until_asked(&server, AT_A_TIME).await;
    // A review of another token, which begins after all of these, arrives.
    let other = Verifier::start(&section(&server, &folder));
    let others = tokio::spawn(async move { other.answer(&numbered(1000)).await });
    let is_theirs = |asked: &Asked| String::from_utf8_lossy(&asked.body).contains(&numbered(1000));
    until("the other question", async || {
        server.asked(PATH).iter().find(|a| is_theirs(a)).map(drop)
    })
    .await;
    assert_eq!(server.asked(PATH).len(), AT_A_TIME + 1);
    server.hold(false);
    for answer in join_all(asking).await {
        assert_eq!(answer.unwrap(), "admin");
    }
    assert_eq!(others.await.unwrap(), "admin");
    assert_eq!(server.asked(PATH).len(), AT_A_TIME * 3 + 1);
    assert!(server.most_open() <= AT_A_TIME + 1, "{}", server.most_open());
}

#[tokio::test]
async fn concurrent_validations_of_a_token_share_one_request() {
    let (server, verifier, _folder) = running().await;
    server.hold(true);
    let token = numbered(1);
    let mut first = Box::pin(verifier.answer(&token));
    let mut rest = Box::pin(join_all((0..99).map(|_| verifier.answer(&token))));
    assert!(futures::poll!(&mut first).is_pending());
    let arrived = until_asked(&server, 1);
    tokio::select! {
        _ = &mut rest => panic!("answered without the server"),
        () = arrived => {}
    }
    drop(first);
    server.hold(false);
    assert!(rest.await.iter().all(|answer| *answer == "admin"));
    assert_eq!(server.asked(PATH).len(), 1, "though the one who began it is gone");
}

#[tokio::test]
async fn waiting_callers_share_a_failure_which_is_not_cached() {
    let (server, verifier, _folder) = running().await;
    let token = numbered(1);
    server.say(PATH, Says::Text(500, "text/plain", String::new()));
    for round in 1..4 {
        let answers = join_all((0..50).map(|_| verifier.answer(&token))).await;
        assert!(answers.iter().all(|answer| *answer == "unavailable"), "{answers:?}");
        assert_eq!(server.asked(PATH).len(), round);
    }
    server.say(PATH, review(&good(OPERATOR)));
    assert_eq!(verifier.answer(&token).await, "admin");
}

/// The API server that accepts a token knows when it expires; leeway is only for our own clock.
#[tokio::test]
async fn a_good_answer_is_not_cached_past_the_tokens_expiry() {
    let (server, verifier, _folder) = running().await;
    let token = account(&json!({"exp": NOW + 3}));
    assert_eq!(verifier.answer(&token).await, "admin");
    server.say(PATH, review(&json!({"error": "token has expired"})));
    verifier.clock.advance(Duration::from_millis(2999));
    assert_eq!((verifier.answer(&token).await, server.asked(PATH).len()), ("admin", 1));
    verifier.clock.advance(Duration::from_millis(1));
    assert_eq!((verifier.answer(&token).await, server.asked(PATH).len()), ("review_refused", 2));
    verifier.clock.advance(Duration::from_secs(30));
    assert_eq!((verifier.answer(&token).await, server.asked(PATH).len()), ("expired", 2));
}

#[tokio::test]
async fn the_answer_about_one_token_is_not_used_for_another() {
    let (server, verifier, _folder) = running().await;
    assert_eq!(verifier.answer(&numbered(1)).await, "admin");
    server.say(PATH, review(&json!({"error": "invalid bearer token"})));
    assert_eq!(verifier.answer(&numbered(2)).await, "review_refused");
    assert_eq!(verifier.answer(&numbered(1)).await, "admin");
    assert_eq!(server.asked(PATH).len(), 2);
}

async fn is_given_up(says: Says) {
    let (server, verifier, _folder) = running().await;
    server.say(PATH, says);
    let api = verifier.api();
    let began = Instant::now();
    let asking = (0..AT_A_TIME * 2)
        .map(async |number| ask(&api, format!("Bearer {}", numbered(number)).as_bytes()).await);
    for answer in join_all(asking).await {
        answer.assert_error(503, "auth.unavailable");
        assert_eq!(answer.header("retry-after"), Some("5"));
        let cause = lines_of(answer.request_id());
        let cause = cause.iter().find_map(|line| line["cause"].as_str()).unwrap().to_owned();
        // Either the time-out of the request or that of the body comes first.
        let told = ["it did not answer within 5 seconds", "operation timed out"];
        assert!(told.iter().any(|told| cause.ends_with(told)), "{cause}");
    }
    let took = began.elapsed();
    assert!((4.9..9.5).contains(&took.as_secs_f64()), "{took:?}: those who wait for a place, too");
    server.say(PATH, review(&good(OPERATOR)));
    assert_eq!(verifier.answer(&numbered(0)).await, "admin", "places are free again");
}

#[tokio::test]
async fn a_silent_api_server_times_out_after_five_seconds() {
    is_given_up(Says::Silence).await;
}

#[tokio::test]
async fn an_api_server_that_does_not_finish_times_out_after_five_seconds() {
    is_given_up(Says::Dribble).await;
}

#[tokio::test]
async fn the_audiences_of_the_section_are_sent_and_one_of_them_is_enough() {
    let (server, _verifier, folder) = running().await;
    let text = section(&server, &folder);
    let two = text.replace("audiences = ", "audiences = first.example, ");
    let verifier = Verifier::start(&two);
    assert_eq!(verifier.answer(&numbered(1)).await, "admin");
    let asked = server.asked(PATH).remove(0);
    let question: Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!(question["spec"]["audiences"], json!(["first.example", "glance-revert"]));
    let mut status = good(OPERATOR);
    for (audiences, expected) in [
        (json!(["first.example"]), "admin"),
        (json!(["other.example"]), "review_audience"),
        (json!(["FIRST.example"]), "review_audience"),
        (json!(["first.example/"]), "review_audience"),
    ] {
        status["audiences"] = audiences;
        server.say(PATH, review(&status));
        verifier.clock.advance(Duration::from_secs(11));
        assert_eq!(verifier.answer(&numbered(1)).await, expected, "{status}");
    }
}
