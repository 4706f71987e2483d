//! Parses a `TokenReview` response: `authentication.k8s.io/v1` of the Kubernetes API.

use serde::Deserialize;

use super::ReviewProblem;
use crate::auth::refusal::Refusal;

/// The API server's verdict on a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReviewVerdict {
    /// Accepted; the user name.
    Good(String),
    /// Not accepted, or not for our audiences.
    Refused(Refusal),
}

#[derive(Deserialize)]
struct Review {
    kind: String,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Status {
    authenticated: bool,
    error: String,
    audiences: Vec<String>,
    user: User,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct User {
    username: String,
}

/// Parses a response. A server that does not support audiences leaves them out; a token it accepts
/// may be meant for anybody, so it is refused.
pub(super) fn judge(body: &[u8], ours: &[String]) -> Result<ReviewVerdict, ReviewProblem> {
    let review: Review = serde_json::from_slice(body).map_err(|_| ReviewProblem::NotReview)?;
    let status = review.status.filter(|_| review.kind == "TokenReview");
    let status = status.ok_or(ReviewProblem::NotReview)?;
    let name = status.user.username;
    let refusal = if !status.authenticated {
        Refusal::ReviewRefused
    } else if !status.error.is_empty() {
        Refusal::ReviewError
    } else if !status.audiences.iter().any(|audience| ours.contains(audience)) {
        Refusal::ReviewAudience
    } else if name.is_empty() || name.chars().any(char::is_control) {
        Refusal::ReviewUsername
    } else {
        return Ok(ReviewVerdict::Good(name));
    };
    Ok(ReviewVerdict::Refused(refusal))
}
