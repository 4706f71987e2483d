//! The composition root: the only module that knows every concrete type and the system clock.

use std::sync::Arc;

use crate::api::state::{ApiSettings, ApiState, View};
use crate::api::throttle::Throttle;
use crate::auth::{AuthSetupError, Authenticators, JwtAuthenticator, KeystoneAuthenticator};
use crate::config::{Config, Problem, ScrubTime, UiLogin};
use crate::db::{ConnectError, Database};
use crate::domain::control::Control;
use crate::domain::principal::{Authenticator, SignIn};
use crate::domain::purge::Purger;
use crate::domain::retention::Retention;
use crate::domain::revert::{RevertSettings, Reverter};
use crate::domain::scrub::{PassLimits, ScrubSettings, Scrubber};
use crate::domain::store::Stores;
use crate::domain::time::{Clock, SystemClock};
use crate::store::{ConfiguredStores, StoreOptions, StoreSetupError};
use crate::telemetry;
use crate::worker::webhook::{Webhook, WebhookError};

/// Why a well-formed configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The database settings cannot be used.
    #[error(transparent)]
    Database(#[from] ConnectError),
    /// A store cannot be set up.
    #[error(transparent)]
    Store(#[from] StoreSetupError),
    /// A token issuer cannot be set up.
    #[error(transparent)]
    Auth(#[from] AuthSetupError),
    /// The configured Keystone cannot be used.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Keystone(Vec<Problem>),
    /// No way to authenticate is configured.
    #[error(
        "neither Keystone nor an issuer of JWTs is configured, so no caller could authenticate; \
         set \
         [keystone_authtoken] auth_type and auth_url, or add a [revert_jwt:<name>] section with \
         issuer and audiences"
    )]
    NobodyMayCall,
}

/// The system clock, injected everywhere else.
pub fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// Everything the configuration describes, built but not started.
#[derive(Debug)]
pub struct App {
    /// The configuration.
    pub config: Config,
    /// Glance's database.
    pub database: Database,
    /// Glance's stores.
    pub stores: Arc<dyn Stores>,
    /// The clock that all parts share.
    pub clock: Arc<dyn Clock>,
    /// Reverts images.
    pub reverter: Arc<Reverter>,
    /// Pauses, holds and limits that apply to every scrubber on this database.
    pub control: Arc<Control>,
}

impl App {
    /// Builds all parts without connecting to anything. Must be called inside a tokio runtime.
    pub fn new(config: Config) -> Result<Self, SetupError> {
        let options = StoreOptions::from(&config.revert);
        Self::with_store_options(config, &options)
    }

    /// Like [`Self::new`], with store options other than the configuration's.
    pub fn with_store_options(config: Config, options: &StoreOptions) -> Result<Self, SetupError> {
        let clock = clock();
        let database = Database::open(&config.database, config.revert.db_pool_size)?;
        let key = config.glance.metadata_encryption_key.clone();
        let stores: Arc<dyn Stores> =
            Arc::new(ConfiguredStores::new(&config.stores, options, &clock, key)?);
        let settings = RevertSettings {
            lock_wait: config.revert.lock_wait,
            delete_grace: config.revert.delete_grace,
            delayed_delete: config.glance.delayed_delete,
        };
        let reverter = Reverter::new(
            Arc::clone(&database.repo),
            Arc::clone(&database.lock),
            Arc::clone(&stores),
            Arc::clone(&clock),
            settings,
        );
        let mut reverter = reverter.with_tables(Arc::clone(&database.tables));
        if let Some(scrub_time) = config.glance.scrub_time.in_force() {
            let rules = config.retention.clone();
            reverter = reverter.with_retention(Retention { scrub_time, rules });
        }
        let reverter = Arc::new(reverter);
        let control = Arc::new(Control::new(
            Arc::clone(&database.control),
            Arc::clone(&database.lock),
            Arc::clone(&reverter),
        ));
        Ok(Self { config, database, stores, clock, reverter, control })
    }

    /// A scrubber that shares this app's database, locks and stores.
    pub fn scrubber(&self) -> Result<Scrubber, ScrubTime> {
        let scrub_time = self.config.glance.scrub_time;
        let in_force = scrub_time.in_force().ok_or(scrub_time)?;
        Ok(Scrubber::new(
            Arc::clone(&self.database.scrub_repo),
            Arc::clone(&self.database.lock),
            Arc::clone(&self.stores),
            Arc::clone(&self.clock),
            ScrubSettings {
                scrub_time: in_force,
                pool_size: self.config.glance.scrub_pool_size,
                absent_limit: self.config.revert.absent_limit,
                limits: self.limits(),
                delayed_delete: self.config.glance.delayed_delete,
            },
        )
        .with_rules(self.config.retention.clone())
        .with_control(Arc::clone(&self.database.control))
        .with_journal(Arc::new(telemetry::audit::destroyed)))
    }

    /// Removes for good what stores have kept of scrubbed images.
    pub fn purger(&self) -> Purger {
        Purger::new(
            Arc::clone(&self.database.scrub_repo),
            Arc::clone(&self.database.lock),
            Arc::clone(&self.stores),
            Arc::clone(&self.clock),
            Arc::clone(&self.database.control),
        )
    }

    /// How much one pass may destroy before somebody must accept it.
    pub fn limits(&self) -> PassLimits {
        let revert = &self.config.revert;
        PassLimits { images: revert.max_images_per_pass, bytes: revert.max_bytes_per_pass }
    }

    /// The token verifiers. A Keystone that cannot be used is skipped if there is a JWT issuer.
    pub fn authenticators(&self) -> Result<Authenticators, SetupError> {
        let keystone = match self.keystone() {
            Err(_) if !self.config.issuers.is_empty() => None,
            keystone => keystone?,
        };
        if self.config.issuers.is_empty() && keystone.is_none() {
            return Err(SetupError::NobodyMayCall);
        }
        let jwt = self.jwt()?;
        let keystone = keystone.map(|keystone| Arc::new(keystone) as Arc<dyn Authenticator>);
        Ok(Authenticators { bearer: Arc::new(jwt), keystone })
    }

    /// The verifier of Keystone tokens, if a Keystone is configured.
    pub fn keystone(&self) -> Result<Option<KeystoneAuthenticator>, SetupError> {
        if !self.config.keystone_problems.is_empty() {
            return Err(SetupError::Keystone(self.config.keystone_problems.clone()));
        }
        let Some(config) = &self.config.keystone else { return Ok(None) };
        let allowed = &self.config.revert.allowed_projects;
        Ok(Some(KeystoneAuthenticator::new(config, allowed, Arc::clone(&self.clock))?))
    }

    /// Where people sign in with a password, if `ui_login` allows it.
    fn sign_in(&self) -> Option<Arc<dyn SignIn>> {
        let revert = &self.config.revert;
        let is_wanted = revert.ui && revert.ui_login == UiLogin::Keystone;
        // `authenticators` reports a Keystone that cannot be used.
        let keystone = is_wanted.then(|| self.keystone().ok().flatten()).flatten()?;
        Some(Arc::new(keystone.sign_in()))
    }

    /// The verifier of JWTs.
    pub fn jwt(&self) -> Result<JwtAuthenticator, SetupError> {
        Ok(JwtAuthenticator::new(&self.config.issuers, Arc::clone(&self.clock))?)
    }

    /// The shared state of the API's handlers.
    pub fn api_state(&self) -> Result<ApiState, SetupError> {
        let authenticators = self.authenticators()?;
        Ok(ApiState {
            reverter: Arc::clone(&self.reverter),
            control: Arc::clone(&self.control),
            scrubber: self.scrubber().map(Arc::new),
            scrubs: self.config.revert.scrubber,
            tables: Arc::clone(&self.database.tables),
            view: self.view(),
            bearer: authenticators.bearer,
            keystone: authenticators.keystone,
            sign_in: self.sign_in(),
            www_authenticate: self
                .config
                .keystone
                .as_ref()
                .and_then(|keystone| keystone.www_authenticate_uri.clone()),
            throttle: Arc::new(Throttle::new(self.config.revert.auth_failures_per_minute)),
            trusted_proxies: self.config.listeners.trusted_proxies.as_slice().into(),
        })
    }

    /// The parts skipped because they cannot be used: their names in `check`, and why.
    pub fn unusable(&self) -> Vec<(String, String)> {
        let stores = self.stores.unusable().iter();
        let stores = stores.map(|store| (format!("store {}", store.id), store.why.clone()));
        let keystone = self.keystone().err().map(|why| ("keystone".to_owned(), why.to_string()));
        let webhook = self.webhook().and_then(Result::err);
        let webhook = webhook.map(|why| ("webhook".to_owned(), why.to_string()));
        stores.chain(keystone).chain(webhook).collect()
    }

    /// Where alerts are sent, if anywhere.
    pub fn webhook(&self) -> Option<Result<Webhook, WebhookError>> {
        self.config.revert.webhook().map(|config| Webhook::new(&config))
    }

    /// Which of an image's data the API and the command line show.
    pub fn view(&self) -> View {
        let glance = &self.config.glance;
        View {
            clock: Arc::clone(&self.clock),
            stores: Arc::clone(&self.stores),
            settings: ApiSettings {
                scrub_time: glance.scrub_time.in_force(),
                default_verify: self.config.revert.verify,
                multi_store: glance.multi_store,
                show_multiple_locations: glance.show_multiple_locations,
                show_image_direct_url: glance.show_image_direct_url,
                request_timeout: self.config.revert.request_timeout,
                tls: self.config.listeners.tls.is_some(),
                ui: self.config.revert.ui,
            },
        }
    }
}
