//! What can go wrong with a request over HTTP, and what it means for the data: the one table of
//! the stores that speak it.

use reqwest::StatusCode;

use crate::domain::store::{Deletion, StoreError};
use crate::net::root_cause;

/// Why a question got no answer that says something of the data; in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The location is not one to touch.
    Location(String),
    /// The configuration does not let us ask.
    NotAble(String),
    /// There is no token, or it opens nothing: nothing was sent to the store.
    Login(String),
    /// No connection stood: nothing was sent.
    Unreached(String),
    /// The connection failed after it had stood: the request may have arrived.
    Cut(String),
    /// No answer came in time.
    Late(String),
    /// The service said this.
    Answered(StatusCode, String),
    /// The service contradicts itself, or says what cannot be read.
    Unclear(String),
}

impl Fault {
    /// A request that was not answered.
    pub(super) fn unanswered(error: reqwest::Error) -> Self {
        let is_unreached = error.is_connect();
        let cause = root_cause(error);
        if is_unreached { Self::Unreached(cause) } else { Self::Cut(cause) }
    }

    /// Whether the same question may be answered a moment later.
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

    /// Whether the service knows us and says no.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Answered(StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED, _))
    }

    /// The end of a request that was to destroy something: what a refusal was the answer to, and
    /// what was not sent, did nothing.
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

    /// The end of a question that was asked before anything was to be destroyed.
    pub(super) fn before_deletion(self) -> Deletion {
        Deletion::Refused(format!("nothing was deleted: {}", self.message()))
    }

    /// The end of a question that was asked after a request to destroy had succeeded: whatever it
    /// was, the data is not known to be as it was.
    pub(super) fn after_deletion(self) -> Deletion {
        Deletion::Uncertain(format!(
            "the removal was confirmed, and what is left cannot be seen: {}",
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

/// Statuses by which a service asks for patience; 498 is a Swift's that limits rates.
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
    fn each_answer_to_a_deletion_says_what_became_of_the_data() {
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
    fn only_what_may_pass_is_asked_again() {
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
