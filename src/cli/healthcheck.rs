//! `glance-revert healthcheck`: for container images without a shell or curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;

use super::{CliError, Exit, Outcome, SourceArgs};
use crate::net::{Outbound, root_cause};

const TIMEOUT: Duration = Duration::from_secs(4);

#[derive(Debug, Args)]
pub(super) struct HealthcheckArgs {
    /// Ask whether the process lives, whatever the database does
    #[arg(long)]
    live: bool,
    /// The second listener [default: the configuration's `ops_bind`]
    #[arg(long, value_name = "ADDRESS:PORT")]
    address: Option<SocketAddr>,
}

/// Exit codes: 0 healthy; 1 unhealthy, or no response.
pub(super) async fn run(sources: &SourceArgs, args: &HealthcheckArgs) -> Outcome {
    let address = match args.address {
        Some(address) => address,
        None => sources.load()?.listeners.ops_bind,
    };
    let path = if args.live { "livez" } else { "readyz" };
    let url = format!("http://{}/{path}", reachable(address));
    // Plain HTTP needs no CA certificates, which the machine may lack.
    let outbound = Outbound { insecure: true, ..Outbound::within(TIMEOUT) };
    let client = outbound.client().map_err(|error| CliError::Other(error.to_string()))?;
    match client.get(&url).send().await {
        Ok(answer) if answer.status().is_success() => Ok(Exit::Ok),
        Ok(answer) => Err(CliError::Other(format!("{url} answered {}", answer.status()))),
        Err(error) => Err(CliError::Other(format!("{url} did not answer: {}", root_cause(error)))),
    }
}

/// A server that listens on every address is reached on loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
