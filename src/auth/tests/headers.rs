//! Headers: algorithms, types, key ids, and forbidden members.

use serde_json::json;

use super::support::{KEYS, Signer, World, b64, claims, ec_jwk, token};

fn header(text: &str) -> String {
    token(text, &claims(&json!({})), Signer::P256)
}

#[tokio::test]
async fn every_algorithm_is_accepted_with_its_own_key_only() {
    let good = claims(&json!({}));
    let of = |header: &str, signer| token(header, &good, signer);
    World::new()
        .check(&[
            ("ES256", of(r#"{"alg":"ES256","kid":"ec"}"#, Signer::P256), "admin"),
            ("ES384", of(r#"{"alg":"ES384","kid":"ec384"}"#, Signer::P384), "admin"),
            ("EdDSA", of(r#"{"alg":"EdDSA","kid":"ed"}"#, Signer::Ed), "admin"),
            ("RS256", of(r#"{"alg":"RS256","kid":"rsa"}"#, Signer::RsaPkcs1), "admin"),
            ("PS256", of(r#"{"alg":"PS256","kid":"ps"}"#, Signer::RsaPss), "admin"),
            (
                "PS256 with the key for RS256",
                of(r#"{"alg":"PS256","kid":"rsa"}"#, Signer::RsaPss),
                "key_of_other_algorithm",
            ),
            (
                "RS256 with the key for PS256",
                of(r#"{"alg":"RS256","kid":"ps"}"#, Signer::RsaPkcs1),
                "key_of_other_algorithm",
            ),
            (
                "RS256 header, PSS signature",
                of(r#"{"alg":"RS256","kid":"rsa"}"#, Signer::RsaPss),
                "bad_signature",
            ),
            (
                "PS256 header, PKCS#1 signature",
                of(r#"{"alg":"PS256","kid":"ps"}"#, Signer::RsaPkcs1),
                "bad_signature",
            ),
            (
                "ES384 with the P-256 key",
                of(r#"{"alg":"ES384","kid":"ec"}"#, Signer::P256),
                "key_of_other_algorithm",
            ),
            (
                "ES256 with the P-384 key",
                of(r#"{"alg":"ES256","kid":"ec384"}"#, Signer::P384),
                "key_of_other_algorithm",
            ),
            (
                "EdDSA with the EC key",
                of(r#"{"alg":"EdDSA","kid":"ec"}"#, Signer::P256),
                "key_of_other_algorithm",
            ),
            (
                "ES256 with the RSA key",
                of(r#"{"alg":"ES256","kid":"rsa"}"#, Signer::P256),
                "key_of_other_algorithm",
            ),
        ])
        .await;
}

#[tokio::test]
async fn no_other_algorithm_is_ever_accepted() {
    let good = claims(&json!({}));
    let kube = claims(&json!({"iss": "https://kubernetes.default.svc"}));
    let unsigned = format!("{}.{}.", b64(r#"{"alg":"none","kid":"ec"}"#), b64(&good));
    let refused = "alg_not_allowed";
    World::new()
        .check(&[
            ("none", header(r#"{"alg":"none","kid":"ec"}"#), refused),
            ("none, no signature", unsigned, "not_three_parts"),
            ("None", header(r#"{"alg":"None","kid":"ec"}"#), refused),
            ("nOnE", header(r#"{"alg":"nOnE","kid":"ec"}"#), refused),
            ("empty", header(r#"{"alg":"","kid":"ec"}"#), refused),
            ("lower case", header(r#"{"alg":"es256","kid":"ec"}"#), refused),
            ("a space after it", header(r#"{"alg":"ES256 ","kid":"ec"}"#), refused),
            ("a null after it", header(r#"{"alg":"ES256\u0000","kid":"ec"}"#), refused),
            ("eddsa", header(r#"{"alg":"eddsa","kid":"ed"}"#), refused),
            ("ES512", header(r#"{"alg":"ES512","kid":"ec"}"#), refused),
            ("ES256K", header(r#"{"alg":"ES256K","kid":"ec"}"#), refused),
            ("RS512", header(r#"{"alg":"RS512","kid":"rsa"}"#), refused),
            ("RS1", header(r#"{"alg":"RS1","kid":"rsa"}"#), refused),
            ("RSA-OAEP", header(r#"{"alg":"RSA-OAEP","kid":"rsa"}"#), refused),
            ("no alg", header(r#"{"kid":"ec"}"#), "alg_missing"),
            ("alg null", header(r#"{"alg":null,"kid":"ec"}"#), "alg_missing"),
            ("alg array", header(r#"{"alg":["ES256"],"kid":"ec"}"#), "alg_missing"),
            ("alg number", header(r#"{"alg":256,"kid":"ec"}"#), "alg_missing"),
            (
                "HS256 with the EC public key as the secret",
                token(r#"{"alg":"HS256","kid":"ec"}"#, &good, Signer::HmacOfP256),
                refused,
            ),
            (
                "HS256 with the RSA public key as the secret",
                token(r#"{"alg":"HS256","kid":"rsa"}"#, &good, Signer::HmacOfRsa),
                refused,
            ),
            (
                "RS256 header over that HMAC",
                token(r#"{"alg":"RS256","kid":"rsa"}"#, &good, Signer::HmacOfRsa),
                "bad_signature",
            ),
            (
                "good PS256 where the issuer may only use RS256",
                token(r#"{"alg":"PS256"}"#, &kube, Signer::RsaPss),
                refused,
            ),
            ("good RS256 there", token(r#"{"alg":"RS256"}"#, &kube, Signer::RsaPkcs1), "admin"),
        ])
        .await;
}

#[tokio::test]
async fn a_kid_must_name_a_key_unless_only_one_fits() {
    let good = claims(&json!({}));
    let pem = claims(&json!({"iss": "https://pem.example"}));
    let of = |header: &str, signer| token(header, &good, signer);
    World::new()
        .check(&[
            ("no kid, two keys fit", header(r#"{"alg":"ES256"}"#), "kid_missing"),
            ("no kid, one fits", of(r#"{"alg":"EdDSA"}"#, Signer::Ed), "admin"),
            ("unknown", header(r#"{"alg":"ES256","kid":"nobody"}"#), "unknown_key"),
            ("empty", header(r#"{"alg":"ES256","kid":""}"#), "unknown_key"),
            ("other case", header(r#"{"alg":"ES256","kid":"EC"}"#), "unknown_key"),
            ("path", header(r#"{"alg":"ES256","kid":"../../dev/null"}"#), "unknown_key"),
            ("null", header(r#"{"alg":"ES256","kid":null}"#), "kid_invalid"),
            ("array", header(r#"{"alg":"ES256","kid":["ec"]}"#), "kid_invalid"),
            ("number", header(r#"{"alg":"ES256","kid":1}"#), "kid_invalid"),
            ("object", header(r#"{"alg":"ES256","kid":{"ec":1}}"#), "kid_invalid"),
            (
                "of the key for encryption",
                of(r#"{"alg":"ES256","kid":"enc"}"#, Signer::P256Other),
                "unknown_key",
            ),
            (
                "of another key of the set",
                header(r#"{"alg":"ES256","kid":"other"}"#),
                "bad_signature",
            ),
            (
                "any, with a PEM key",
                token(r#"{"alg":"ES256","kid":"x"}"#, &pem, Signer::P256),
                "admin",
            ),
            ("none, with a PEM key", token(r#"{"alg":"ES256"}"#, &pem, Signer::P256), "admin"),
            (
                "none, with a PEM key of another kind",
                token(r#"{"alg":"RS256"}"#, &pem, Signer::RsaPkcs1),
                "unknown_key",
            ),
            (
                "any, with a PEM key of another kind",
                token(r#"{"alg":"RS256","kid":"x"}"#, &pem, Signer::RsaPkcs1),
                "key_of_other_algorithm",
            ),
        ])
        .await;
}

#[tokio::test]
async fn keys_inside_a_token_are_never_used_and_unknown_meaning_is_refused() {
    let good = claims(&json!({}));
    let jwk = ec_jwk(&KEYS.p256_other, "P-256", &json!({"kid": "mine"}));
    let attacker = |more: &serde_json::Value| {
        let header = super::support::merged(&json!({"alg": "ES256", "kid": "ec"}), more);
        token(&header.to_string(), &good, Signer::P256Other)
    };
    let ours = |more: &str| header(&format!(r#"{{"alg":"ES256","kid":"ec",{more}}}"#));
    World::new()
        .check(&[
            ("jwk", attacker(&json!({"jwk": jwk})), "bad_signature"),
            ("jwk and its kid", attacker(&json!({"jwk": jwk, "kid": "mine"})), "unknown_key"),
            ("jku", attacker(&json!({"jku": "https://evil.example/jwks"})), "bad_signature"),
            ("x5u", attacker(&json!({"x5u": "file:///etc/passwd"})), "bad_signature"),
            ("x5c", attacker(&json!({"x5c": ["MIIB"]})), "bad_signature"),
            ("jku beside a good signature", ours(r#""jku":"https://evil.example""#), "admin"),
            ("crit", ours(r#""crit":["exp"]"#), "header_crit"),
            ("crit, empty", ours(r#""crit":[]"#), "header_crit"),
            ("crit null", ours(r#""crit":null"#), "header_crit"),
            ("b64 false", ours(r#""b64":false"#), "header_b64"),
            ("b64 true", ours(r#""b64":true"#), "header_b64"),
            ("zip", ours(r#""zip":"DEF""#), "header_zip"),
            ("enc", ours(r#""enc":"A256GCM""#), "header_enc"),
            ("kid twice", ours(r#""kid":"ec""#), "header_duplicate_name"),
            ("alg twice", ours(r#""alg":"none""#), "header_duplicate_name"),
            ("alg twice, escaped", ours(r#""\u0061lg":"none""#), "header_duplicate_name"),
            ("unknown name twice", ours(r#""x":1,"x":1"#), "header_duplicate_name"),
            ("unknown name", ours(r#""x":1"#), "admin"),
            (
                "deep",
                ours(&format!(r#""x":{}{}"#, "[".repeat(99), "]".repeat(99))),
                "header_too_deep",
            ),
            ("not JSON", header("ES256"), "header_not_json"),
            ("array", header(r#"[{"alg":"ES256","kid":"ec"}]"#), "header_not_json"),
            ("two objects", header(r#"{"alg":"ES256","kid":"ec"}{}"#), "header_not_json"),
            ("comment", header(r#"{"alg":"ES256","kid":"ec"/**/}"#), "header_not_json"),
        ])
        .await;
}

#[tokio::test]
async fn only_the_types_of_access_tokens_are_accepted() {
    let typ = |typ: &str| header(&format!(r#"{{"alg":"ES256","kid":"ec","typ":{typ}}}"#));
    let at_jwt = claims(&json!({"iss": "https://strict.example"}));
    let strict = |header: &str| token(header, &at_jwt, Signer::P256);
    World::new()
        .check(&[
            ("JWT", typ(r#""JWT""#), "admin"),
            ("jwt", typ(r#""jwt""#), "admin"),
            ("at+jwt", typ(r#""at+jwt""#), "admin"),
            ("AT+JWT", typ(r#""AT+JWT""#), "admin"),
            ("application/at+jwt", typ(r#""application/at+jwt""#), "admin"),
            ("logout+jwt", typ(r#""logout+jwt""#), "header_typ"),
            ("dpop+jwt", typ(r#""dpop+jwt""#), "header_typ"),
            ("JWE", typ(r#""JWE""#), "header_typ"),
            ("empty", typ(r#""""#), "header_typ"),
            ("null", typ("null"), "header_typ"),
            ("array", typ(r#"["JWT"]"#), "header_typ"),
            ("strict, at+jwt", strict(r#"{"alg":"ES256","kid":"ec","typ":"At+Jwt"}"#), "admin"),
            (
                "strict, application/at+jwt",
                strict(r#"{"alg":"ES256","kid":"ec","typ":"application/at+jwt"}"#),
                "admin",
            ),
            ("strict, JWT", strict(r#"{"alg":"ES256","kid":"ec","typ":"JWT"}"#), "header_typ"),
            ("strict, none", strict(r#"{"alg":"ES256","kid":"ec"}"#), "header_typ"),
        ])
        .await;
}
