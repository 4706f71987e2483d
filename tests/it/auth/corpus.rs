//! A corpus of good and hostile tokens, sent through the real router: the response to each, and the
//! reason in the log. Keys and tokens are generated here; none is stored.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::api::TestApi;
use crate::support::log;
use crate::support::tokens::{
    KEYS, Signer, b64, ec_jwk, ec_pem, ed_jwk, merged, rsa_jwk, rsa_pem, token,
};
use crate::support::verifier::{AUDIENCE, NOW, Verifier, ask, claims};

mod bodies;
mod heads;

const MAIN: &str = "https://issuer.example";
const PEM: &str = "https://pem.example";
const STRICT: &str = "https://strict.example";
const KUBE: &str = "https://kubernetes.default.svc";

/// `admin` for 200, `caller` for 403, `missing` for the 401 that asks for a token; otherwise the
/// logged reason of the 401 for refused tokens.
type Expected = &'static str;

/// A description, the value of `Authorization`, and the expected result.
type Case = (String, Vec<u8>, Expected);

fn case(what: &str, token: impl AsRef<str>, expected: Expected) -> Case {
    (what.to_owned(), format!("Bearer {}", token.as_ref()).into_bytes(), expected)
}

/// The usual header of the P-256 key and good claims with changes; null removes a claim.
fn with(more: &Value) -> String {
    token(r#"{"alg":"ES256","kid":"ec"}"#, &claims(MAIN, more), Signer::P256)
}

/// Good claims under this header, signed with the P-256 key.
fn headed(header: &str) -> String {
    token(header, &claims(MAIN, &json!({})), Signer::P256)
}

/// Claims in which one is written as raw text.
fn raw(name: &str, text: &str) -> String {
    let rest = claims(MAIN, &json!({name: null}));
    let text = format!("{},\"{name}\":{text}}}", rest.strip_suffix('}').unwrap());
    token(r#"{"alg":"ES256","kid":"ec"}"#, &text, Signer::P256)
}

/// Good claims followed by raw text that a JSON object could not represent.
fn and(text: &str) -> String {
    let good = claims(MAIN, &json!({}));
    let text = format!("{},{text}}}", good.strip_suffix('}').unwrap());
    token(r#"{"alg":"ES256","kid":"ec"}"#, &text, Signer::P256)
}

/// A verifier with four issuers: keys of every kind; one key in PEM; only `at+jwt`; only RS256,
/// with admins by subject.
fn verifier(folder: &TempDir) -> Verifier {
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let keys = json!({"keys": [
        ec_jwk(&KEYS.p256, "P-256", &json!({"kid": "ec", "alg": "ES256", "use": "sig"})),
        ec_jwk(&KEYS.p384, "P-384", &json!({"kid": "ec384"})),
        ed_jwk(&json!({"kid": "ed"})),
        rsa_jwk(&json!({"kid": "rsa", "alg": "RS256"})),
        rsa_jwk(&json!({"kid": "ps", "alg": "PS256"})),
        ec_jwk(&KEYS.p256_other, "P-256", &json!({"kid": "enc", "use": "enc"})),
        ec_jwk(&KEYS.p256_other, "P-256", &json!({"kid": "other", "alg": "ES256"})),
    ]});
    let jwks = file("jwks.json", &keys.to_string());
    let (ec, rsa) = (file("ec.pem", &ec_pem(&KEYS.p256)), file("rsa.pem", &rsa_pem()));
    Verifier::start(&format!(
        "[revert_jwt:main]\nissuer = {MAIN}\naudiences = {AUDIENCE}\njwks_file = {jwks}\n\
         [revert_jwt:pem]\nissuer = {PEM}\naudiences = {AUDIENCE}\npublic_key_file = {ec}\n\
         [revert_jwt:strict]\nissuer = {STRICT}\naudiences = {AUDIENCE}\njwks_file = {jwks}\n\
         require_at_jwt = true\n\
         [revert_jwt:kube]\nissuer = {KUBE}\naudiences = {AUDIENCE}\npublic_key_file = {rsa}\n\
         algorithms = RS256\nsubjects = openstack:operator\n"
    ))
}

/// The result of a case in the words of [`Expected`], and the body of a 401.
async fn outcome(api: &TestApi, authorization: &[u8]) -> (String, Option<String>) {
    let answer = ask(api, authorization).await;
    let body = String::from_utf8(answer.bytes.clone()).unwrap();
    let body = body.replace(answer.request_id(), "ID");
    let lines = log::lines_of(answer.request_id());
    let said = |name: &str| lines.iter().find_map(|line| line[name].as_str().map(str::to_owned));
    match (answer.status.as_u16(), said("reason").as_deref()) {
        (200, _) => ("admin".to_owned(), None),
        (403, Some("auth.not_admin")) => ("caller".to_owned(), None),
        (401, Some("auth.token_missing")) => ("missing".to_owned(), None),
        (401, Some("auth.token_invalid")) => (said("cause").unwrap_or_default(), Some(body)),
        (status, reason) => (format!("{status} {reason:?}"), None),
    }
}

#[tokio::test]
async fn every_token_of_the_corpus_gets_its_answer_and_every_hostile_one_the_same() {
    let folder = TempDir::new().unwrap();
    let api = verifier(&folder).api();
    let cases = [heads::cases(), bodies::cases()].concat();
    let (mut wrong, mut bodies) = (Vec::new(), BTreeSet::new());
    let mut tally: BTreeMap<Expected, usize> = BTreeMap::new();
    for (what, authorization, expected) in &cases {
        let (got, body) = outcome(&api, authorization).await;
        if got != *expected {
            wrong.push(format!("{what}: {got}, not {expected}"));
        }
        bodies.extend(body);
        *tally.entry(expected).or_default() += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(bodies.len(), 1, "refused tokens are told apart: {bodies:#?}");
    assert!(cases.len() >= 150, "only {} tokens", cases.len());
    let good = tally["admin"] + tally["caller"];
    assert!(good >= 30 && cases.len() - good >= 120, "{tally:?}");
    let names: BTreeSet<_> = cases.iter().map(|(what, ..)| what).collect();
    assert_eq!(names.len(), cases.len(), "each case has a name of its own");
}
