//! `glance-revert serve`.

use tokio::net::TcpListener;

use super::{CliError, Exit, Outcome, SourceArgs};
use crate::app::{self, App};
use crate::config::{Config, KeystoneConfig};
use crate::server::Server;
use crate::server::signals::shutdown_signal;
use crate::telemetry;

pub(super) async fn run(sources: &SourceArgs) -> Outcome {
    let config = sources.load()?;
    telemetry::init_logging(config.revert.log_format, config.glance.debug, sources.log.as_deref())?;
    let server = start(config, None).await?;
    let shutdown = shutdown_signal().map_err(CliError::system("signals"))?;
    let drained = server.run(shutdown).await;
    if drained.cut > 0 {
        tracing::warn!(connections = drained.cut, "stopped; some connections were cut");
    } else {
        tracing::info!("stopped");
    }
    Ok(Exit::Ok)
}

/// Binds the listeners (or uses sockets that listen already) and logs their addresses.
pub(super) async fn start(
    config: Config,
    listening: Option<[TcpListener; 2]>,
) -> Result<Server, CliError> {
    let metrics = telemetry::init_metrics(app::clock().now())?;
    warn(&config);
    let (scrubber, tls) = (config.revert.scrubber, config.listeners.tls.is_some());
    let app = App::new(config)?;
    for (part, why) in app.unusable() {
        tracing::error!(part, why, "skipped: its configuration is invalid");
    }
    let state = app.api_state()?;
    let server = match listening {
        None => Server::bind(app, state, metrics).await?,
        Some(listeners) => Server::on(listeners, app, state, metrics)?,
    };
    let address = |found: std::io::Result<std::net::SocketAddr>| {
        found.map_err(CliError::system("the bound address"))
    };
    tracing::info!(
        version = super::VERSION,
        api = %address(server.api_address())?,
        ops = %address(server.ops_address())?,
        tls,
        scrubber,
        "serving"
    );
    Ok(server)
}

/// Warns about settings that are allowed but probably not intended.
fn warn(config: &Config) {
    if !config.glance.delayed_delete {
        tracing::warn!(
            "[DEFAULT] delayed_delete is off: Glance destroys data at once, and only what a store \
             keeps after that can come back; set delayed_delete = True for glance-api"
        );
    }
    if let Some(keystone) = &config.keystone {
        warn_of_keystone(keystone);
    }
    for warning in &config.glance.scrub_time_warnings {
        tracing::warn!("{warning}");
    }
    if config.revert.scrubber && config.glance.scrub_time.in_force().is_none() {
        tracing::error!("{}", config.glance.scrub_time);
    }
}

fn warn_of_keystone(keystone: &KeystoneConfig) {
    if keystone.insecure {
        tracing::warn!(
            "[keystone_authtoken] insecure is on: a server that pretends to be Keystone could \
             decide who is an admin; set cafile instead"
        );
    }
    if !keystone.unused.is_empty() {
        tracing::info!(
            options = keystone.unused.join(", "),
            "these options of [keystone_authtoken] are not used"
        );
    }
}
