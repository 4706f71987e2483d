//! What can be wrong with a request.

use std::time::Duration;

use crate::config::ScrubTime;

/// Errors of the request itself, or of handling it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestError {
    /// An invalid header, parameter or body; the message says which.
    Invalid(String),
    /// No operation has this path.
    UnknownUri,
    /// The id in the path is not a possible image id.
    ImpossibleImageId,
    /// The path exists, but not with this method.
    Method,
    /// The request took longer than `request_timeout`.
    Timeout,
    /// The body is too large.
    TooLarge,
    /// The request line is too long.
    UriTooLong,
    /// The body's content type is not JSON.
    MediaType,
    /// The headers are too large.
    HeadersTooLarge,
    /// No token was sent.
    TokenMissing,
    /// Keystone refuses the name or password.
    LoginRefused,
    /// The client's tokens were refused too often.
    TooManyFailures {
        /// Time until the client may try again.
        wait: Duration,
        /// Why this token was refused; for the log only.
        cause: &'static str,
    },
    /// The selection has another number of images than the caller expected.
    SelectionChanged {
        /// The expected number.
        expected: u64,
        /// The actual number.
        found: u64,
    },
    /// Nothing is scrubbed because `scrub_time` is unset or too short.
    NoScrubTime(ScrubTime),
    /// This process runs no passes.
    ScrubberOff,
    /// A bug; the text is for the log.
    Internal(String),
}
