//! `glance-revert check`.

use chrono::TimeDelta;

use super::table::{Fit, Table};
use super::{CliError, Exit, Outcome, SourceArgs};
use crate::auth::{KeystoneReport, Trial};
use crate::config::{StoreKind, TlsConfig};
use crate::domain::image::ImageId;
use crate::domain::time::{Timestamp, isotime};
use crate::server::Parts;
use crate::server::tls::Tls;

/// A certificate that is renewed by a machine is renewed earlier.
const EXPIRES_SOON: TimeDelta = TimeDelta::days(7);

/// One thing that was tried.
struct Tried {
    what: String,
    verdict: Verdict,
    note: String,
}

#[derive(PartialEq)]
enum Verdict {
    Works,
    Warning,
    Broken,
}

/// Exit codes: 0 all works; 1 something does not; 64 the configuration is wrong.
pub(super) async fn run(sources: &SourceArgs) -> Outcome {
    let parts = sources.parts()?;
    let mut tried = settings(&parts);
    tried.extend(database(&parts).await);
    tried.extend(stores(&parts).await);
    tried.extend(tokens(&parts).await);
    tried.extend(issuers(&parts).await);
    tried.extend(parts.config.revert.tls.as_ref().map(|tls| certificate(tls, parts.clock.now())));
    let broken = tried.iter().any(|one| one.verdict == Verdict::Broken);
    let mut table =
        Table::new([("CHECK", Fit::Whole), ("RESULT", Fit::Whole), ("NOTE", Fit::Wrapped)]);
    for one in tried {
        table.row([one.what, one.verdict.word().to_owned(), one.note]);
    }
    table.print(false)?;
    Ok(if broken { Exit::Failed } else { Exit::Ok })
}

impl Verdict {
    fn word(&self) -> &'static str {
        match self {
            Self::Works => "ok",
            Self::Warning => "warning",
            Self::Broken => "BROKEN",
        }
    }
}

/// A section that cannot be set up is told of by `tokens`.
async fn issuers(parts: &Parts) -> Vec<Tried> {
    let Ok(jwt) = parts.jwt() else { return Vec::new() };
    let tried = |trial: Trial| {
        let (verdict, note) = match trial.result {
            Ok(note) => (Verdict::Works, note),
            Err(note) => (Verdict::Broken, note),
        };
        Tried { what: format!("issuer {}", trial.section), verdict, note }
    };
    jwt.trials().await.into_iter().map(tried).collect()
}

fn of<T, E: std::fmt::Display>(what: &str, result: Result<T, E>, works: &str) -> Tried {
    let (verdict, note) = match result {
        Ok(_) => (Verdict::Works, works.to_owned()),
        Err(error) => (Verdict::Broken, error.to_string()),
    };
    Tried { what: what.to_owned(), verdict, note }
}

fn settings(parts: &Parts) -> Vec<Tried> {
    let glance = &parts.config.glance;
    let judged = |what: &str, works: bool, note: String| Tried {
        what: what.to_owned(),
        verdict: if works { Verdict::Works } else { Verdict::Warning },
        note,
    };
    let delayed = if glance.delayed_delete {
        "Glance keeps what is deleted"
    } else {
        "off: Glance destroys data at once, and nothing can be reverted"
    };
    let seconds = glance.scrub_time.as_secs();
    let time = if seconds == 0 {
        "0: nothing can be reverted after the next pass".to_owned()
    } else {
        format!("deleted images can be reverted for {seconds} seconds")
    };
    vec![
        judged("delayed_delete", glance.delayed_delete, delayed.to_owned()),
        judged("scrub_time", seconds > 0, time),
    ]
}

/// Whether the API's certificate can be used, and will be for a while.
fn certificate(config: &TlsConfig, now: Timestamp) -> Tried {
    let tls = Tls::load(config);
    let expires = tls.as_ref().ok().and_then(Tls::expires);
    let note = expires.map(|at| format!("certificate and key fit; valid until {}", isotime(at)));
    let mut tried = of("TLS", tls, note.as_deref().unwrap_or("certificate and key fit"));
    if tried.verdict == Verdict::Works && expires.is_some_and(|at| at < now + EXPIRES_SOON) {
        tried.verdict = Verdict::Warning;
    }
    tried
}

async fn database(parts: &Parts) -> Vec<Tried> {
    let repo = &parts.database.repo;
    let reachable = of("database", repo.ping().await, "Glance's tables can be read");
    if reachable.verdict != Verdict::Works {
        return vec![reachable];
    }
    let writable =
        of("grants", repo.rehearse().await, "all that a revert and a scrub write is allowed");
    let locks = of("locks", lock(parts).await, "advisory locks can be taken");
    vec![reachable, writable, locks, clock(parts).await]
}

async fn clock(parts: &Parts) -> Tried {
    let agrees = match parts.scrubber().clock_is_ahead().await {
        Ok(None) => Ok(()),
        Ok(Some(by)) => Err(format!("{} s ahead of the database's", by.as_secs())),
        Err(error) => Err(error.to_string()),
    };
    of("clock", agrees, "not ahead of the database's")
}

async fn lock(parts: &Parts) -> Result<(), CliError> {
    let nobodys = ImageId::parse("check").map_err(|error| CliError::Other(error.to_string()))?;
    if let Some(guard) = parts.database.lock.try_lock(&nobodys).await? {
        guard.release().await;
    }
    Ok(())
}

async fn stores(parts: &Parts) -> Vec<Tried> {
    let mut tried = Vec::new();
    for store in parts.stores.all() {
        tried.push(of(&format!("store {}", store.id()), store.health().await, "there"));
    }
    for store in &parts.config.stores {
        if let StoreKind::Unsupported { kind } = &store.kind {
            tried.push(Tried {
                what: format!("store {}", store.id),
                verdict: Verdict::Warning,
                note: format!(
                    "no driver for {kind}: its images are left alone, and can be \
                               reverted with verify=none only"
                ),
            });
        }
    }
    tried
}

async fn tokens(parts: &Parts) -> Vec<Tried> {
    let mut tried = vec![of("tokens", parts.authenticators(), "somebody may call")];
    if let Ok(Some(keystone)) = parts.keystone() {
        tried.push(match keystone.probe().await {
            Ok(KeystoneReport { works, warning }) => Tried {
                what: "keystone".to_owned(),
                verdict: if warning.is_some() { Verdict::Warning } else { Verdict::Works },
                note: std::iter::once(works).chain(warning).collect::<Vec<_>>().join("; "),
            },
            Err(problem) => of("keystone", Err::<(), _>(problem), ""),
        });
    }
    tried
}
