//! One request to an issuer or API server, and every way in which it can fail.

use secrecy::{ExposeSecret, SecretString};

use crate::net::{self, BodyError, RequestBuilder, StatusCode, root_cause};

/// The longest response body that is read, in bytes.
const MAX_BODY: usize = 256 * 1024;

/// Why there is no usable response. The messages quote nothing the server sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AnswerProblem {
    /// No connection, no trusted certificate, or no response in time.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It requires authentication, or refuses our token.
    #[error("it answers {0}: check that token_file has a token that it accepts")]
    Refused(StatusCode),
    /// It redirects; redirects are not followed.
    #[error("it answers {0}, and redirects are not followed: configure the final address")]
    Redirect(StatusCode),
    /// Any other status than success.
    #[error("it answers {0}")]
    Status(StatusCode),
    /// The body is too long or was cut off.
    #[error("its answer cannot be read: {0}")]
    Body(#[from] BodyError),
    /// The request took too long.
    #[error("it did not answer within 5 seconds")]
    Slow,
}

/// Sends a request, with our own token if there is one, and reads the response.
pub(super) async fn ask(
    question: RequestBuilder,
    token: Option<&SecretString>,
) -> Result<Vec<u8>, AnswerProblem> {
    let question = match token {
        Some(token) => question.bearer_auth(token.expose_secret()),
        None => question,
    };
    let response = question.send().await.map_err(|error| {
        if error.is_timeout() {
            AnswerProblem::Slow
        } else {
            AnswerProblem::Unreachable(root_cause(error))
        }
    })?;
    let status = response.status();
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(AnswerProblem::Refused(status)),
        _ if status.is_redirection() => Err(AnswerProblem::Redirect(status)),
        StatusCode::OK | StatusCode::CREATED => Ok(net::body(response, MAX_BODY).await?),
        _ => Err(AnswerProblem::Status(status)),
    }
}
