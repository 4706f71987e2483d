//! What can go wrong with a request, and what it means for the data: the one table of answers.

use reqwest::StatusCode;

use crate::domain::store::{Deletion, StoreError};

/// Why a question got no answer that says something of the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The location is not one to touch.
    Location(String),
    /// There is nothing to sign requests with.
    NoKeys(String),
    /// No connection stood: nothing was sent.
    Unreached(String),
    /// The connection failed after it had stood: the request may have arrived.
    Cut(String),
    /// No answer came in time.
    Late(String),
    /// The service said this; with the word of its body and the region that it wants, if any.
    Answered(StatusCode, String),
    /// The service contradicts itself.
    Unclear(String),
}

impl Fault {
    /// Whether the same question may be answered a moment later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreached(_) | Self::Cut(_) => true,
            Self::Answered(status, _) => is_busy(*status),
            Self::Location(_) | Self::NoKeys(_) | Self::Late(_) | Self::Unclear(_) => false,
        }
    }

    fn is_refusal(&self) -> bool {
        matches!(self, Self::Answered(StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED, _))
    }

    /// The end of a request that was to destroy something. A refusal is one even of what may not
    /// exist, and whatever was not sent did nothing.
    pub(super) fn of_deletion(self) -> Deletion {
        if self.is_refusal() || matches!(self, Self::Unreached(_)) {
            Deletion::Refused(self.message())
        } else {
            Deletion::Uncertain(self.message())
        }
    }

    /// The end of a question that was asked before anything was to be destroyed.
    pub(super) fn before_deletion(self) -> Deletion {
        Deletion::Refused(format!("nothing was deleted: {}", self.message()))
    }

    fn message(self) -> String {
        match self {
            Self::Location(text)
            | Self::NoKeys(text)
            | Self::Unreached(text)
            | Self::Cut(text)
            | Self::Late(text)
            | Self::Unclear(text) => text,
            Self::Answered(status, note) => {
                let note = if note.is_empty() { note } else { format!(" ({note})") };
                format!("the service answers {status}{note}{}", hint(status))
            }
        }
    }
}

/// Statuses by which a service asks for patience.
pub(super) fn is_busy(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

fn hint(status: StatusCode) -> &'static str {
    match status.as_u16() {
        403 => {
            "; check s3_store_access_key, s3_store_secret_key, the bucket's policy and the clock"
        }
        400 => "; check s3_store_region_name",
        301 | 307 => "; redirects are not followed: check s3_store_host and s3_store_region_name",
        404 => "; check s3_store_bucket and s3_store_host",
        _ => "",
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let is_refusal = fault.is_refusal();
        match fault {
            Fault::Location(text) => Self::BadLocation(text),
            Fault::NoKeys(text) => Self::NotVerifiable(text),
            Fault::Answered(..) if is_refusal => Self::Refused(fault.message()),
            Fault::Unreached(_)
            | Fault::Cut(_)
            | Fault::Late(_)
            | Fault::Answered(..)
            | Fault::Unclear(_) => Self::Unreachable(fault.message()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16) -> Fault {
        Fault::Answered(StatusCode::from_u16(status).unwrap(), "SomeCode".to_owned())
    }

    #[test]
    fn each_answer_to_a_deletion_says_what_became_of_the_data() {
        for status in [401, 403] {
            assert!(matches!(answered(status).of_deletion(), Deletion::Refused(_)), "{status}");
        }
        for status in [301, 307, 400, 404, 405, 409, 412, 429, 500, 501, 503] {
            assert!(matches!(answered(status).of_deletion(), Deletion::Uncertain(_)), "{status}");
        }
        let text = || "x".to_owned();
        assert!(matches!(Fault::Unreached(text()).of_deletion(), Deletion::Refused(_)));
        for fault in [Fault::Cut(text()), Fault::Late(text()), Fault::Unclear(text())] {
            assert!(matches!(fault.clone().of_deletion(), Deletion::Uncertain(_)), "{fault:?}");
            assert!(matches!(fault.before_deletion(), Deletion::Refused(_)));
        }
    }

    #[test]
    fn only_what_may_pass_is_asked_again() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(answered(status).may_pass(), "{status}");
        }
        for status in [301, 400, 401, 403, 404, 409, 501] {
            assert!(!answered(status).may_pass(), "{status}");
        }
    }
}
