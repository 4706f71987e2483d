//! Schemes, encodings, headers, keys and signatures.

use super::{
    Case, KUBE, MAIN, PEM, STRICT, Signer, b64, case, claims, ec_jwk, headed, json, merged, token,
    with,
};
use crate::support::tokens::KEYS;

const HEADER: &str = r#"{"alg":"ES256","kid":"ec"}"#;

/// The order of P-256's group, big-endian.
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
    0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The order of Ed25519's group, little-endian.
const ED_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

pub(super) fn cases() -> Vec<Case> {
    [schemes(), forms(), algorithms(), kids(), extensions(), types(), signatures()].concat()
}

fn schemes() -> Vec<Case> {
    let good = with(&json!({}));
    let of = |what: &str, value: String, expected| (what.to_owned(), value.into_bytes(), expected);
    vec![
        of("scheme bearer", format!("bearer {good}"), "admin"),
        of("scheme BEARER", format!("BEARER {good}"), "admin"),
        of("two blanks after the scheme", format!("Bearer  {good}"), "admin"),
        of("scheme Basic", format!("Basic {good}"), "missing"),
        of("scheme Token", format!("Token {good}"), "missing"),
        of("no scheme", good.clone(), "missing"),
        of("scheme with a colon", format!("Bearer: {good}"), "missing"),
        of("scheme and a tab", format!("Bearer\t{good}"), "missing"),
        of("scheme alone", "Bearer".to_owned(), "missing"),
        of("scheme and a blank", "Bearer ".to_owned(), "missing"),
        of("scheme twice", format!("Bearer Bearer {good}"), "bad_characters"),
        of("two tokens with a comma", format!("Bearer {good}, {good}"), "bad_characters"),
        of("scheme of DPoP", format!("DPoP {good}"), "missing"),
        ("a byte that is not ASCII".to_owned(), b"Bearer \xff\xfe".to_vec(), "not_ascii"),
    ]
}

fn forms() -> Vec<Case> {
    let good = with(&json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let long = |pad: usize| with(&json!({"pad": "x".repeat(pad)}));
    vec![
        case("a word", "garbage", "not_three_parts"),
        case("a Keystone token", "gAAAAABnQ".repeat(20), "not_three_parts"),
        case("one dot", format!("{header}.{payload}"), "not_three_parts"),
        case("four dots, as encrypted tokens have", format!("{good}.a.b"), "not_three_parts"),
        case("a dot at the end", format!("{good}."), "not_three_parts"),
        case("a dot before", format!(".{good}"), "not_three_parts"),
        case("dots alone", "..", "not_three_parts"),
        case("no header", format!(".{payload}.{signature}"), "not_three_parts"),
        case("no payload", format!("{header}..{signature}"), "not_three_parts"),
        case("no signature", format!("{header}.{payload}."), "not_three_parts"),
        case("padding", format!("{good}=="), "bad_characters"),
        case(
            "the standard alphabet",
            format!("{header}.{payload}.+/{signature}"),
            "bad_characters",
        ),
        case("a blank inside", good.replacen('.', ". ", 1), "bad_characters"),
        case("a tab inside", good.replacen('.', ".\t", 1), "bad_characters"),
        case("quotes", format!("\"{good}\""), "bad_characters"),
        case("percent form", good.replace('.', "%2e"), "bad_characters"),
        case("a length that base64 cannot have", format!("{header}.{payload}.AAAAA"), "bad_base64"),
        case("stray bits at the end", format!("{header}.{payload}.AB"), "bad_base64"),
        case("almost 8 KiB", long(5700), "admin"),
        case("more than 8 KiB", long(6200), "too_long"),
        case("much more than 8 KiB", "a.".repeat(10_000), "too_long"),
    ]
}

fn algorithms() -> Vec<Case> {
    let good = claims(MAIN, &json!({}));
    let of = |header: &str, signer| token(header, &good, signer);
    let other = "key_of_other_algorithm";
    let mut cases = vec![
        case("ES256", of(HEADER, Signer::P256), "admin"),
        case("ES384", of(r#"{"alg":"ES384","kid":"ec384"}"#, Signer::P384), "admin"),
        case("EdDSA", of(r#"{"alg":"EdDSA","kid":"ed"}"#, Signer::Ed), "admin"),
        case("RS256", of(r#"{"alg":"RS256","kid":"rsa"}"#, Signer::RsaPkcs1), "admin"),
        case("PS256", of(r#"{"alg":"PS256","kid":"ps"}"#, Signer::RsaPss), "admin"),
        case("PS256, key of RS256", of(r#"{"alg":"PS256","kid":"rsa"}"#, Signer::RsaPss), other),
        case("RS256, key of PS256", of(r#"{"alg":"RS256","kid":"ps"}"#, Signer::RsaPkcs1), other),
        case("ES384, key of P-256", of(r#"{"alg":"ES384","kid":"ec"}"#, Signer::P256), other),
        case("ES256, key of P-384", of(r#"{"alg":"ES256","kid":"ec384"}"#, Signer::P384), other),
        case("EdDSA, key of EC", of(r#"{"alg":"EdDSA","kid":"ec"}"#, Signer::P256), other),
        case("ES256, key of RSA", of(r#"{"alg":"ES256","kid":"rsa"}"#, Signer::P256), other),
        case(
            "RS256 over PSS",
            of(r#"{"alg":"RS256","kid":"rsa"}"#, Signer::RsaPss),
            "bad_signature",
        ),
        case(
            "PS256 over PKCS#1",
            of(r#"{"alg":"PS256","kid":"ps"}"#, Signer::RsaPkcs1),
            "bad_signature",
        ),
        case(
            "RS256 over an HMAC",
            of(r#"{"alg":"RS256","kid":"rsa"}"#, Signer::HmacOfRsa),
            "bad_signature",
        ),
        case(
            "HS256 with the EC key's PEM",
            of(r#"{"alg":"HS256","kid":"ec"}"#, Signer::HmacOfP256),
            "alg_not_allowed",
        ),
        case(
            "HS256 with the RSA key's PEM",
            of(r#"{"alg":"HS256","kid":"rsa"}"#, Signer::HmacOfRsa),
            "alg_not_allowed",
        ),
        case("no alg", headed(r#"{"kid":"ec"}"#), "alg_missing"),
        case("alg null", headed(r#"{"alg":null,"kid":"ec"}"#), "alg_missing"),
        case("alg array", headed(r#"{"alg":["ES256"],"kid":"ec"}"#), "alg_missing"),
        case("alg number", headed(r#"{"alg":256,"kid":"ec"}"#), "alg_missing"),
        case(
            "PS256 where RS256 alone is allowed",
            token(r#"{"alg":"PS256"}"#, &claims(KUBE, &json!({})), Signer::RsaPss),
            "alg_not_allowed",
        ),
    ];
    for name in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        "es256",
        "ES256 ",
        "HS384",
        "HS512",
        "RS1",
        "RS512",
        "ES512",
        "ES256K",
        "eddsa",
        "RSA-OAEP",
        "dir",
        "ES256\u{0}",
    ] {
        let header = json!({"alg": name, "kid": "ec"}).to_string();
        cases.push(case(&format!("alg {name:?}"), headed(&header), "alg_not_allowed"));
    }
    let unsigned = format!("{}.{}.", b64(r#"{"alg":"none"}"#), b64(&good));
    cases.push(case("alg none and no signature", unsigned, "not_three_parts"));
    cases
}

fn kids() -> Vec<Case> {
    let pem = claims(PEM, &json!({}));
    let mut cases = vec![
        case("no kid, two keys fit", headed(r#"{"alg":"ES256"}"#), "kid_missing"),
        case(
            "no kid, one key fits",
            token(r#"{"alg":"EdDSA"}"#, &claims(MAIN, &json!({})), Signer::Ed),
            "admin",
        ),
        case("no kid, a PEM key", token(r#"{"alg":"ES256"}"#, &pem, Signer::P256), "admin"),
        case("any kid, a PEM key", token(HEADER, &pem, Signer::P256), "admin"),
        case(
            "no kid, a PEM key of another kind",
            token(r#"{"alg":"RS256"}"#, &pem, Signer::RsaPkcs1),
            "unknown_key",
        ),
        case("kid null", headed(r#"{"alg":"ES256","kid":null}"#), "kid_invalid"),
        case("kid array", headed(r#"{"alg":"ES256","kid":["ec"]}"#), "kid_invalid"),
        case("kid number", headed(r#"{"alg":"ES256","kid":1}"#), "kid_invalid"),
        case("kid of another key", headed(r#"{"alg":"ES256","kid":"other"}"#), "bad_signature"),
        case(
            "kid of the key for encryption",
            token(r#"{"alg":"ES256","kid":"enc"}"#, &claims(MAIN, &json!({})), Signer::P256Other),
            "unknown_key",
        ),
        case(
            "kid twice",
            headed(r#"{"alg":"ES256","kid":"ec","kid":"ec"}"#),
            "header_duplicate_name",
        ),
    ];
    let long = "k".repeat(2000);
    for kid in [
        "nobody",
        "",
        "EC",
        "ec ",
        "../../../../dev/null",
        "/dev/null",
        "ec' OR '1'='1",
        "|/bin/sleep 9",
        "http://evil.example/key",
        "ec\u{0}",
        "%65%63",
        &long,
    ] {
        let header = json!({"alg": "ES256", "kid": kid}).to_string();
        cases.push(case(&format!("kid {kid:?}"), headed(&header), "unknown_key"));
    }
    cases
}

fn extensions() -> Vec<Case> {
    let jwk = ec_jwk(&KEYS.p256_other, "P-256", &json!({"kid": "mine"}));
    let forged = |more| {
        let header = merged(&json!({"alg": "ES256", "kid": "ec"}), &more).to_string();
        token(&header, &claims(MAIN, &json!({})), Signer::P256Other)
    };
    let ours = |more: &str| headed(&format!(r#"{{"alg":"ES256","kid":"ec",{more}}}"#));
    let deep = format!(r#""x":{}{}"#, "[".repeat(99), "]".repeat(99));
    vec![
        case("jwk", forged(json!({"jwk": jwk})), "bad_signature"),
        case("jwk and its kid", forged(json!({"jwk": jwk, "kid": "mine"})), "unknown_key"),
        case("jku", forged(json!({"jku": "https://evil.example/jwks"})), "bad_signature"),
        case("x5u", forged(json!({"x5u": "file:///etc/passwd"})), "bad_signature"),
        case("x5c", forged(json!({"x5c": ["MIIB"]})), "bad_signature"),
        case("jku beside a good signature", ours(r#""jku":"https://evil.example""#), "admin"),
        case("an unknown name", ours(r#""x":1"#), "admin"),
        case("crit", ours(r#""crit":["exp"]"#), "header_crit"),
        case("crit, empty", ours(r#""crit":[]"#), "header_crit"),
        case("crit null", ours(r#""crit":null"#), "header_crit"),
        case("b64 false", ours(r#""b64":false"#), "header_b64"),
        case("b64 true", ours(r#""b64":true"#), "header_b64"),
        case("zip", ours(r#""zip":"DEF""#), "header_zip"),
        case("enc", ours(r#""enc":"A256GCM""#), "header_enc"),
        case("alg twice", ours(r#""alg":"none""#), "header_duplicate_name"),
        case("alg twice, escaped", ours(r#""\u0061lg":"none""#), "header_duplicate_name"),
        case("a deep header", ours(&deep), "header_too_deep"),
        case("a header that is no JSON", headed("ES256"), "header_not_json"),
        case("a header that is an array", headed(r#"[{"alg":"ES256"}]"#), "header_not_json"),
        case("two headers", headed(r#"{"alg":"ES256","kid":"ec"}{}"#), "header_not_json"),
        case("a comment", headed(r#"{"alg":"ES256","kid":"ec"/**/}"#), "header_not_json"),
    ]
}

fn types() -> Vec<Case> {
    let strict = |header: &str| token(header, &claims(STRICT, &json!({})), Signer::P256);
    let mut cases = vec![
        case("strict, at+jwt", strict(r#"{"alg":"ES256","kid":"ec","typ":"at+JWT"}"#), "admin"),
        case("strict, JWT", strict(r#"{"alg":"ES256","kid":"ec","typ":"JWT"}"#), "header_typ"),
        case("strict, no typ", strict(HEADER), "header_typ"),
    ];
    for (typ, expected) in [
        (json!("JWT"), "admin"),
        (json!("jwt"), "admin"),
        (json!("at+jwt"), "admin"),
        (json!("application/at+jwt"), "admin"),
        (json!("logout+jwt"), "header_typ"),
        (json!("dpop+jwt"), "header_typ"),
        (json!("secevent+jwt"), "header_typ"),
        (json!("JWE"), "header_typ"),
        (json!(""), "header_typ"),
        (json!(["JWT"]), "header_typ"),
        (json!(null), "header_typ"),
    ] {
        let header = format!(r#"{{"alg":"ES256","kid":"ec","typ":{typ}}}"#);
        cases.push(case(&format!("typ {typ}"), headed(&header), expected));
    }
    cases
}

fn signatures() -> Vec<Case> {
    let message = format!("{}.{}", b64(HEADER), b64(claims(MAIN, &json!({}))));
    let good = Signer::P256.sign(&message);
    let with = |signature: &[u8]| format!("{message}.{}", b64(signature));
    let flipped: Vec<u8> = good.iter().enumerate().map(|(i, b)| b ^ u8::from(i == 40)).collect();
    // With ECDSA, both s and n - s sign the message, so this is not a forgery.
    let twin = [&good[..32], &difference(&P256_ORDER, &good[32..])].concat();
    let order = P256_ORDER.as_slice();
    let zero = [0_u8; 32];
    let ed = format!("{}.{}", b64(r#"{"alg":"EdDSA","kid":"ed"}"#), b64(claims(MAIN, &json!({}))));
    let ed_good = Signer::Ed.sign(&ed);
    let ed_with = |signature: &[u8]| format!("{ed}.{}", b64(signature));
    let mut identity = [0_u8; 64];
    identity[0] = 1;
    let of = |header: &str, signer| token(header, &claims(MAIN, &json!({})), signer);
    let refused = "bad_signature";
    vec![
        case("n - s in place of s", with(&twin), "admin"),
        case("somebody else's key", of(HEADER, Signer::P256Other), refused),
        case("DER in place of the raw form", of(HEADER, Signer::P256Der), refused),
        case("r and s zero", with(&[0; 64]), refused),
        case("r zero", with(&[&zero, &good[32..]].concat()), refused),
        case("s zero", with(&[&good[..32], &zero].concat()), refused),
        case("r and s the order", with(&[order, order].concat()), refused),
        case("s the order", with(&[&good[..32], order].concat()), refused),
        case("one byte", with(&[1]), refused),
        case("cut by a byte", with(&good[..63]), refused),
        case("a byte too many", with(&[&good[..], &[0]].concat()), refused),
        case("halves exchanged", with(&[&good[32..], &good[..32]].concat()), refused),
        case("one bit flipped", with(&flipped), refused),
        case("zeros for RSA", of(r#"{"alg":"RS256","kid":"rsa"}"#, Signer::Zeros(256)), refused),
        case(
            "as long as RSA-1024",
            of(r#"{"alg":"RS256","kid":"rsa"}"#, Signer::Zeros(128)),
            refused,
        ),
        case("Ed25519, good", ed_with(&ed_good), "admin"),
        case("Ed25519, zeros", ed_with(&[0; 64]), refused),
        case("Ed25519, the identity", ed_with(&identity), refused),
        case(
            "Ed25519, s plus the order",
            ed_with(&[&ed_good[..32], &sum(&ed_good[32..], &ED_ORDER)].concat()),
            refused,
        ),
        case(
            "another payload",
            format!("{}.{}.{}", b64(HEADER), b64(claims(MAIN, &json!({"sub": "eve"}))), b64(&good)),
            refused,
        ),
        case(
            "an expired forgery is a forgery",
            token(HEADER, &claims(MAIN, &json!({"exp": 1})), Signer::P256Other),
            refused,
        ),
    ]
}

/// `a - b`, big-endian.
fn difference(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = 0_i16;
    let mut digits: Vec<u8> = a
        .iter()
        .zip(b)
        .rev()
        .map(|(a, b)| {
            let digit = i16::from(*a) - i16::from(*b) - borrow;
            borrow = i16::from(digit < 0);
            u8::try_from(digit.rem_euclid(256)).unwrap()
        })
        .collect();
    digits.reverse();
    digits
}

/// `a + b`, little-endian.
fn sum(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0_u16;
    let add = |(a, b): (&u8, &u8)| {
        let digit = u16::from(*a) + u16::from(*b) + carry;
        carry = digit / 256;
        u8::try_from(digit % 256).unwrap()
    };
    a.iter().zip(b).map(add).collect()
}
