//! What can go wrong with a request, and what it means for the data: the one table of answers.

use reqwest::StatusCode;

use crate::domain::store::{Deletion, StoreError};

/// Why a question got no answer that says something of the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The location is not one to touch.
    Location(String),
    /// There is no token, or no account's URL: nothing was sent to Swift.
    Login(String),
    /// No connection stood: nothing was sent.
    Unreached(String),
    /// The connection failed after it had stood: the request may have arrived.
    Cut(String),
    /// No answer came in time.
    Late,
    /// Swift said this; with its name for the transaction.
    Answered(StatusCode, String),
    /// Swift contradicts itself, or says what cannot be read.
    Unclear(String),
}

impl Fault {
    /// Whether the same question may be answered a moment later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreached(_) | Self::Cut(_) => true,
            Self::Answered(status, _) => is_busy(*status),
            Self::Location(_) | Self::Login(_) | Self::Late | Self::Unclear(_) => false,
        }
    }

    /// The end of a request that was to destroy something: what a refusal was the answer to, and
    /// what was not sent, did nothing.
    pub(super) fn of_deletion(self) -> Deletion {
        match &self {
            Self::Answered(StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED, _)
            | Self::Location(_)
            | Self::Login(_)
            | Self::Unreached(_) => Deletion::Refused(self.message()),
            Self::Answered(..) | Self::Cut(_) | Self::Late | Self::Unclear(_) => {
                Deletion::Uncertain(self.message())
            }
        }
    }

    /// The end of a question that was asked before anything was to be destroyed.
    pub(super) fn before_deletion(self) -> Deletion {
        Deletion::Refused(format!("nothing was deleted: {}", self.message()))
    }

    pub(super) fn message(&self) -> String {
        match self {
            Self::Location(text)
            | Self::Login(text)
            | Self::Unreached(text)
            | Self::Cut(text)
            | Self::Unclear(text) => text.clone(),
            Self::Late => "Swift did not answer in time".to_owned(),
            Self::Answered(status, transaction) => {
                format!("Swift answers {status}{}{}", named(transaction), hint(*status))
            }
        }
    }
}

/// Statuses by which Swift asks for patience.
pub(super) fn is_busy(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 498 | 500 | 502 | 503 | 504)
}

fn named(transaction: &str) -> String {
    if transaction.is_empty() { String::new() } else { format!(" ({transaction})") }
}

fn hint(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "; check the credentials, and that Swift asks the same Keystone",
        403 => "; the user may not touch this account or container",
        301 | 302 | 307 | 308 => "; redirects are not followed: check the endpoint",
        404 => "; check swift_store_container, the account and the endpoint",
        507 => "; its disks are full or away",
        _ => "",
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Location(text) => Self::BadLocation(text),
            Fault::Answered(StatusCode::FORBIDDEN, _) => Self::Refused(fault.message()),
            Fault::Login(_)
            | Fault::Unreached(_)
            | Fault::Cut(_)
            | Fault::Late
            | Fault::Answered(..)
            | Fault::Unclear(_) => Self::Unreachable(fault.message()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16) -> Fault {
        Fault::Answered(StatusCode::from_u16(status).unwrap(), "tx1".to_owned())
    }

    #[test]
    fn each_answer_to_a_deletion_says_what_became_of_the_data() {
        for status in [401, 403] {
            assert!(matches!(answered(status).of_deletion(), Deletion::Refused(_)), "{status}");
        }
        for status in [301, 400, 404, 405, 408, 409, 412, 429, 498, 500, 503, 507] {
            assert!(matches!(answered(status).of_deletion(), Deletion::Uncertain(_)), "{status}");
        }
        let text = || "x".to_owned();
        for fault in [Fault::Unreached(text()), Fault::Login(text())] {
            assert!(matches!(fault.of_deletion(), Deletion::Refused(_)));
        }
        for fault in [Fault::Cut(text()), Fault::Late, Fault::Unclear(text())] {
            assert!(matches!(fault.clone().of_deletion(), Deletion::Uncertain(_)), "{fault:?}");
            assert!(matches!(fault.before_deletion(), Deletion::Refused(_)));
        }
    }

    #[test]
    fn a_message_names_the_transaction_and_what_to_look_at() {
        assert_eq!(
            answered(403).message(),
            "Swift answers 403 Forbidden (tx1); the user may not touch this account or container"
        );
    }
}
