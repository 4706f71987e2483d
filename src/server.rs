//! The composition root: the one place that knows every concrete type.

mod connection;
pub mod listen;
pub mod ops;
mod own_errors;
pub mod signals;
pub mod tls;
mod write_timeout;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::listen::{Drained, Limits};
use self::signals::Shutdown;
use self::tls::{Tls, TlsError};
use crate::api::state::{ApiSettings, ApiState, View};
use crate::api::throttle::Throttle;
use crate::auth::{AuthSetupError, Authenticators, JwtAuthenticator, KeystoneAuthenticator};
use crate::config::{Config, Problem, ScrubTime};
use crate::db::{ConnectError, Database};
use crate::domain::principal::Authenticator;
use crate::domain::repo::ImageRepo;
use crate::domain::revert::{RevertSettings, Reverter};
use crate::domain::scrub::{PassLimits, ScrubSettings, Scrubber};
use crate::domain::store::Stores;
use crate::domain::time::{Clock, SystemClock};
use crate::scrubber::Pauses;
use crate::scrubber::status::Status;
use crate::store::{ConfiguredStores, StoreOptions, StoreSetupError};
use crate::telemetry::metric;
use crate::{api, scrubber, telemetry};

/// Connections to the second listener; probes and one scraper need few.
const OPS_CONNECTIONS: usize = 64;

/// The configuration is well-formed, and still cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Of the database.
    #[error(transparent)]
    Database(#[from] ConnectError),
    /// Of a store.
    #[error(transparent)]
    Store(#[from] StoreSetupError),
    /// Of an issuer of tokens.
    #[error(transparent)]
    Auth(#[from] AuthSetupError),
    /// Of the Keystone that is named.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Keystone(Vec<Problem>),
    /// Nobody could call.
    #[error(
        "neither a Keystone nor an issuer of JWTs is configured, so nobody could call the API; set \
         [keystone_authtoken] auth_type and auth_url, or add a [revert_jwt:<name>] section with \
         issuer and audiences"
    )]
    NobodyMayCall,
}

/// The listeners cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// An address cannot be listened on.
    #[error("[revert] {option} = {address}: cannot be listened on: {error}")]
    Address {
        /// Its option.
        option: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Everything that the configuration describes, built and not started.
#[derive(Debug)]
pub struct Parts {
    /// The configuration.
    pub config: Config,
    /// Glance's database.
    pub database: Database,
    /// Glance's stores.
    pub stores: Arc<dyn Stores>,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// Takes images back.
    pub reverter: Arc<Reverter>,
}

impl Parts {
    /// Builds the parts; connects to nothing yet. Must be called inside a tokio runtime.
    pub fn new(config: Config) -> Result<Self, SetupError> {
        let options = StoreOptions::from(&config.revert);
        Self::with_store_options(config, &options)
    }

    /// [`Self::new`] with other options for the stores than the configuration's.
    pub fn with_store_options(config: Config, options: &StoreOptions) -> Result<Self, SetupError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let database = Database::open(&config.database, config.revert.db_pool_size)?;
        let key = config.glance.metadata_encryption_key.clone();
        let stores: Arc<dyn Stores> =
            Arc::new(ConfiguredStores::new(&config.stores, options, &clock, key)?);
        let settings = RevertSettings {
            lock_wait: config.revert.lock_wait,
            delete_grace: config.revert.delete_grace,
            delayed_delete: config.glance.delayed_delete,
        };
        let reverter = Arc::new(Reverter::new(
            Arc::clone(&database.repo),
            Arc::clone(&database.lock),
            Arc::clone(&stores),
            Arc::clone(&clock),
            settings,
        ));
        Ok(Self { config, database, stores, clock, reverter })
    }

    /// A scrubber over the same parts.
    pub fn scrubber(&self) -> Result<Scrubber, ScrubTime> {
        let scrub_time = self.config.glance.scrub_time;
        let in_force = scrub_time.in_force().ok_or(scrub_time)?;
        Ok(Scrubber::new(
            Arc::clone(&self.database.repo),
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
        .with_journal(Arc::new(telemetry::audit::destroyed)))
    }

    /// What one pass destroys unasked.
    pub fn limits(&self) -> PassLimits {
        let revert = &self.config.revert;
        PassLimits { images: revert.max_images_per_pass, bytes: revert.max_bytes_per_pass }
    }

    /// The verifiers of tokens. A Keystone that cannot be used is left out where there is an issuer
    /// beside it.
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

    /// The verifier of Keystone's tokens, where a Keystone is configured.
    pub fn keystone(&self) -> Result<Option<KeystoneAuthenticator>, SetupError> {
        if !self.config.keystone_problems.is_empty() {
            return Err(SetupError::Keystone(self.config.keystone_problems.clone()));
        }
        let Some(config) = &self.config.keystone else { return Ok(None) };
        let allowed = &self.config.revert.allowed_projects;
        Ok(Some(KeystoneAuthenticator::new(config, allowed, Arc::clone(&self.clock))?))
    }

    /// The verifier of JWTs alone.
    pub fn jwt(&self) -> Result<JwtAuthenticator, SetupError> {
        Ok(JwtAuthenticator::new(&self.config.issuers, Arc::clone(&self.clock))?)
    }

    /// What the API is put together from.
    pub fn api_state(&self) -> Result<ApiState, SetupError> {
        let authenticators = self.authenticators()?;
        Ok(ApiState {
            reverter: Arc::clone(&self.reverter),
            scrubber: self.scrubber().map(Arc::new),
            scrubs: self.config.revert.scrubber,
            view: self.view(),
            bearer: authenticators.bearer,
            keystone: authenticators.keystone,
            www_authenticate: self
                .config
                .keystone
                .as_ref()
                .and_then(|keystone| keystone.www_authenticate_uri.clone()),
            throttle: Arc::new(Throttle::new(self.config.revert.auth_failures_per_minute)),
            trusted_proxies: self.config.revert.trusted_proxies.as_slice().into(),
        })
    }

    /// The parts that are left alone since they cannot be used: their names in `check`, and why.
    pub fn unusable(&self) -> Vec<(String, String)> {
        let stores = self.stores.unusable().iter();
        let stores = stores.map(|store| (format!("store {}", store.id), store.why.clone()));
        let keystone = self.keystone().err().map(|why| ("keystone".to_owned(), why.to_string()));
        stores.chain(keystone).collect()
    }

    /// How results are shown.
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
                tls: self.config.revert.tls.is_some(),
            },
        }
    }
}

/// Both listeners, bound, and what they serve.
#[derive(Debug)]
pub struct Server {
    parts: Parts,
    state: ApiState,
    api: TcpListener,
    tls: Option<Arc<Tls>>,
    ops: TcpListener,
    metrics: PrometheusHandle,
}

impl Server {
    /// Reads the certificate, if there is one, and binds both addresses.
    pub async fn bind(
        parts: Parts,
        state: ApiState,
        metrics: PrometheusHandle,
    ) -> Result<Self, BindError> {
        let tls = Self::tls(&parts)?;
        let revert = &parts.config.revert;
        let api = bind("bind", revert.bind).await?;
        let ops = bind("ops_bind", revert.ops_bind).await?;
        Ok(Self { parts, state, api, tls, ops, metrics })
    }

    /// The same on an API's and a second socket that listen already.
    pub fn on(
        [api, ops]: [TcpListener; 2],
        parts: Parts,
        state: ApiState,
        metrics: PrometheusHandle,
    ) -> Result<Self, BindError> {
        let tls = Self::tls(&parts)?;
        Ok(Self { parts, state, api, tls, ops, metrics })
    }

    fn tls(parts: &Parts) -> Result<Option<Arc<Tls>>, BindError> {
        let config = parts.config.revert.tls.as_ref();
        let tls = config.map(Tls::load).transpose()?.map(Arc::new);
        if let Some(expires) = tls.as_ref().and_then(|tls| tls.expires())
            && expires <= parts.clock.now()
        {
            tracing::warn!(%expires, "the API's certificate has expired: clients will refuse it");
        }
        Ok(tls)
    }

    /// Where the API is.
    pub fn api_address(&self) -> std::io::Result<SocketAddr> {
        self.api.local_addr()
    }

    /// Where probes and metrics are.
    pub fn ops_address(&self) -> std::io::Result<SocketAddr> {
        self.ops.local_addr()
    }

    /// Serves, and scrubs if the configuration says so, until `shutdown` asks for the end; then
    /// finishes the requests and the location in hand. Probes are answered to the last.
    pub async fn run(self, shutdown: Shutdown) -> Drained {
        let revert = &self.parts.config.revert;
        let (soft, hard) = (shutdown.soft, shutdown.hard);
        let repo = Arc::clone(&self.parts.database.repo);
        let status = Arc::new(Status::of(&self.parts.config));
        let told = Arc::clone(&status);
        let ops = ops::router(Arc::clone(&repo), soft.clone(), self.metrics.clone(), told);
        let ops_limits = Limits::new(OPS_CONNECTIONS, Duration::from_secs(1));
        let ops = tokio::spawn(listen::serve(self.ops, ops, ops_limits, hard.clone()));
        let tasks = TaskTracker::new();
        tasks.spawn(telemetry::keep_up(self.metrics.clone(), soft.clone()));
        tasks.spawn(wait_for_database(repo, soft.clone()));
        let (bearer, stop) = (Arc::clone(&self.state.bearer), soft.clone());
        tasks.spawn(async move { bearer.keep(stop).await });
        let scrub_time = self.parts.config.glance.scrub_time.in_force().unwrap_or_default();
        metrics::gauge!(metric::SCRUB_TIME_SECONDS).set(scrub_time.as_secs_f64());
        let (repo, scrubber) = (Arc::clone(&self.parts.database.repo), self.state.scrubber.clone());
        tasks.spawn(scrubber::outlook::watch(repo, scrubber.ok(), soft.clone()));
        if revert.scrubber
            && let Ok(scrubber) = &self.state.scrubber
        {
            let scrubber = Arc::clone(scrubber);
            let clock = Arc::clone(&self.parts.clock);
            let wakeup_time = self.parts.config.glance.wakeup_time;
            let pauses = Pauses { first: revert.first_pass_delay, wakeup_time };
            tasks.spawn(scrubber::run(scrubber, clock, pauses, status, soft.clone()));
        }
        let limits = Limits::new(revert.max_connections, revert.shutdown_grace);
        let router = api::router(self.state);
        if let Some(tls) = &self.tls {
            tasks.spawn(Arc::clone(tls).keep_fresh(soft.clone()));
        }
        tasks.close();
        let (api, tls, stop) = (self.api, self.tls, soft.clone());
        let served = async {
            match tls {
                None => listen::serve(api, router, limits, stop).await,
                Some(tls) => listen::serve_tls(api, tls, router, limits, stop).await,
            }
        };
        let everything = drain(served, &tasks, &soft, revert.shutdown_grace);
        let drained = hard.run_until_cancelled(everything).await.unwrap_or(Drained { cut: 0 });
        hard.cancel();
        if let Err(error) = ops.await {
            tracing::error!(%error, "the second listener ended badly");
        }
        drained
    }
}

/// Waits for the requests and for the tasks. One grace is for both: who stops the process counts
/// with it, and kills what takes longer.
async fn drain<T>(
    served: impl Future<Output = T>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
    grace: Duration,
) -> T {
    let ended = async {
        stop.cancelled().await;
        if timeout(grace, tasks.wait()).await.is_err() {
            tracing::warn!("the scrubber did not stop in time; the next pass goes on from there");
        }
    };
    tokio::join!(served, ended).0
}

async fn bind(option: &'static str, address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|error| BindError::Address { option, address, error })
}

/// Says at the start whether the database is there, and keeps saying so until it is.
async fn wait_for_database(repo: Arc<dyn ImageRepo>, stop: CancellationToken) {
    let mut pause = Duration::from_secs(1);
    while let Err(error) = repo.ping().await {
        tracing::error!(%error, retry_in = pause.as_secs(), "the database does not serve; retrying");
        if stop.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
        pause = (pause * 2).min(Duration::from_secs(30));
    }
    tracing::info!("the database serves");
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    const GRACE: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn a_request_and_a_pass_that_both_hang_take_one_grace_together() {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(std::future::pending::<()>());
        tasks.close();
        let served = async {
            stop.cancelled().await;
            sleep(GRACE).await;
        };
        stop.cancel();
        let asked = Instant::now();
        drain(served, &tasks, &stop, GRACE).await;
        assert_eq!(asked.elapsed().as_secs(), GRACE.as_secs());
    }
}
