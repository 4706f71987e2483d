//! Audit records of the command line.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::domain::audit::PURGE_RETAINED;
use crate::domain::image::ImageId;
use crate::domain::principal::Admin;
use crate::domain::revert::RevertRequest;
use crate::telemetry::audit::{Outcome, Record};

/// Records a revert, before its result is printed.
pub(super) fn reverted(
    operator: &Admin,
    id: &ImageId,
    request: RevertRequest,
    failure: Option<&'static str>,
) {
    let options = request.to_string();
    let dry_run = Some(request.dry_run);
    let record = record(operator, "revertImage", failure);
    Record { target: Some(id), dry_run, options: Some(&options), ..record }.write();
}

/// Records the removal of what stores have kept of an image, before its result is printed.
pub(super) fn purged(operator: &Admin, id: &ImageId, failure: Option<&'static str>) {
    Record { target: Some(id), ..record(operator, PURGE_RETAINED, failure) }.write();
}

/// The operator, under the name the system has for them.
pub(super) fn operator() -> Admin {
    Admin::local_operator().named(login())
}

/// Records a pause, hold or similar, before its result is printed.
pub(super) fn ordered(
    operator: &Admin,
    operation: &str,
    options: &str,
    failure: Option<&'static str>,
) {
    Record { options: Some(options), ..record(operator, operation, failure) }.write();
}

/// A record of a command, which has no request.
fn record<'a>(
    operator: &'a Admin,
    operation: &'a str,
    failure: Option<&'static str>,
) -> Record<'a> {
    Record {
        operation,
        allowed: true,
        outcome: if failure.is_none() { Outcome::Success } else { Outcome::Failure },
        reason: failure,
        cause: None,
        status: None,
        initiator: Some(operator.principal()),
        peer: None,
        certificate: None,
        forwarded: None,
        request_id: None,
        global_request_id: None,
        target: None,
        dry_run: None,
        options: None,
    }
}

/// The login that Linux keeps through `sudo` and `su`, else this process's user.
fn login() -> Option<String> {
    let kept = fs::read_to_string("/proc/self/loginuid").ok();
    let kept = kept.and_then(|text| text.trim().parse::<u32>().ok());
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    Some(match kept.filter(|uid| *uid != u32::MAX) {
        Some(uid) => format!("login {}", user(uid, &users)),
        None => user(fs::metadata("/proc/self").ok()?.uid(), &users),
    })
}

/// `alice (uid 1000)`; the number alone if `/etc/passwd` does not have the user.
fn user(uid: u32, users: &str) -> String {
    let found = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    });
    found.map_or_else(|| format!("uid {uid}"), |name| format!("{name} (uid {uid})"))
}

#[cfg(test)]
mod tests {
    use super::user;

    #[test]
    fn a_user_has_a_name_where_the_machine_knows_it() {
        let users = "root:x:0:0:root:/root:/bin/sh\n+@admins::::::\nalice:x:1000:1000::/:/bin/sh\n";
        assert_eq!(user(1000, users), "alice (uid 1000)");
        assert_eq!(user(10, users), "uid 10");
    }
}
