//! A verifier that recognises a few fixed tokens.

use async_trait::async_trait;
use glance_revert::domain::principal::{AuthError, AuthMethod, Authenticator, Call, Principal};

/// Recognises the tokens `<prefix>-admin` and `<prefix>-reader`; with `<prefix>-down` it is
/// unavailable.
#[derive(Debug)]
pub(crate) struct FakeAuthenticator(pub(crate) &'static str);

#[async_trait]
impl Authenticator for FakeAuthenticator {
    async fn authenticate(&self, call: &Call<'_>) -> Result<Principal, AuthError> {
        let known =
            call.token.expose().strip_prefix(self.0).and_then(|rest| rest.strip_prefix('-'));
        let principal = |is_admin| Principal {
            is_admin,
            name: Some("Some One".to_owned()),
            scope: Some("project:p1".to_owned()),
            token_ids: vec!["t1".to_owned(), "t2".to_owned()],
            lacks: if is_admin { vec![] } else { vec!["image-admin".to_owned()] },
            ..Principal::new(self.0, "someone", AuthMethod::Jwt)
        };
        match known {
            Some("admin") => Ok(principal(true)),
            Some("reader") => Ok(principal(false)),
            Some("down") => Err(AuthError::Unavailable("connect to 10.0.0.7 failed".to_owned())),
            Some("expired") => Err(AuthError::Invalid { reason: "expired" }),
            _ => Err(AuthError::Invalid { reason: "unknown" }),
        }
    }

    /// Like the real verifiers.
    fn needs_remote_call(&self, _: &Call<'_>) -> bool {
        self.0 == "keystone"
    }
}
