//! Log lines, to standard error: standard output belongs to the commands' results.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use super::TelemetryError;
use crate::config::LogFormat;

/// Libraries that talk of every statement and every packet.
const QUIET: &str = "sqlx=warn,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,h2=warn";

/// Starts writing log lines. `filter` is in the words of `tracing_subscriber::EnvFilter`; without
/// it `debug` (Glance's option) chooses between `info` and our own `debug` lines. Libraries never
/// get `debug` by that option: their lines could show what we keep secret.
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
        .with_writer(io::stderr);
    let set = match format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).try_init(),
    };
    set.map_err(|_| TelemetryError::LoggingTaken)
}

fn parse_filter(debug: bool, filter: Option<&str>) -> Result<EnvFilter, TelemetryError> {
    let ours = if debug { "info,glance_revert=debug" } else { "info" };
    let text = filter.map_or_else(|| format!("{ours},{QUIET}"), str::to_owned);
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
        assert_eq!(parse_filter(true, Some("error")).unwrap().to_string(), "error");
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
