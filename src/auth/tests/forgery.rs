//! Tokens that are truncated, modified, re-encoded or signed by somebody else.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::json;

use super::support::{Signer, World, b64, claims, claims_and, token, usual};

const HEADER: &str = r#"{"alg":"ES256","kid":"ec"}"#;

/// A good token, and its three parts.
fn good() -> (String, [String; 3]) {
    let token = usual(&claims(&json!({})));
    let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    (token, parts.try_into().unwrap())
}

#[tokio::test]
async fn a_signature_must_be_the_keys_own_and_in_its_exact_form() {
    let good_claims = claims(&json!({}));
    let of = |header: &str, signer| token(header, &good_claims, signer);
    let (whole, [header, payload, signature]) = good();
    let other_payload = b64(claims(&json!({"sub": "mallory"})));
    let other_header = b64(r#"{"alg":"ES256","kid":"ec","x":1}"#);
    let bytes = Signer::P256.sign(&format!("{header}.{payload}"));
    let with = |signature: &[u8]| format!("{header}.{payload}.{}", b64(signature));
    let flipped: Vec<u8> = bytes.iter().enumerate().map(|(i, b)| b ^ u8::from(i == 40)).collect();
    let refused = "bad_signature";
    World::new()
        .check(&[
            ("good", whole, "admin"),
            ("somebody else's key", of(HEADER, Signer::P256Other), refused),
            ("DER in place of the raw form", of(HEADER, Signer::P256Der), refused),
            ("all zeros", of(HEADER, Signer::Zeros(64)), refused),
            ("one byte", of(HEADER, Signer::Zeros(1)), refused),
            ("zeros for Ed25519", of(r#"{"alg":"EdDSA","kid":"ed"}"#, Signer::Zeros(64)), refused),
            ("zeros for RSA", of(r#"{"alg":"RS256","kid":"rsa"}"#, Signer::Zeros(256)), refused),
            ("cut by a byte", with(&bytes[..63]), refused),
            ("half", with(&bytes[..32]), refused),
            ("a byte too many", with(&[&bytes[..], &[0]].concat()), refused),
            ("halves exchanged", with(&[&bytes[32..], &bytes[..32]].concat()), refused),
            ("one bit flipped", with(&flipped), refused),
            ("other payload", format!("{header}.{other_payload}.{signature}"), refused),
            ("other header", format!("{other_header}.{payload}.{signature}"), refused),
            (
                "an expired forgery is a forgery",
                { token(HEADER, &claims(&json!({"exp": 1})), Signer::P256Other) },
                refused,
            ),
        ])
        .await;
}

#[tokio::test]
async fn a_token_has_only_one_valid_encoding() {
    let (whole, [header, payload, signature]) = good();
    let bent = |signature: &str| format!("{header}.{payload}.{signature}");
    let same_bytes_other_spelling = {
        let (start, last) = signature.split_at(signature.len() - 1);
        // 64 bytes leave 4 unused bits in the last character; setting one changes no byte.
        let last = match last {
            "A" => "B",
            "Q" => "R",
            "g" => "h",
            _ => "x",
        };
        format!("{start}{last}")
    };
    let standard = STANDARD.encode(Signer::P256.sign("x"));
    World::new()
        .check(&[
            ("last bits not zero", bent(&same_bytes_other_spelling), "bad_base64"),
            ("padding", bent(&format!("{signature}==")), "bad_characters"),
            ("standard alphabet", bent(&format!("+/{standard}")), "bad_characters"),
            ("length that base64 cannot have", bent("AAAAA"), "bad_base64"),
            (
                "padded header",
                format!("{}.{payload}.{signature}", URL_SAFE.encode(r#"{"alg":"ES256"}x"#)),
                "bad_characters",
            ),
            ("space before", format!(" {whole}"), "bad_characters"),
            ("space after", format!("{whole} "), "bad_characters"),
            ("line end after", format!("{whole}\n"), "bad_characters"),
            ("tab inside", whole.replacen('.', ".\t", 1), "bad_characters"),
            ("null after", format!("{whole}\0"), "bad_characters"),
            ("Bearer before", format!("Bearer {whole}"), "bad_characters"),
            ("unicode dot", whole.replacen('.', "\u{ff0e}", 1), "bad_characters"),
            ("zero-width space", format!("\u{200b}{whole}"), "bad_characters"),
            ("quotes", format!("\"{whole}\""), "bad_characters"),
            ("two tokens", format!("{whole},{whole}"), "bad_characters"),
            ("percent escape", whole.replacen('.', "%2e", 1), "bad_characters"),
        ])
        .await;
}

#[tokio::test]
async fn there_are_three_parts_and_none_is_empty() {
    let (whole, [header, payload, signature]) = good();
    let refused = "not_three_parts";
    World::new()
        .check(&[
            ("nothing", String::new(), refused),
            ("one part", header.clone(), refused),
            ("one dot", format!("{header}.{payload}"), refused),
            ("three dots", format!("{whole}.{signature}"), refused),
            ("four dots, as encrypted tokens have", format!("{whole}.a.b"), refused),
            ("dot at the end", format!("{whole}."), refused),
            ("dot before", format!(".{whole}"), refused),
            ("dots alone", "..".to_owned(), refused),
            ("no header", format!(".{payload}.{signature}"), refused),
            ("no payload", format!("{header}..{signature}"), refused),
            ("no signature", format!("{header}.{payload}."), refused),
            ("a Keystone token", "gAAAAABnQ".repeat(20), refused),
        ])
        .await;
}

#[tokio::test]
async fn length_and_depth_are_bounded() {
    // No part can be of every length in base64url, but two parts together can.
    let padded = |length: usize| {
        let sizes = (0..3).flat_map(|spaces| (5700..6100).map(move |pad| (spaces, pad)));
        let built = |(spaces, pad): (usize, usize)| {
            let header = format!("{HEADER}{}", " ".repeat(spaces));
            let claims = claims_and(&format!(r#""pad":"{}""#, "x".repeat(pad)));
            token(&header, &claims, Signer::P256)
        };
        sizes.map(built).find(|token| token.len() == length).unwrap()
    };
    let longest = padded(8192);
    let depth = |depth: usize| {
        claims_and(&format!(r#""deep":{}{}"#, "[".repeat(depth - 1), "]".repeat(depth - 1)))
    };
    let too_long = format!("{longest}A");
    assert_eq!((longest.len(), too_long.len()), (8192, 8193));
    World::new()
        .check(&[
            ("8 KiB", longest, "admin"),
            ("8 KiB and a byte", too_long, "too_long"),
            ("a megabyte", "a.".repeat(500_000), "too_long"),
            ("16 deep", usual(&depth(16)), "admin"),
            ("17 deep", usual(&depth(17)), "payload_too_deep"),
            ("2000 deep", usual(&depth(2000)), "payload_too_deep"),
            ("payload not JSON", usual("hello"), "payload_not_json"),
            ("payload a string", usual("\"hello\""), "payload_not_json"),
            ("payload an array", usual("[]"), "payload_not_json"),
            ("payload null", usual("null"), "payload_not_json"),
            ("payload with a tail", usual(&format!("{}x", claims(&json!({})))), "payload_not_json"),
            (
                "payload with a byte order mark",
                usual(&format!("\u{feff}{}", claims(&json!({})))),
                "payload_not_json",
            ),
        ])
        .await;
}
