//! Log lines, to standard error: standard output belongs to the commands' results.
//!
//! A line that cannot be written (the disk is full, its reader is gone) is counted and otherwise
//! lost. It stops nobody: who deletes or reverts is in the middle of something.

use std::io::{self, ErrorKind, IsTerminal, Stderr, Write};

use tracing_subscriber::EnvFilter;

use super::{TelemetryError, audit, metric};
use crate::config::LogFormat;

/// Libraries that talk of every statement and every packet.
const QUIET: &str = "sqlx=warn,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,h2=warn";

/// Starts writing log lines. `filter` is in the words of `tracing_subscriber::EnvFilter`; without
/// it `debug` (Glance's option) chooses between `info` and our own `debug` lines. Libraries never
/// get `debug` by that option: their lines could show what we keep secret. Audit records pass every
/// filter that does not name their target.
///
/// # Errors
/// A filter that cannot be read, or a second call in one process.
pub fn init_logging(
    format: LogFormat,
    debug: bool,
    filter: Option<&str>,
) -> Result<(), TelemetryError> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parse_filter(debug, filter)?)
        .with_writer(|| Counted(io::stderr()))
        // Its own word about a failed write goes to standard error too, and panics there.
        .log_internal_errors(false);
    let set = match format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).try_init(),
    };
    set.map_err(|_| TelemetryError::LoggingTaken)
}

/// Counts the lines that cannot be written.
struct Counted(Stderr);

impl Write for Counted {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write(line).inspect_err(|error| {
            if error.kind() != ErrorKind::Interrupted {
                metrics::counter!(metric::LOG_FAILURES_TOTAL).increment(1);
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn parse_filter(debug: bool, filter: Option<&str>) -> Result<EnvFilter, TelemetryError> {
    let ours = if debug { "info,glance_revert=debug" } else { "info" };
    let mut text = filter.map_or_else(|| format!("{ours},{QUIET}"), str::to_owned);
    if !text.contains(audit::TARGET) {
        // No record is to be lost by a level that was meant for other lines.
        text = format!("{text},{}=info", audit::TARGET);
    }
    EnvFilter::try_new(&text)
        .map_err(|error| TelemetryError::BadFilter { filter: text, problem: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_for_our_own_lines_alone() {
        let filter = parse_filter(true, None).unwrap().to_string();
        assert!(filter.contains("glance_revert=debug"), "{filter}");
        assert!(filter.contains("sqlx=warn"), "{filter}");
        assert!(!parse_filter(false, None).unwrap().to_string().contains("debug"));
    }

    #[test]
    fn a_filter_that_is_given_replaces_the_default() {
        let filter = parse_filter(true, Some("glance_revert::audit=off,error")).unwrap();
        assert_eq!(filter.to_string(), "glance_revert::audit=off,error");
    }

    #[test]
    fn audit_records_pass_every_filter_that_does_not_name_them() {
        for filter in [None, Some("error"), Some("off"), Some("glance_revert=warn"), Some("")] {
            let filter = parse_filter(false, filter).unwrap().to_string();
            assert!(filter.contains("glance_revert::audit=info"), "{filter}");
        }
    }

    #[test]
    fn a_bad_filter_is_named() {
        let error = parse_filter(false, Some("glance_revert=loud")).unwrap_err().to_string();
        assert!(error.contains("glance_revert=loud"), "{error}");
    }

    #[test]
    fn logging_set_up_twice_is_an_error_and_no_panic() {
        let _first = init_logging(LogFormat::Json, false, Some("off"));
        let second = init_logging(LogFormat::Text, false, Some("off"));
        assert!(matches!(second, Err(TelemetryError::LoggingTaken)));
    }
}
