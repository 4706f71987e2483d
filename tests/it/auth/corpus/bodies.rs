//! Claims of well-signed tokens.

use super::{
    AUDIENCE, Case, KUBE, MAIN, NOW, PEM, Signer, Value, and, case, claims, json, raw, token, with,
};

pub(super) fn cases() -> Vec<Case> {
    [shapes(), times(), issuers(), audiences(), subjects(), kinds(), roles(), accounts()].concat()
}

/// A case for each value of one claim, with its expected result.
fn each(name: &str, values: Vec<(Value, &'static str)>) -> Vec<Case> {
    let one = |(value, expected): (Value, &'static str)| {
        let token =
            if value.is_null() { with(&json!({name: null})) } else { with(&json!({name: value})) };
        let what = if value.is_null() { "absent".to_owned() } else { value.to_string() };
        case(&format!("{name} {what}"), token, expected)
    };
    values.into_iter().map(one).collect()
}

fn shapes() -> Vec<Case> {
    let of = |claims: &str| token(r#"{"alg":"ES256","kid":"ec"}"#, claims, Signer::P256);
    let nested = |depth: usize| {
        and(&format!(r#""deep":{}{}"#, "[".repeat(depth - 1), "]".repeat(depth - 1)))
    };
    let twice = "payload_duplicate_name";
    vec![
        case("a payload that is no JSON", of("hello"), "payload_not_json"),
        case("a payload that is a string", of("\"hello\""), "payload_not_json"),
        case("a payload that is an array", of("[]"), "payload_not_json"),
        case("a payload that is null", of("null"), "payload_not_json"),
        case("an empty object", of("{}"), "iss_missing"),
        case(
            "a payload with a tail",
            of(&format!("{}x", claims(MAIN, &json!({})))),
            "payload_not_json",
        ),
        case(
            "a byte order mark",
            of(&format!("\u{feff}{}", claims(MAIN, &json!({})))),
            "payload_not_json",
        ),
        case("16 deep", nested(16), "admin"),
        case("17 deep", nested(17), "payload_too_deep"),
        case("2000 deep", nested(2000), "payload_too_deep"),
        case("sub twice", and(r#""sub":"alice""#), twice),
        case("iss twice", and(r#""iss":"https://evil.example""#), twice),
        case("aud twice", and(r#""aud":"glance-revert""#), twice),
        case("exp twice", and(r#""exp":9999999999"#), twice),
        case("roles twice", and(r#""roles":[]"#), twice),
        case("exp twice, escaped", and(r#""\u0065xp":9999999999"#), twice),
        case("a nested name twice", and(r#""realm_access":{"roles":[],"roles":["a"]}"#), twice),
        case("one name at two depths", and(r#""x":{"exp":1,"iss":2}"#), "admin"),
    ]
}

fn times() -> Vec<Case> {
    let far = NOW * 1000;
    let mut cases = each(
        "exp",
        vec![
            (json!(null), "exp_missing"),
            (json!(NOW - 3600), "expired"),
            (json!(NOW - 29), "admin"),
            (json!(NOW - 30), "expired"),
            (json!(0), "expired"),
            (json!(-1), "exp_invalid"),
            (json!("1795349100"), "exp_invalid"),
            (json!(true), "exp_invalid"),
            (json!([NOW + 300]), "exp_invalid"),
            (json!(far), "exp_invalid"),
            (json!(u64::MAX), "exp_invalid"),
        ],
    );
    cases.extend([
        case("exp null", raw("exp", "null"), "exp_invalid"),
        case("exp 1e300", raw("exp", "1e300"), "exp_invalid"),
        case("exp in exponent form", raw("exp", "1.7953491e9"), "admin"),
        case("exp with a fraction within the leeway", raw("exp", "1795348770.5"), "admin"),
        case("exp with a fraction past the leeway", raw("exp", "1795348769.5"), "expired"),
        case("exp 1e999", raw("exp", "1e999"), "payload_not_json"),
        case("exp NaN", raw("exp", "NaN"), "payload_not_json"),
        case("exp Infinity", raw("exp", "Infinity"), "payload_not_json"),
        case("exp with a leading zero", raw("exp", "01795349100"), "payload_not_json"),
        case("exp in hexadecimal", raw("exp", "0x6b0312cc"), "payload_not_json"),
        case("nbf null", raw("nbf", "null"), "nbf_invalid"),
        case("iat null", raw("iat", "null"), "iat_invalid"),
    ]);
    cases.extend(each(
        "nbf",
        vec![
            (json!(NOW - 1), "admin"),
            (json!(NOW + 30), "admin"),
            (json!(NOW + 31), "not_yet_valid"),
            (json!("0"), "nbf_invalid"),
            (json!(-1), "nbf_invalid"),
        ],
    ));
    cases.extend(each(
        "iat",
        vec![
            (json!(null), "admin"),
            (json!(NOW + 30), "admin"),
            (json!(NOW + 31), "issued_in_future"),
            (json!("now"), "iat_invalid"),
            (json!(-5), "iat_invalid"),
        ],
    ));
    cases
}

fn issuers() -> Vec<Case> {
    let mut cases = each(
        "iss",
        vec![
            (json!(null), "iss_missing"),
            (json!([MAIN]), "iss_invalid"),
            (json!({"iss": MAIN}), "iss_invalid"),
            (json!(1), "iss_invalid"),
            (json!(""), "unknown_issuer"),
            (json!("https://evil.example"), "unknown_issuer"),
            (json!("https://issuer.example/"), "unknown_issuer"),
            (json!("https://issuer.exampl"), "unknown_issuer"),
            (json!("https://issuer.example.evil"), "unknown_issuer"),
            (json!("https://ISSUER.example"), "unknown_issuer"),
            (json!("https://issuer.example "), "unknown_issuer"),
            (json!("https://\u{456}ssuer.example"), "unknown_issuer"),
            (json!("main"), "unknown_issuer"),
            (json!(KUBE), "alg_not_allowed"),
        ],
    );
    let of_pem = token(r#"{"alg":"EdDSA","kid":"ed"}"#, &claims(PEM, &json!({})), Signer::Ed);
    cases.push(case("iss null", raw("iss", "null"), "iss_invalid"));
    cases.push(case("another issuer's name, our key", of_pem, "key_of_other_algorithm"));
    cases
}

fn audiences() -> Vec<Case> {
    let mut cases = each(
        "aud",
        vec![
            (json!(null), "aud_missing"),
            (json!("account"), "wrong_audience"),
            (json!(""), "wrong_audience"),
            (json!([]), "wrong_audience"),
            (json!(["account", AUDIENCE]), "admin"),
            (json!(["account", "glance"]), "wrong_audience"),
            (json!([[AUDIENCE]]), "aud_invalid"),
            (json!([AUDIENCE, 1]), "aud_invalid"),
            (json!([AUDIENCE, null]), "aud_invalid"),
            (json!({AUDIENCE: true}), "aud_invalid"),
            (json!(1), "aud_invalid"),
            (json!("GLANCE-REVERT"), "wrong_audience"),
            (json!("glance"), "wrong_audience"),
            (json!("account glance-revert"), "wrong_audience"),
            (json!("glance-revert*"), "wrong_audience"),
        ],
    );
    cases.push(case("aud null", raw("aud", "null"), "aud_invalid"));
    cases
}

fn subjects() -> Vec<Case> {
    each(
        "sub",
        vec![
            (json!(null), "sub_missing"),
            (json!(""), "sub_invalid"),
            (json!(1), "sub_invalid"),
            (json!(["alice"]), "sub_invalid"),
            (json!({"name": "alice"}), "sub_invalid"),
            (json!("alice\nadmin"), "sub_invalid"),
            (json!("\u{1b}[31m"), "sub_invalid"),
            (json!("\u{0}"), "sub_invalid"),
            (json!("\u{c5}lice"), "admin"),
        ],
    )
}

fn kinds() -> Vec<Case> {
    let mut cases = each(
        "typ",
        vec![
            (json!("Bearer"), "admin"),
            (json!("ID"), "payload_typ"),
            (json!("Refresh"), "payload_typ"),
            (json!("Offline"), "payload_typ"),
            (json!("Logout"), "payload_typ"),
            (json!("bearer"), "payload_typ"),
            (json!(["Bearer"]), "payload_typ"),
        ],
    );
    cases.extend(each(
        "cnf",
        vec![(json!({"x5t#S256": "abc"}), "cnf_present"), (json!({}), "cnf_present")],
    ));
    cases.push(case("cnf null", raw("cnf", "null"), "cnf_present"));
    cases
}

fn roles() -> Vec<Case> {
    let role = "glance-revert-admin";
    let mut cases = each(
        "roles",
        vec![
            (json!(null), "caller"),
            (json!([]), "caller"),
            (json!(["reader", "admin"]), "caller"),
            (json!(["reader", role]), "admin"),
            (json!(["Glance-Revert-Admin"]), "caller"),
            (json!(["glance-revert-admin "]), "caller"),
            (json!(role), "caller"),
            (json!("reader glance-revert-admin"), "caller"),
            (json!({role: true}), "caller"),
            (json!([[role]]), "caller"),
            (json!([role, 1]), "caller"),
            (json!([{"name": role}]), "caller"),
        ],
    );
    for (what, more, expected) in [
        ("realm role", json!({"realm_access": {"roles": [role]}}), "admin"),
        ("client role", json!({"resource_access": {"x": {"roles": [role]}}}), "caller"),
        ("groups", json!({"groups": [role]}), "caller"),
        ("scope", json!({"scope": role}), "caller"),
        ("a pointer as a name", json!({"/roles": [role]}), "caller"),
        ("is_admin", json!({"is_admin": true}), "caller"),
    ] {
        let mut more = more;
        more["roles"] = json!(null);
        cases.push(case(what, with(&more), expected));
    }
    cases
}

fn accounts() -> Vec<Case> {
    let account = |subject: &str| {
        let more = json!({"aud": [AUDIENCE], "roles": null, "sub": subject});
        token(r#"{"alg":"RS256","kid":"any"}"#, &claims(KUBE, &more), Signer::RsaPkcs1)
    };
    let default_audience = {
        let more = json!({"aud": [KUBE], "sub": "system:serviceaccount:openstack:operator"});
        token(r#"{"alg":"RS256","kid":"any"}"#, &claims(KUBE, &more), Signer::RsaPkcs1)
    };
    vec![
        case("a listed account", account("system:serviceaccount:openstack:operator"), "admin"),
        case("another account", account("system:serviceaccount:openstack:default"), "caller"),
        case(
            "an account of like name",
            account("system:serviceaccount:openstack:operator2"),
            "caller",
        ),
        case("another namespace", account("system:serviceaccount:evil:operator"), "caller"),
        case("the default audience", default_audience, "wrong_audience"),
        case(
            "an account of an issuer that does not list it",
            with(&json!({"sub": "system:serviceaccount:openstack:operator", "roles": null})),
            "caller",
        ),
    ]
}
