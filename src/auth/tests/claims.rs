//! Claims of well-signed tokens.

use serde_json::{Value, json};

use super::support::{AUDIENCE, MAIN, NOW, Signer, World, call, claims, claims_and, token, usual};
use crate::domain::principal::{AuthMethod, Authenticator, Principal};

fn with(more: &Value) -> String {
    usual(&claims(more))
}

/// Claims in which one is written as raw text.
fn raw(name: &str, text: &str) -> String {
    let rest = claims(&json!({name: null}));
    usual(&format!("{},\"{name}\":{text}}}", rest.strip_suffix('}').unwrap()))
}

#[tokio::test]
async fn expiry_is_required_and_kept() {
    World::new()
        .check(&[
            ("missing", with(&json!({"exp": null})), "exp_missing"),
            ("past", with(&json!({"exp": NOW - 3600})), "expired"),
            ("past, within the leeway", with(&json!({"exp": NOW - 29})), "admin"),
            ("past by the leeway", with(&json!({"exp": NOW - 30})), "expired"),
            ("fraction within the leeway", with(&json!({"exp": f64_of(NOW) - 29.5})), "admin"),
            ("fraction past the leeway", with(&json!({"exp": f64_of(NOW) - 30.5})), "expired"),
            ("zero", with(&json!({"exp": 0})), "expired"),
            ("null", raw("exp", "null"), "exp_invalid"),
            ("string", with(&json!({"exp": (NOW + 300).to_string()})), "exp_invalid"),
            ("bool", with(&json!({"exp": true})), "exp_invalid"),
            ("array", with(&json!({"exp": [NOW + 300]})), "exp_invalid"),
            ("negative", with(&json!({"exp": -1})), "exp_invalid"),
            ("milliseconds", with(&json!({"exp": NOW * 1000})), "exp_invalid"),
            ("largest integer", with(&json!({"exp": u64::MAX})), "exp_invalid"),
            ("1e300", raw("exp", "1e300"), "exp_invalid"),
            ("exponent form", raw("exp", "1.7953491e9"), "admin"),
            ("out of range", raw("exp", "1e999"), "payload_not_json"),
            ("NaN", raw("exp", "NaN"), "payload_not_json"),
            ("Infinity", raw("exp", "Infinity"), "payload_not_json"),
            ("leading zero", raw("exp", "01795349100"), "payload_not_json"),
        ])
        .await;
}

fn f64_of(seconds: i64) -> f64 {
    f64::from(u32::try_from(seconds).unwrap())
}

#[tokio::test]
async fn tokens_of_the_future_are_refused() {
    World::new()
        .check(&[
            ("nbf past", with(&json!({"nbf": NOW - 1})), "admin"),
            ("nbf within the leeway", with(&json!({"nbf": NOW + 30})), "admin"),
            ("nbf future", with(&json!({"nbf": NOW + 31})), "not_yet_valid"),
            ("nbf string", with(&json!({"nbf": "0"})), "nbf_invalid"),
            ("nbf null", raw("nbf", "null"), "nbf_invalid"),
            ("nbf negative", with(&json!({"nbf": -1})), "nbf_invalid"),
            ("iat absent", with(&json!({"iat": null})), "admin"),
            ("iat within the leeway", with(&json!({"iat": NOW + 30})), "admin"),
            ("iat future", with(&json!({"iat": NOW + 31})), "issued_in_future"),
            ("iat string", with(&json!({"iat": "now"})), "iat_invalid"),
            ("iat null", raw("iat", "null"), "iat_invalid"),
        ])
        .await;
}

#[tokio::test]
async fn time_comes_from_the_clock() {
    let world = World::new();
    let token = with(&json!({"exp": NOW + 300}));
    assert_eq!(world.answer(&token).await, "admin");
    world.clock.advance(329);
    assert_eq!(world.answer(&token).await, "admin");
    world.clock.advance(1);
    assert_eq!(world.answer(&token).await, "expired");
    let after_2038 = NOW + 20 * 365 * 86_400;
    world.clock.advance(20 * 365 * 86_400);
    assert_eq!(world.answer(&with(&json!({"exp": after_2038 + 400}))).await, "admin");
}

#[tokio::test]
async fn the_issuer_is_compared_byte_by_byte() {
    World::new()
        .check(&[
            ("missing", with(&json!({"iss": null})), "iss_missing"),
            ("null", raw("iss", "null"), "iss_invalid"),
            ("array", with(&json!({"iss": [MAIN]})), "iss_invalid"),
            ("object", with(&json!({"iss": {"iss": MAIN}})), "iss_invalid"),
            ("number", with(&json!({"iss": 1})), "iss_invalid"),
            ("other", with(&json!({"iss": "https://evil.example"})), "unknown_issuer"),
            ("empty", with(&json!({"iss": ""})), "unknown_issuer"),
            ("slash after", with(&json!({"iss": format!("{MAIN}/")})), "unknown_issuer"),
            ("prefix", with(&json!({"iss": "https://issuer.exampl"})), "unknown_issuer"),
            ("suffix", with(&json!({"iss": format!("{MAIN}.evil.example")})), "unknown_issuer"),
            ("upper case", with(&json!({"iss": "https://ISSUER.example"})), "unknown_issuer"),
            ("space after", with(&json!({"iss": format!("{MAIN} ")})), "unknown_issuer"),
            ("section's name", with(&json!({"iss": "main"})), "unknown_issuer"),
            (
                "another issuer's, signed with our key",
                with(&json!({"iss": "https://kubernetes.default.svc"})),
                "alg_not_allowed",
            ),
            (
                "another issuer's, its algorithm, our key",
                token(
                    r#"{"alg":"EdDSA","kid":"ed"}"#,
                    &claims(&json!({"iss": "https://pem.example"})),
                    Signer::Ed,
                ),
                "key_of_other_algorithm",
            ),
        ])
        .await;
}

#[tokio::test]
async fn the_token_must_be_meant_for_us() {
    World::new()
        .check(&[
            ("missing", with(&json!({"aud": null})), "aud_missing"),
            ("null", raw("aud", "null"), "aud_invalid"),
            ("other", with(&json!({"aud": "account"})), "wrong_audience"),
            ("empty", with(&json!({"aud": ""})), "wrong_audience"),
            ("empty array", with(&json!({"aud": []})), "wrong_audience"),
            ("array with ours", with(&json!({"aud": ["account", AUDIENCE]})), "admin"),
            (
                "the second audience",
                with(&json!({"aud": "https://glance-revert.example"})),
                "admin",
            ),
            ("array without", with(&json!({"aud": ["account", "glance"]})), "wrong_audience"),
            ("nested array", with(&json!({"aud": [[AUDIENCE]]})), "aud_invalid"),
            ("array with a number", with(&json!({"aud": [AUDIENCE, 1]})), "aud_invalid"),
            ("array with null", with(&json!({"aud": [AUDIENCE, null]})), "aud_invalid"),
            ("object", with(&json!({"aud": {AUDIENCE: true}})), "aud_invalid"),
            ("upper case", with(&json!({"aud": "GLANCE-REVERT"})), "wrong_audience"),
            ("prefix", with(&json!({"aud": "glance"})), "wrong_audience"),
            ("list in a string", with(&json!({"aud": "account glance-revert"})), "wrong_audience"),
        ])
        .await;
}

#[tokio::test]
async fn the_subject_is_a_name_that_can_be_printed() {
    World::new()
        .check(&[
            ("missing", with(&json!({"sub": null})), "sub_missing"),
            ("null", raw("sub", "null"), "sub_invalid"),
            ("empty", with(&json!({"sub": ""})), "sub_invalid"),
            ("number", with(&json!({"sub": 1})), "sub_invalid"),
            ("array", with(&json!({"sub": ["alice"]})), "sub_invalid"),
            ("line end", with(&json!({"sub": "alice\nadmin"})), "sub_invalid"),
            ("escape sequence", with(&json!({"sub": "\u{1b}[31m"})), "sub_invalid"),
            ("unicode", with(&json!({"sub": "Ålice"})), "admin"),
        ])
        .await;
}

#[tokio::test]
async fn other_kinds_of_tokens_and_bound_ones_are_refused() {
    World::new()
        .check(&[
            ("Bearer", with(&json!({"typ": "Bearer"})), "admin"),
            ("ID token", with(&json!({"typ": "ID"})), "payload_typ"),
            ("refresh token", with(&json!({"typ": "Refresh"})), "payload_typ"),
            ("offline token", with(&json!({"typ": "Offline"})), "payload_typ"),
            ("logout token", with(&json!({"typ": "Logout"})), "payload_typ"),
            ("bearer", with(&json!({"typ": "bearer"})), "payload_typ"),
            ("array", with(&json!({"typ": ["Bearer"]})), "payload_typ"),
            ("null", raw("typ", "null"), "payload_typ"),
            ("cnf", with(&json!({"cnf": {"x5t#S256": "abc"}})), "cnf_present"),
            ("cnf empty", with(&json!({"cnf": {}})), "cnf_present"),
            ("cnf null", raw("cnf", "null"), "cnf_present"),
        ])
        .await;
}

#[tokio::test]
async fn a_claim_that_occurs_twice_is_refused() {
    let twice = |text: &str| usual(&claims_and(text));
    let refused = "payload_duplicate_name";
    World::new()
        .check(&[
            ("sub", twice(r#""sub":"alice""#), refused),
            ("iss", twice(r#""iss":"https://evil.example""#), refused),
            ("aud", twice(r#""aud":"glance-revert""#), refused),
            ("exp", twice(r#""exp":9999999999"#), refused),
            ("roles", twice(r#""roles":[]"#), refused),
            ("exp, escaped", twice(r#""\u0065xp":9999999999"#), refused),
            ("unknown name", twice(r#""x":1,"x":2"#), refused),
            ("nested", twice(r#""realm_access":{"roles":[],"roles":["a"]}"#), refused),
            ("in an array", twice(r#""x":[{"a":1,"a":1}]"#), refused),
            ("same name at two depths", twice(r#""x":{"exp":1,"iss":2}"#), "admin"),
        ])
        .await;
}

#[tokio::test]
async fn admins_are_those_with_a_role_at_a_configured_place() {
    let roles = |roles: Value| with(&json!({"roles": roles}));
    let elsewhere =
        |more: Value| usual(&claims(&super::support::merged(&json!({"roles": []}), &more)));
    World::new()
        .check(&[
            ("none", with(&json!({"roles": null})), "caller"),
            ("empty", roles(json!([])), "caller"),
            ("other", roles(json!(["reader", "admin"])), "caller"),
            ("among others", roles(json!(["reader", "glance-revert-admin"])), "admin"),
            ("upper case", roles(json!(["Glance-Revert-Admin"])), "caller"),
            ("space after", roles(json!(["glance-revert-admin "])), "caller"),
            ("string", roles(json!("glance-revert-admin")), "caller"),
            ("string of several", roles(json!("reader glance-revert-admin")), "caller"),
            ("object", roles(json!({"glance-revert-admin": true})), "caller"),
            ("nested array", roles(json!([["glance-revert-admin"]])), "caller"),
            ("mixed array", roles(json!(["glance-revert-admin", 1])), "caller"),
            ("array with null", roles(json!(["glance-revert-admin", null])), "caller"),
            ("array of objects", roles(json!([{"name": "glance-revert-admin"}])), "caller"),
            (
                "realm role",
                elsewhere(json!({"realm_access": {"roles": ["glance-revert-admin"]}})),
                "admin",
            ),
            (
                "client role",
                elsewhere(json!({"resource_access": {"x": {"roles": ["glance-revert-admin"]}}})),
                "caller",
            ),
            ("groups", elsewhere(json!({"groups": ["glance-revert-admin"]})), "caller"),
            ("scope", elsewhere(json!({"scope": "glance-revert-admin"})), "caller"),
            ("pointer as a name", elsewhere(json!({"/roles": ["glance-revert-admin"]})), "caller"),
            (
                "dots in the name",
                elsewhere(json!({"realm_access.roles": ["glance-revert-admin"]})),
                "caller",
            ),
            ("is_admin", elsewhere(json!({"is_admin": true, "admin": true})), "caller"),
        ])
        .await;
}

#[tokio::test]
async fn service_accounts_are_admins_by_their_exact_subject() {
    let account = |subject: &str| {
        let claims = claims(&json!({
            "iss": "https://kubernetes.default.svc", "aud": [AUDIENCE], "roles": null, "sub": subject,
            "kubernetes.io": {"namespace": "openstack", "serviceaccount": {"name": "operator"}},
        }));
        token(r#"{"alg":"RS256","kid":"anything"}"#, &claims, Signer::RsaPkcs1)
    };
    let main = with(&json!({"sub": "system:serviceaccount:openstack:operator", "roles": null}));
    World::new()
        .check(&[
            ("listed", account("system:serviceaccount:openstack:operator"), "admin"),
            ("not listed", account("system:serviceaccount:openstack:default"), "caller"),
            ("prefix", account("system:serviceaccount:openstack:operator2"), "caller"),
            ("other namespace", account("system:serviceaccount:evil:operator"), "caller"),
            ("of an issuer that does not list it", main, "caller"),
        ])
        .await;
}

#[tokio::test]
async fn the_principal_has_subject_issuer_and_token_ids() {
    let world = World::new();
    let alice = Principal { is_admin: true, ..Principal::new("main", "alice", AuthMethod::Jwt) };
    for (jti, token_ids) in [
        (json!("id-1"), vec!["id-1".to_owned()]),
        (json!("forged\nline"), vec![]),
        (json!(1), vec![]),
        (json!(null), vec![]),
    ] {
        let call = call(&with(&json!({"sub": "alice", "jti": jti})));
        let expected = Principal { token_ids, ..alice.clone() };
        assert_eq!(world.authenticator.authenticate(&call).await, Ok(expected), "{jti}");
    }
}
