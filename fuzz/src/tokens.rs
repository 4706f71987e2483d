//! Tokens that are verified locally, and keys.

use aws_lc_rs::rand::SystemRandom;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use glance_revert::app;
use glance_revert::auth::JwtAuthenticator;
use glance_revert::config::{JwtKeyFile, JwtProof};
use glance_revert::domain::principal::{AuthError, Authenticator, Call, Token};

use super::world::{World, with};
use super::{first_line, text};

/// A complete token.
pub(super) fn jwt(data: &[u8]) {
    authenticate(&text(data));
}

/// A header on the first line and claims on the next one, signed with the issuer's key.
pub(super) fn claims(data: &[u8]) {
    let (head, claims) = first_line(data);
    authenticate(&with(|world| signed(world, head, claims)));
}

/// A token with the issuer's signature.
pub(super) fn signed(world: &World, head: &[u8], claims: &[u8]) -> String {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let message = format!("{}.{}", part(head), part(claims));
    let signature = world.signer.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    format!("{message}.{}", part(signature.as_ref()))
}

fn authenticate(token: &str) {
    with(|world| {
        let call = Call::new("POST", "/v2/images/x/actions/revert", Token::new(token));
        assert!(!world.jwt.needs_remote_call(&call));
        let known = world.runtime.block_on(world.jwt.authenticate(&call));
        assert!(!matches!(known, Err(AuthError::Unavailable(_))), "the keys are at hand");
    });
}

/// The contents of `jwks_file` and `public_key_file`.
pub(super) fn key_file(data: &[u8]) {
    with(|world| {
        let path = world.folder.write("keys", data);
        for file in [JwtKeyFile::Jwks(path.clone()), JwtKeyFile::PublicKey(path.clone())] {
            let mut issuer = world.issuer.clone();
            issuer.proof = JwtProof::File(file);
            if let Err(error) = JwtAuthenticator::new(&[issuer], app::clock()) {
                assert!(!error.to_string().is_empty());
            }
        }
    });
}
