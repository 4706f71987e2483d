//! Our own login at Keystone, reused until it expires.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use futures::FutureExt;

use super::super::single_flight::SingleFlight;
use super::{KeystoneApi, LoginError, Session};
use crate::config::keystone_auth::Credentials;
use crate::domain::time::{Clock, Timestamp};

/// How long before its expiry a session is no longer used, so that work begun with it can finish;
/// at most half its lifetime.
const MARGIN: TimeDelta = TimeDelta::seconds(60);
/// How long refused credentials are not tried again. Keystone locks accounts after several failed
/// logins, and this account is Glance's.
const REFUSED: TimeDelta = TimeDelta::seconds(30);

/// Our user at a Keystone. Cheap to clone; clones share the session.
#[derive(Clone)]
pub struct ServiceUser(Arc<Inner>);

struct Inner {
    api: KeystoneApi,
    credentials: Credentials,
    catalog: bool,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    logins: SingleFlight<(), Result<Arc<Session>, LoginError>>,
}

#[derive(Default)]
struct State {
    current: Option<Current>,
    refused: Option<(LoginError, Timestamp)>,
}

struct Current {
    session: Arc<Session>,
    /// When to log in anew.
    renew_at: Timestamp,
}

impl ServiceUser {
    /// Does not log in yet. `catalog`: whether sessions need the catalog.
    pub fn new(
        api: KeystoneApi,
        credentials: Credentials,
        catalog: bool,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (state, logins) = (Mutex::default(), SingleFlight::default());
        Self(Arc::new(Inner { api, credentials, catalog, clock, state, logins }))
    }

    /// The current session, or a new one. Concurrent callers share one login.
    pub async fn session(&self) -> Result<Arc<Session>, LoginError> {
        if let Some(known) = self.0.known() {
            return known;
        }
        let inner = Arc::clone(&self.0);
        self.0.logins.join(&(), || async move { inner.log_in().await }.boxed()).await
    }

    /// Discards a session whose token a service refused, so that the next [`Self::session`] logs in
    /// again. Has no effect on a newer session.
    pub fn forget(&self, refused: &Arc<Session>) {
        let mut state = self.0.state();
        if state.current.as_ref().is_some_and(|known| Arc::ptr_eq(&known.session, refused)) {
            state.current = None;
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> Option<Result<Arc<Session>, LoginError>> {
        let now = self.clock.now();
        let state = self.state();
        if let Some(current) = &state.current
            && now < current.renew_at
        {
            return Some(Ok(Arc::clone(&current.session)));
        }
        match &state.refused {
            Some((error, at)) if (now - *at).abs() < REFUSED => Some(Err(error.clone())),
            _ => None,
        }
    }

    async fn log_in(&self) -> Result<Arc<Session>, LoginError> {
        // The previous flight may have ended between the check and the join.
        if let Some(known) = self.known() {
            return known;
        }
        let asked = self.clock.now();
        let outcome = self.api.login(&self.credentials, self.catalog).await.map(Arc::new);
        let mut state = self.state();
        state.refused = None;
        match &outcome {
            Ok(session) => {
                let life = session.expires_at - asked;
                let renew_at = session.expires_at - MARGIN.min(life / 2);
                state.current = Some(Current { session: Arc::clone(session), renew_at });
            }
            Err(error @ LoginError::Refused(_)) => state.refused = Some((error.clone(), asked)),
            Err(_) => {}
        }
        outcome
    }
}

impl fmt::Debug for ServiceUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceUser").field("api", &self.0.api).finish_non_exhaustive()
    }
}
