//! `glance-revert check`.

use chrono::TimeDelta;

use super::output::bytes;
use super::table::{Fit, Table};
use super::{Exit, Outcome, SourceArgs};
use crate::app::App;
use crate::auth::{KeystoneReport, Trial};
use crate::config::{StoreKind, TlsConfig};
use crate::domain::lock::LockTrial;
use crate::domain::principal::Admin;
use crate::domain::repo::RepoError;
use crate::domain::scrub::{RuleTally, Tally, clocks_differ};
use crate::domain::store::Store;
use crate::domain::tables::{TablesState, UNRECORDED_FOR};
use crate::domain::time::{Timestamp, isotime};
use crate::server::tls::Tls;

/// Less than this left means that automatic renewal has failed.
const EXPIRES_SOON: TimeDelta = TimeDelta::days(7);

/// The result of one check.
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
    let app = sources.app()?;
    let mut tried = settings(&app);
    tried.extend(database(&app).await);
    tried.extend(stores(&app).await);
    tried.extend(tokens(&app).await);
    let unusable = |(what, note)| Tried { what, verdict: Verdict::Broken, note };
    tried.extend(app.unusable().into_iter().map(unusable));
    tried.extend(issuers(&app).await);
    tried.extend(app.config.listeners.tls.as_ref().map(|tls| certificate(tls, app.clock.now())));
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

/// `tokens` reports a section that cannot be set up.
async fn issuers(app: &App) -> Vec<Tried> {
    let Ok(jwt) = app.jwt() else { return Vec::new() };
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

fn judged(what: &str, works: bool, note: String) -> Tried {
    let verdict = if works { Verdict::Works } else { Verdict::Warning };
    Tried { what: what.to_owned(), verdict, note }
}

fn settings(app: &App) -> Vec<Tried> {
    let glance = &app.config.glance;
    // This service cannot see which files glance-api reads.
    let delayed = match (glance.delayed_delete, &glance.delayed_delete_origin) {
        (true, Some(origin)) => {
            format!("on ({origin}): Glance keeps deleted data, if it reads this file too")
        }
        _ => "off: Glance destroys data at once; only what a store keeps after that can come back"
            .to_owned(),
    };
    let mut tried = vec![judged("delayed_delete", glance.delayed_delete, delayed)];
    let (time, note) = (glance.scrub_time.in_force(), glance.scrub_time.to_string());
    tried.push(of("scrub_time", time.map(|_| ()).ok_or(&note), &note));
    let warnings = glance.scrub_time_warnings.iter();
    tried.extend(warnings.map(|warning| judged("scrub_time", false, warning.clone())));
    tried
}

/// Whether the API's certificate is usable and not about to expire.
fn certificate(config: &TlsConfig, now: Timestamp) -> Tried {
    let tls = Tls::load(config);
    let expires = tls.as_ref().ok().and_then(Tls::expires);
    let note = expires.map(|at| format!("certificate and key match; valid until {}", isotime(at)));
    let mut tried = of("TLS", tls, note.as_deref().unwrap_or("certificate and key match"));
    if tried.verdict == Verdict::Works && expires.is_some_and(|at| at < now + EXPIRES_SOON) {
        tried.verdict = Verdict::Warning;
    }
    tried
}

async fn database(app: &App) -> Vec<Tried> {
    let health = &app.database.health;
    let reachable = of("database", health.ping().await, "Glance's tables can be read");
    if reachable.verdict != Verdict::Works {
        return vec![reachable];
    }
    let writable = of(
        "grants",
        granted(health.rehearse().await),
        "the database user may write everything that a revert and a pass write",
    );
    let own = own_tables(app).await;
    let mut tried = vec![reachable, writable, own, locks(app).await, clock(app).await];
    tried.extend(other_scrubbers(app).await);
    tried.extend(lowered(app).await);
    tried.extend(rules(app).await);
    tried.extend(due(app).await);
    tried
}

/// Our own tables are optional.
async fn own_tables(app: &App) -> Tried {
    let state = app.database.tables.rehearse().await;
    let verdict = match &state {
        Ok(TablesState::Present) => Verdict::Works,
        Ok(TablesState::Missing) => Verdict::Warning,
        Ok(TablesState::Unusable(_)) | Err(_) => Verdict::Broken,
    };
    let note = state.map_or_else(|error| error.to_string(), |state| state.to_string());
    Tried { what: "own tables".to_owned(), verdict, note }
}

/// Whether another scrubber destroys images. Unknown if Glance deletes data at once.
async fn other_scrubbers(app: &App) -> Option<Tried> {
    let (tables, repo) = (&app.database.tables, &app.database.repo);
    let found = async { tables.unrecorded_scrubs(repo.now().await? - UNRECORDED_FOR).await };
    let (verdict, note) = match found.await.ok()? {
        _ if !app.config.glance.delayed_delete => return None,
        None => (Verdict::Warning, "unknown without the service's own tables".to_owned()),
        Some(ids) if ids.is_empty() => {
            (Verdict::Works, "no other scrubber has destroyed images within a day".to_owned())
        }
        Some(ids) => {
            let some: Vec<_> = ids.iter().take(3).map(ToString::to_string).collect();
            let note = format!(
                "{} images were destroyed within a day without an audit entry ({}): stop \
                 glance-scrubber on every host, it knows no lock of ours",
                ids.len(),
                some.join(", ")
            );
            (Verdict::Warning, note)
        }
    };
    Some(Tried { what: "other scrubbers".to_owned(), verdict, note })
}

/// Whether passes used a longer `scrub_time`, or other rules, here or on a replica configured
/// differently.
async fn lowered(app: &App) -> Option<Tried> {
    if app.scrubber().ok()?.has_shorter_rules().await.ok()? {
        let note = "the rules let some images wait less than those that passes went by: they were \
                    changed, or another replica has others. What is due only by the shorter times is \
                    not destroyed until somebody accepts it (scrub --accept)";
        return Some(judged("retention", false, note.to_owned()));
    }
    let own = app.config.glance.scrub_time.in_force()?;
    let orders = app.control.orders(&Admin::local_operator()).await.ok()??;
    let kept = orders.scrub_time.filter(|kept| *kept > own)?;
    let note = format!(
        "{} is less than the {} that passes used: it was lowered, or another replica has the \
         longer time. What \
         is due only by the shorter time is not destroyed until somebody accepts it (scrub --accept)",
        own.as_secs(),
        kept.as_secs()
    );
    Some(Tried { what: "scrub_time".to_owned(), verdict: Verdict::Warning, note })
}

/// How many pending images wait because of each retention rule.
async fn rules(app: &App) -> Vec<Tried> {
    let Ok(scrubber) = app.scrubber() else { return Vec::new() };
    let counted = match scrubber.count_by_rule(&Admin::local_operator()).await {
        Ok(counted) => counted,
        Err(error) => return vec![of("retention", Err::<(), _>(error), "")],
    };
    let tried = |one: RuleTally| {
        let RuleTally { name, scrub_time, tally: Tally { images, bytes: all }, is_all } = one;
        let of_many = if is_all { "" } else { ", of the first 10000 that wait" };
        let (seconds, size) = (scrub_time.as_secs(), bytes(all));
        let note = format!("{images} images, {size}{of_many}; they wait {seconds} s");
        Tried { what: format!("rule {name}"), verdict: Verdict::Works, note }
    };
    counted.into_iter().map(tried).collect()
}

/// What the next pass would destroy, if it may run.
async fn due(app: &App) -> Option<Tried> {
    let due = app.scrubber().ok()?.forecast().await;
    let is_over = due.as_ref().is_ok_and(|(_, limited)| limited.is_some());
    let note = due.as_ref().map(|(due, limited)| match limited {
        None => format!("{} images, {}", due.images, bytes(due.bytes)),
        Some(limited) => format!("{limited}; glance-revert scrub --dry-run shows them"),
    });
    let mut tried = of("due", due.as_ref(), note.as_deref().unwrap_or_default());
    if is_over {
        tried.verdict = Verdict::Warning;
    }
    Some(tried)
}

async fn clock(app: &App) -> Tried {
    let (theirs, ours) = (app.database.repo.now().await, app.clock.now());
    let differ = theirs.as_ref().ok().and_then(|theirs| clocks_differ(ours, *theirs));
    let mut tried = of("clock", theirs, "agrees with the database's clock");
    if let Some(differ) = differ {
        tried.verdict = Verdict::Warning;
        tried.note = differ;
    }
    tried
}

async fn locks(app: &App) -> Tried {
    let trial = app.database.lock.trial().await;
    let verdict = match &trial {
        Ok(LockTrial::Works) => Verdict::Works,
        Ok(LockTrial::Absent) => Verdict::Warning,
        Ok(LockTrial::Wanders) | Err(_) => Verdict::Broken,
    };
    let note = trial.map_or_else(|error| error.to_string(), |found| found.to_string());
    Tried { what: "locks".to_owned(), verdict, note }
}

async fn stores(app: &App) -> Vec<Tried> {
    let mut tried = Vec::new();
    for store in app.stores.all() {
        let health = store.health().await;
        let note = match &health {
            Ok(()) => format!("available; second chance: {}", second_chance(&*store).await),
            Err(_) => String::new(),
        };
        tried.push(of(&format!("store {}", store.id()), health, &note));
    }
    for store in &app.config.stores {
        if let StoreKind::Unsupported { kind } = &store.kind {
            tried.push(Tried {
                what: format!("store {}", store.id),
                verdict: Verdict::Warning,
                note: format!(
                    "no driver for {kind}: its images are left alone, and can only be reverted \
                     with verify=none"
                ),
            });
        }
    }
    tried
}

/// Whether the store keeps data that is deleted from now on.
async fn second_chance(store: &dyn Store) -> String {
    match store.second_chance().await {
        Ok(chance) => chance.unwrap_or_else(|| "none".to_owned()),
        Err(error) => format!("unknown, {error}"),
    }
}

async fn tokens(app: &App) -> Vec<Tried> {
    let mut tried = vec![of("tokens", app.authenticators(), "callers can authenticate")];
    if let Ok(Some(keystone)) = app.keystone() {
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

/// A refused statement almost always means a missing grant.
fn granted(rehearsed: Result<(), RepoError>) -> Result<(), String> {
    rehearsed.map_err(|error| match &error {
        RepoError::Refused(_) => format!(
            "{error}; deploy/sql/mariadb.sql and deploy/sql/postgresql.sql grant what is needed"
        ),
        RepoError::Unavailable(_)
        | RepoError::BadRow(_)
        | RepoError::TooLarge(_)
        | RepoError::TablesMissing
        | RepoError::NotLocked(_) => error.to_string(),
    })
}
