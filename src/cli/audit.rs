//! The audit record of what is done at the command line.

use std::os::unix::fs::MetadataExt;

use crate::api::error::ApiError;
use crate::domain::image::ImageId;
use crate::domain::principal::{Admin, Principal};
use crate::domain::revert::RevertRequest;
use crate::telemetry::audit::{Outcome, Record};

/// Records a revert; before its result is told.
pub(super) fn reverted(
    operator: &Admin,
    id: &ImageId,
    request: RevertRequest,
    error: Option<&ApiError>,
) {
    let operator = Principal { name: login(), ..operator.principal().clone() };
    Record {
        operation: "revertImage",
        allowed: true,
        outcome: if error.is_none() { Outcome::Success } else { Outcome::Failure },
        reason: error.map(|error| error.reason),
        cause: None,
        status: None,
        initiator: Some(&operator),
        peer: None,
        certificate: None,
        forwarded: None,
        request_id: None,
        global_request_id: None,
        target: Some(id),
        dry_run: Some(request.dry_run),
        options: Some(&request.to_string()),
    }
    .write();
}

/// Who sits at the command line: the login that Linux keeps through `sudo` and `su`, else the
/// user of this process.
fn login() -> Option<String> {
    let kept = std::fs::read_to_string("/proc/self/loginuid").ok();
    let kept = kept.and_then(|text| text.trim().parse::<u32>().ok());
    match kept.filter(|uid| *uid != u32::MAX) {
        Some(uid) => Some(format!("login uid {uid}")),
        None => Some(format!("uid {}", std::fs::metadata("/proc/self").ok()?.uid())),
    }
}
