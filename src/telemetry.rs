//! Logs, audit records and metrics of the process.

pub mod audit;
mod logging;
pub mod metric;
mod printable;
mod recorder;
mod syslog;

pub use self::logging::{AuditTrail, init_command_logging, init_logging};
pub use self::printable::{Printable, printable};
pub use self::recorder::{init_metrics, keep_up};

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter cannot be parsed.
    #[error(
        "the log filter {filter:?} cannot be read: {problem}; write it as info,glance_revert=debug"
    )]
    BadFilter {
        /// As given.
        filter: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Logging is initialized already.
    #[error("logging is set up already")]
    LoggingTaken,
    /// Another recorder is installed.
    #[error("the metrics recorder cannot be installed: {0}")]
    Recorder(#[from] metrics_exporter_prometheus::BuildError),
}
