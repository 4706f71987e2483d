//! What a server answers to one question, and every way in which it does not.

use secrecy::{ExposeSecret, SecretString};

use crate::net::{self, BodyError, RequestBuilder, StatusCode, root_cause};

/// The longest answer that is read, in bytes.
const MAX_BODY: usize = 256 * 1024;

/// Why there is no answer. The texts hold nothing that the server said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AnswerProblem {
    /// No connection, no certificate that is trusted, no answer in time.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It wants to know who we are, or knows and does not want us.
    #[error("it answers {0}: see whether token_file holds a token that it accepts")]
    Refused(StatusCode),
    /// Where it leads to was not configured.
    #[error(
        "it answers {0}, and redirects are not followed: configure the address that it leads to"
    )]
    Redirect(StatusCode),
    /// Any other status than success.
    #[error("it answers {0}")]
    Status(StatusCode),
    /// The body is too long or was cut.
    #[error("its answer cannot be read: {0}")]
    Body(#[from] BodyError),
    /// It took too long.
    #[error("it did not answer within 5 seconds")]
    Slow,
}

/// Sends a question, with our own token if there is one, and reads the answer.
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
