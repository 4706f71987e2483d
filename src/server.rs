//! The running service: both listeners, background tasks, and shutdown.

mod connection;
pub mod listen;
pub mod ops;
mod own_errors;
mod preparation;
pub mod signals;
pub mod tls;
mod write_timeout;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::listen::{Drained, Limits};
use self::signals::Shutdown;
use self::tls::{Tls, TlsError};
use crate::api::state::ApiState;
use crate::app::App;
use crate::telemetry::metric;
use crate::worker::Pauses;
use crate::worker::alerts::{self, Alerts};
use crate::worker::outlook::OutlookWorker;
use crate::worker::status::Status;
use crate::{api, telemetry, worker};

/// Connections to the ops listener; probes and one scraper need few.
const OPS_CONNECTIONS: usize = 64;

/// Why a listener cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be bound.
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

/// Both listeners, bound, and their routers.
#[derive(Debug)]
pub struct Server {
    app: App,
    state: ApiState,
    api: TcpListener,
    tls: Option<Arc<Tls>>,
    ops: TcpListener,
    metrics: PrometheusHandle,
}

impl Server {
    /// Reads the certificate, if any, and binds both addresses.
    pub async fn bind(
        app: App,
        state: ApiState,
        metrics: PrometheusHandle,
    ) -> Result<Self, BindError> {
        let tls = Self::tls(&app)?;
        let listeners = &app.config.listeners;
        let api = bind("bind", listeners.bind).await?;
        let ops = bind("ops_bind", listeners.ops_bind).await?;
        Ok(Self { app, state, api, tls, ops, metrics })
    }

    /// The same on already listening API and ops sockets.
    pub fn on(
        [api, ops]: [TcpListener; 2],
        app: App,
        state: ApiState,
        metrics: PrometheusHandle,
    ) -> Result<Self, BindError> {
        let tls = Self::tls(&app)?;
        Ok(Self { app, state, api, tls, ops, metrics })
    }

    fn tls(app: &App) -> Result<Option<Arc<Tls>>, BindError> {
        let config = app.config.listeners.tls.as_ref();
        let tls = config.map(Tls::load).transpose()?.map(Arc::new);
        if let Some(expires) = tls.as_ref().and_then(|tls| tls.expires())
            && expires <= app.clock.now()
        {
            tracing::warn!(%expires, "the API's certificate has expired: clients will refuse it");
        }
        Ok(tls)
    }

    /// The API's address.
    pub fn api_address(&self) -> std::io::Result<SocketAddr> {
        self.api.local_addr()
    }

    /// The ops listener's address.
    pub fn ops_address(&self) -> std::io::Result<SocketAddr> {
        self.ops.local_addr()
    }

    /// Serves, and scrubs if configured, until `shutdown` is requested; then finishes requests in
    /// flight and the current location. Probes are answered until the end.
    pub async fn run(self, shutdown: Shutdown) -> Drained {
        let revert = &self.app.config.revert;
        let (soft, hard) = (shutdown.soft, shutdown.hard);
        let health = Arc::clone(&self.app.database.health);
        let status = Arc::new(Status::of(&self.app.config));
        let told = Arc::clone(&status);
        let tables = Arc::clone(&self.app.database.tables);
        let ops =
            ops::router(Arc::clone(&health), tables, soft.clone(), self.metrics.clone(), told);
        let ops_limits = Limits::new(OPS_CONNECTIONS, Duration::from_secs(1));
        let ops = tokio::spawn(listen::serve(self.ops, ops, ops_limits, hard.clone()));
        let tasks = TaskTracker::new();
        tasks.spawn(telemetry::keep_up(self.metrics.clone(), soft.clone()));
        let schema = Arc::clone(&self.app.database.schema);
        let schema = self.app.config.auto_db_sync().then_some(schema);
        tasks.spawn(preparation::prepare_database(health, schema, soft.clone()));
        let (bearer, stop) = (Arc::clone(&self.state.bearer), soft.clone());
        tasks.spawn(async move { bearer.keep(stop).await });
        let scrub_time = self.app.config.glance.scrub_time.in_force().unwrap_or_default();
        metrics::gauge!(metric::SCRUB_TIME_SECONDS).set(scrub_time.as_secs_f64());
        let repo = Arc::clone(&self.app.database.scrub_repo);
        let scrubber = self.state.scrubber.clone();
        let control = Arc::clone(&self.app.database.control);
        let tables = Arc::clone(&self.app.database.tables);
        let tables = self.app.config.glance.delayed_delete.then_some(tables);
        let alerts = alerts(&self.app, &tasks, &soft);
        let told = alerts.clone();
        let outlook =
            OutlookWorker { repo, control, tables, scrubber: scrubber.ok(), alerts: told };
        tasks.spawn(outlook.watch(soft.clone()));
        if revert.scrubber
            && let Ok(scrubber) = &self.state.scrubber
        {
            let scrubber = Arc::clone(scrubber);
            let clock = Arc::clone(&self.app.clock);
            let wakeup_time = self.app.config.glance.wakeup_time;
            let pauses = Pauses { first: revert.first_pass_delay, wakeup_time };
            tasks.spawn(worker::run(scrubber, clock, pauses, status, alerts, soft.clone()));
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

/// Starts the task that sends alerts. An unusable webhook was reported at startup.
fn alerts(app: &App, tasks: &TaskTracker, stop: &CancellationToken) -> Alerts {
    let Some(Ok(webhook)) = app.webhook() else { return Alerts::default() };
    let (alerts, queue) = Alerts::new(app.config.revert.alert_webhook_images);
    tasks.spawn(alerts::deliver(webhook, queue, Arc::clone(&app.clock), stop.clone()));
    alerts
}

/// Waits for requests and tasks with one common grace period: process managers kill whatever takes
/// longer.
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, sleep};

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
