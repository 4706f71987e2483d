//! `glance-revert scrub --hold-lock`: keeps passes from starting while it runs.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::super::output::{complain, line};
use super::super::{CliError, Exit, Outcome};
use crate::app::App;
use crate::domain::lock::{ImageLock, LockTrial, PassGuard};
use crate::domain::repo::RepoError;

/// How often to retry a taken lock, and to check a held one.
const POLL: Duration = Duration::from_secs(1);

/// The lock, and the database session that holds it.
type Taken = (PassGuard, Option<String>);

/// Exit codes: 0 the lock was held until the end; 1 this database's lock excludes nobody.
pub(super) async fn until_stopped(app: &App, stop: &CancellationToken) -> Outcome {
    let lock = &*app.database.lock;
    let trial = lock.trial().await?;
    if trial != LockTrial::Works {
        let problem = format!("the lock of passes does not exclude other processes: {trial}");
        return Err(CliError::Other(problem));
    }
    loop {
        let taken = stop.run_until_cancelled(take(lock)).await.transpose()?;
        let Some((guard, session)) = taken else { return Ok(Exit::Ok) };
        line(format_args!(
            "no scrub pass can start until this command ends: Ctrl-C, or kill {}. Closing the \
             terminal does not end it",
            std::process::id()
        ))?;
        let is_lost = stop.run_until_cancelled(lost(lock, session)).await.is_some();
        guard.release().await;
        if !is_lost {
            line("scrub passes can start again")?;
            return Ok(Exit::Ok);
        }
        complain(
            &"the lock was lost with its database session, and a pass may have started; taking \
                the lock again",
        );
    }
}

/// Waits for the lock and takes it.
async fn take(lock: &dyn ImageLock) -> Result<Taken, RepoError> {
    let mut is_told = false;
    loop {
        let session = lock.session().await?;
        match lock.try_lock_pass().await? {
            Some(guard) if lock.session().await? == session => return Ok((guard, session)),
            Some(guard) => guard.release().await,
            None if !is_told => {
                complain(&"another process is running a pass or holds the lock; waiting");
                is_told = true;
            }
            None => {}
        }
        sleep(POLL).await;
    }
}

/// Returns when the session that holds the lock is gone.
async fn lost(lock: &dyn ImageLock, session: Option<String>) {
    let mut is_told = false;
    loop {
        sleep(POLL).await;
        match lock.session().await {
            Ok(now) if now != session => return,
            Ok(_) => is_told = false,
            Err(error) => {
                if !is_told {
                    complain(&format_args!("the lock may be lost: {error}"));
                }
                is_told = true;
            }
        }
    }
}
