//! A login that is kept.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use futures::FutureExt;

use super::super::single_flight::SingleFlight;
use super::{KeystoneApi, LoginError, Session};
use crate::config::keystone_auth::Credentials;
use crate::domain::time::{Clock, Timestamp};

/// How long before its end a session is not used any more, so that what is begun with it is also
/// ended with it; at most half of its life.
const MARGIN: TimeDelta = TimeDelta::seconds(60);
/// For how long refused credentials are not tried again. Keystone locks accounts after some failed
/// logins, and this one is Glance's own.
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
    /// From when on a new one is had.
    renew_at: Timestamp,
}

impl ServiceUser {
    /// Does not log in yet. `catalog`: whether sessions are to have one.
    pub fn new(
        api: KeystoneApi,
        credentials: Credentials,
        catalog: bool,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (state, logins) = (Mutex::default(), SingleFlight::default());
        Self(Arc::new(Inner { api, credentials, catalog, clock, state, logins }))
    }

    /// The session in force, or a new one. However many ask at once, one logs in.
    pub async fn session(&self) -> Result<Arc<Session>, LoginError> {
        if let Some(known) = self.0.known() {
            return known;
        }
        let inner = Arc::clone(&self.0);
        self.0.logins.join(&(), || async move { inner.log_in().await }.boxed()).await
    }

    /// To be told when a service refused this session's token: the next [`Self::session`] is
    /// another one. What others have put in its place meanwhile stays.
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
        // The one before may have ended between the look and the join.
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
