//! What can be wrong with a request.

use std::time::Duration;

use crate::config::ScrubTime;

/// What is wrong with a request itself, or with how it was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestError {
    /// A header, parameter or body that cannot be used; the message says which.
    Invalid(String),
    /// No operation has this path.
    UnknownUri,
    /// No image can have the id in the path.
    ImpossibleImageId,
    /// The path is known, the method is not.
    Method,
    /// The request took longer than `request_timeout`.
    Timeout,
    /// The body is too large.
    TooLarge,
    /// The request line is too long.
    UriTooLong,
    /// A body that is not said to be JSON.
    MediaType,
    /// The headers are too large.
    HeadersTooLarge,
    /// No token was sent.
    TokenMissing,
    /// Keystone does not take the name and the password.
    LoginRefused,
    /// The client's tokens were refused too often.
    TooManyFailures {
        /// Until the client has another attempt.
        wait: Duration,
        /// Why this token was refused; for the log.
        cause: &'static str,
    },
    /// A selection has another number of images than the caller counted.
    SelectionChanged {
        /// What the caller said.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// Nothing is scrubbed, since `scrub_time` is nobody's word.
    NoScrubTime(ScrubTime),
    /// This process runs no passes.
    ScrubberOff,
    /// A bug; the text is for the log.
    Internal(String),
}
