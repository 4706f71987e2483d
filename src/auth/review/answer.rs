//! What a `TokenReview` says: `authentication.k8s.io/v1` of the Kubernetes API.

use serde::Deserialize;

use super::ReviewProblem;
use crate::auth::refusal::Refusal;

/// What the API server makes of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReviewVerdict {
    /// It vouches for the holder of this name.
    Good(String),
    /// It does not, or not to us.
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

/// Reads an answer. A server that does not know of audiences leaves them out; a token that it
/// vouches for may be meant for anybody, so it is refused.
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
