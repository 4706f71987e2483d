//! Errors of HTTP requests and their meaning for the data: the table of all stores that use HTTP.

use reqwest::StatusCode;

use crate::domain::store::{Deletion, StoreError};
use crate::net::root_cause;

/// Why a request gave no usable result, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The location must not be touched.
    Location(String),
    /// The configuration does not permit the request.
    NotAble(String),
    /// No token, or a refused one: nothing reached the store.
    Login(String),
    /// No connection: nothing was sent.
    Unreached(String),
    /// The connection broke: the request may have arrived.
    Cut(String),
    /// No response in time.
    Late(String),
    /// An error status of the service.
    Answered(StatusCode, String),
    /// A contradictory or unreadable response.
    Unclear(String),
}

impl Fault {
    /// A request without a response.
    pub(super) fn unanswered(error: reqwest::Error) -> Self {
        let is_unreached = error.is_connect();
        let cause = root_cause(error);
        if is_unreached { Self::Unreached(cause) } else { Self::Cut(cause) }
    }

    /// Whether a retry may succeed.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreached(_) | Self::Cut(_) => true,
            Self::Answered(status, _) => is_busy(*status),
            Self::Location(_)
            | Self::NotAble(_)
            | Self::Login(_)
            | Self::Late(_)
            | Self::Unclear(_) => false,
        }
    }

    /// Whether the service denies us access.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Answered(StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED, _))
    }

    /// The result of a failed delete request: one that was refused or never sent changed nothing.
    pub(super) fn of_deletion(self) -> Deletion {
        match self {
            Self::Location(text)
            | Self::NotAble(text)
            | Self::Login(text)
            | Self::Unreached(text)
            | Self::Answered(StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED, text) => {
                Deletion::Refused(text)
            }
            Self::Answered(_, text) | Self::Cut(text) | Self::Late(text) | Self::Unclear(text) => {
                Deletion::Uncertain(text)
            }
        }
    }

    /// The result of a failure before the delete request.
    pub(super) fn before_deletion(self) -> Deletion {
        Deletion::Refused(format!("nothing was deleted: {}", self.message()))
    }

    /// The result of a failure after a successful delete request: the data must be assumed changed.
    pub(super) fn after_deletion(self) -> Deletion {
        Deletion::Uncertain(format!(
            "the deletion was confirmed, but the check after it failed: {}",
            self.message()
        ))
    }

    pub(super) fn message(&self) -> &str {
        let (Self::Location(text)
        | Self::NotAble(text)
        | Self::Login(text)
        | Self::Unreached(text)
        | Self::Cut(text)
        | Self::Late(text)
        | Self::Answered(_, text)
        | Self::Unclear(text)) = self;
        text
    }
}

/// Statuses that ask the client to slow down; 498 is Swift's rate limit.
pub(super) fn is_busy(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 498 | 500 | 502 | 503 | 504)
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Location(text) => Self::BadLocation(text),
            Fault::NotAble(text) => Self::NotVerifiable(text),
            Fault::Answered(StatusCode::FORBIDDEN, text) => Self::Refused(text),
            Fault::Login(text)
            | Fault::Unreached(text)
            | Fault::Cut(text)
            | Fault::Late(text)
            | Fault::Answered(_, text)
            | Fault::Unclear(text) => Self::Unreachable(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16) -> Fault {
        Fault::Answered(StatusCode::from_u16(status).unwrap(), "x".to_owned())
    }

    #[test]
    fn each_response_to_a_deletion_says_what_happened_to_the_data() {
        for status in [401, 403] {
            assert!(matches!(answered(status).of_deletion(), Deletion::Refused(_)), "{status}");
        }
        for status in [301, 307, 400, 404, 405, 408, 409, 412, 429, 498, 500, 501, 503, 507] {
            assert!(matches!(answered(status).of_deletion(), Deletion::Uncertain(_)), "{status}");
        }
        for not_sent in [Fault::Location, Fault::NotAble, Fault::Login, Fault::Unreached] {
            assert!(matches!(not_sent("x".to_owned()).of_deletion(), Deletion::Refused(_)));
        }
        for in_doubt in [Fault::Cut, Fault::Late, Fault::Unclear] {
            let fault = in_doubt("x".to_owned());
            assert!(matches!(fault.clone().of_deletion(), Deletion::Uncertain(_)), "{fault:?}");
            assert!(matches!(fault.before_deletion(), Deletion::Refused(_)));
        }
    }

    #[test]
    fn no_fault_after_a_deletion_that_succeeded_says_that_the_data_is_there() {
        for fault in [
            Fault::Location,
            Fault::NotAble,
            Fault::Login,
            Fault::Unreached,
            Fault::Cut,
            Fault::Late,
            Fault::Unclear,
        ] {
            let fault = fault("x".to_owned());
            assert!(matches!(fault.clone().after_deletion(), Deletion::Uncertain(_)), "{fault:?}");
        }
        for status in [401, 403, 404, 500] {
            let deletion = answered(status).after_deletion();
            assert!(matches!(deletion, Deletion::Uncertain(_)), "{status}: {deletion:?}");
        }
    }

    #[test]
    fn only_temporary_errors_are_retried() {
        for status in [408, 429, 498, 500, 502, 503, 504] {
            assert!(answered(status).may_pass(), "{status}");
        }
        for status in [301, 400, 401, 403, 404, 409, 501, 507] {
            assert!(!answered(status).may_pass(), "{status}");
        }
        for passes in [Fault::Unreached, Fault::Cut] {
            assert!(passes("x".to_owned()).may_pass());
        }
        for stays in [Fault::Location, Fault::NotAble, Fault::Login, Fault::Late, Fault::Unclear] {
            assert!(!stays("x".to_owned()).may_pass());
        }
    }
}
