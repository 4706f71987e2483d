//! Log lines, to standard error; standard output is for the commands' results.
//!
//! A line that cannot be written (full disk, closed reader) is counted and dropped. It stops no
//! delete or revert in progress.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, registry};

use super::printable::printable;
use super::syslog::Syslog;
use super::{TelemetryError, audit, metric};
use crate::config::LogFormat;

/// Libraries that log every statement or packet.
const QUIET: &str = "sqlx=warn,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,h2=warn";

/// Initializes the log of a service. `filter` has the syntax of `tracing_subscriber::EnvFilter`;
/// without it, `debug` (Glance's option) chooses between `info` and our own `debug` lines. It never
/// applies to libraries, whose lines could show secrets. Audit records pass every filter that does
/// not name their target.
///
/// # Errors
/// The filter cannot be parsed, or logging is initialized already.
pub fn init_logging(
    format: LogFormat,
    debug: bool,
    filter: Option<&str>,
) -> Result<(), TelemetryError> {
    let filter = parse_filter(debug, filter)?;
    let set = registry().with(filter).with(lines(format, || Escaped(io::stderr()))).try_init();
    set.map_err(|_| TelemetryError::LoggingTaken)
}

/// Where a command's audit records are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditTrail {
    /// In the system log, on standard error, or both.
    Kept,
    /// Nowhere: there is no system log, and standard error is a terminal.
    Nowhere,
}

/// The same for an interactive command. Its audit records go to the system log, and to standard
/// error only if that is not a terminal, where they would bury the results.
///
/// # Errors
/// As for [`init_logging`].
pub fn init_command_logging(
    format: LogFormat,
    debug: bool,
    filter: Option<&str>,
) -> Result<AuditTrail, TelemetryError> {
    let filter = parse_filter(debug, filter)?;
    let at_terminal = io::stderr().is_terminal();
    let shown = filter_fn(move |line| !(at_terminal && is_audit(line)));
    let syslog = Syslog::connect(Path::new(Syslog::SOCKET)).map(Arc::new);
    let kept = syslog.is_some() || !at_terminal;
    let set = registry()
        .with(filter)
        .with(lines(format, || Escaped(io::stderr())).with_filter(shown))
        .with(syslog.map(records))
        .try_init();
    set.map_err(|_| TelemetryError::LoggingTaken)?;
    Ok(if kept { AuditTrail::Kept } else { AuditTrail::Nowhere })
}

fn is_audit(line: &Metadata<'_>) -> bool {
    line.target() == audit::TARGET
}

/// The log's lines, without colours: escape sequences are never genuine.
fn lines<S, W>(format: LogFormat, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_ansi(false).with_writer(writer);
    // The layer would report a failed write on standard error too, and panic there.
    let layer = layer.log_internal_errors(false);
    match format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(false).boxed(),
    }
}

/// The audit records alone, for a log that adds time, level and process itself.
fn records<S>(syslog: Arc<Syslog>) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let layer = fmt::layer().with_ansi(false).without_time().with_level(false).with_target(false);
    let layer = layer.with_writer(move || Escaped(Mirrored(Arc::clone(&syslog))));
    layer.log_internal_errors(false).with_filter(filter_fn(is_audit))
}

/// The system log, with standard error as fallback.
struct Mirrored(Arc<Syslog>);

impl Write for Mirrored {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        (&*self.0).write(line).or_else(|_| io::stderr().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Escapes each log line so that it prints as one line, and counts lines that cannot be written.
struct Escaped<W>(W);

impl<W: Write> Write for Escaped<W> {
    /// Takes a whole line, as tracing-subscriber writes it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let (text, end) = text.strip_suffix('\n').map_or((&*text, ""), |text| (text, "\n"));
        let written = self.0.write_all(format!("{}{end}", printable(text)).as_bytes());
        written.map(|()| line.len()).inspect_err(|error| {
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
        // A level meant for other lines must not suppress records.
        text = format!("{text},{}=info", audit::TARGET);
    }
    EnvFilter::try_new(&text)
        .map_err(|error| TelemetryError::BadFilter { filter: text, problem: error.to_string() })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// What a log has after one line about a hostile name.
    fn line_about(name: &str, format: LogFormat) -> String {
        #[derive(Clone, Default)]
        struct Log(Arc<Mutex<Vec<u8>>>);
        impl Write for Log {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let log = Log::default();
        let kept = log.clone();
        let layer = lines(format, move || Escaped(log.clone()));
        tracing::subscriber::with_default(registry().with(layer), || {
            tracing::warn!(name, shown = %name, debug = ?name, "about {name}");
        });
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_log_line_stays_one_printable_line_whatever_its_values() {
        let hostile = "a\u{1b}]52;c;x\u{7}\r\n\u{202e}b\u{85}\u{2028}\u{2066}c\u{9b}2J";
        for format in [LogFormat::Text, LogFormat::Json] {
            let line = line_about(hostile, format);
            let (line, rest) = line.split_once('\n').unwrap();
            assert_eq!(rest, "", "one line");
            assert_eq!(printable(line), line, "{format:?}");
            assert!(line.contains("202e") && line.contains("2066"), "{line}");
        }
        let json = line_about(hostile, LogFormat::Json);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["name"], hostile, "programs read the same");
    }

    #[test]
    fn debug_applies_only_to_our_own_lines() {
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
