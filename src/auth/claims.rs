//! The rules for claims. Applied only after the signature was verified.

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use serde_json::Value;

use super::refusal::Refusal;
use crate::config::JwtIssuerConfig;
use crate::domain::principal::{AuthMethod, Principal};
use crate::domain::time::Timestamp;

/// 9999-12-31T23:59:59Z in Unix seconds. Anything later is not a plausible date.
const LAST_DATE: f64 = 253_402_300_799.0;

/// Checks the claims against the issuer's section and returns the caller.
pub(super) fn check(
    claims: &Value,
    issuer: &JwtIssuerConfig,
    now: Timestamp,
) -> Result<Principal, Refusal> {
    check_kind(claims)?;
    check_times(claims, issuer.leeway.as_secs_f64(), now)?;
    check_audience(claims.get("aud"), &issuer.audiences)?;
    let subject = subject(claims.get("sub"))?;
    let is_admin = issuer.subjects.iter().any(|admin| admin == subject)
        || has_role(claims, &issuer.role_claims, &issuer.admin_roles);
    let lacks = if is_admin { Vec::new() } else { issuer.admin_roles.clone() };
    Ok(Principal {
        is_admin,
        lacks,
        token_ids: token_id(claims.get("jti")).into_iter().collect(),
        ..Principal::new(&issuer.name, subject, AuthMethod::Jwt)
    })
}

/// The token's `exp`, without leeway; `None` if it has none.
pub(super) fn end(claims: &Value) -> Option<Timestamp> {
    let seconds = date(claims.get("exp"), Refusal::ExpInvalid).ok()??;
    let since = TimeDelta::from_std(Duration::try_from_secs_f64(seconds).ok()?).ok()?;
    DateTime::UNIX_EPOCH.naive_utc().checked_add_signed(since)
}

fn check_kind(claims: &Value) -> Result<(), Refusal> {
    if claims.get("cnf").is_some() {
        return Err(Refusal::CnfPresent);
    }
    match claims.get("typ") {
        None => Ok(()),
        Some(Value::String(typ)) if typ == "Bearer" => Ok(()),
        Some(_) => Err(Refusal::PayloadTyp),
    }
}

fn check_times(claims: &Value, leeway: f64, now: Timestamp) -> Result<(), Refusal> {
    let now = (now - DateTime::UNIX_EPOCH.naive_utc()).as_seconds_f64();
    let expires = date(claims.get("exp"), Refusal::ExpInvalid)?.ok_or(Refusal::ExpMissing)?;
    if now >= expires + leeway {
        return Err(Refusal::Expired);
    }
    if date(claims.get("nbf"), Refusal::NbfInvalid)?.is_some_and(|from| from > now + leeway) {
        return Err(Refusal::NotYetValid);
    }
    if date(claims.get("iat"), Refusal::IatInvalid)?.is_some_and(|issued| issued > now + leeway) {
        return Err(Refusal::IssuedInFuture);
    }
    Ok(())
}

/// A `NumericDate` of RFC 7519: seconds of the epoch, fractions allowed.
fn date(claim: Option<&Value>, invalid: Refusal) -> Result<Option<f64>, Refusal> {
    let Some(claim) = claim else { return Ok(None) };
    match claim.as_f64() {
        Some(date) if (0.0..=LAST_DATE).contains(&date) => Ok(Some(date)),
        _ => Err(invalid),
    }
}

fn check_audience(claim: Option<&Value>, ours: &[String]) -> Result<(), Refusal> {
    let named = match claim {
        None => return Err(Refusal::AudMissing),
        Some(Value::String(one)) => vec![one.as_str()],
        Some(value) => strings(value).ok_or(Refusal::AudInvalid)?,
    };
    if named.iter().any(|name| ours.iter().any(|our| our == name)) {
        Ok(())
    } else {
        Err(Refusal::AudOther)
    }
}

/// `sub` goes into logs and the audit record, so it must not be able to forge lines there.
fn subject(claim: Option<&Value>) -> Result<&str, Refusal> {
    match claim {
        None => Err(Refusal::SubMissing),
        Some(Value::String(subject))
            if !subject.is_empty() && !subject.chars().any(char::is_control) =>
        {
            Ok(subject)
        }
        Some(_) => Err(Refusal::SubInvalid),
    }
}

/// `jti` is for the audit record only; one that could forge lines there is dropped.
fn token_id(claim: Option<&Value>) -> Option<String> {
    let id = claim?.as_str()?;
    (!id.is_empty() && !id.chars().any(char::is_control)).then(|| id.to_owned())
}

/// Whether one of the pointers (RFC 6901) leads to an array of strings that contains a wanted role.
/// An array that holds anything else grants no roles.
fn has_role(claims: &Value, pointers: &[String], wanted: &[String]) -> bool {
    pointers
        .iter()
        .filter_map(|pointer| strings(claims.pointer(pointer)?))
        .flatten()
        .any(|role| wanted.iter().any(|name| name == role))
}

/// The items of an array of strings.
fn strings(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}
