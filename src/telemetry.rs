//! What the process tells of itself: log lines, audit records, metrics.

pub mod audit;
mod logging;
pub mod metric;
mod printable;
mod recorder;
mod syslog;

pub use self::logging::{AuditTrail, init_command_logging, init_logging};
pub use self::printable::{Printable, printable};
pub use self::recorder::{init_metrics, keep_up};

/// Telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter cannot be read.
    #[error(
        "the log filter {filter:?} cannot be read: {problem}; write it as info,glance_revert=debug"
    )]
    BadFilter {
        /// As it was given.
        filter: String,
        /// What is wrong with it.
        problem: String,
    },
    /// This process writes its log already.
    #[error("logging is set up already")]
    LoggingTaken,
    /// The recorder was not accepted: another one is installed.
    #[error("the metrics recorder cannot be installed: {0}")]
    Recorder(#[from] metrics_exporter_prometheus::BuildError),
}
