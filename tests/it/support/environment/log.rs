//! The log of the whole test binary, kept in memory.
//!
//! One subscriber for all threads, installed before the first request: tracing caches whether
//! anybody listens, and temporary subscribers of concurrent tests would invalidate that cache.

use std::io::{Result, Write};
use std::sync::{Mutex, Once};

use glance_revert::telemetry::audit;
use serde_json::Value;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, registry};

use crate::support::output;

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Starts recording; further calls have no effect.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let kept = fmt::layer().json().flatten_event(true).with_writer(|| Log);
        let kept = registry().with(kept.with_filter(LevelFilter::INFO));
        match output::file("in-process") {
            Some(file) => {
                kept.with(fmt::layer().with_ansi(false).with_writer(Mutex::new(file))).init();
            }
            None => kept.init(),
        }
    });
}

/// The log lines of one request, except its audit records.
pub(crate) fn lines_of(request_id: &str) -> Vec<Value> {
    all_of(request_id).into_iter().filter(|line| line["target"] != audit::TARGET).collect()
}

/// The audit records of one request.
pub(crate) fn audit_of(request_id: &str) -> Vec<Value> {
    all_of(request_id).into_iter().filter(|line| line["target"] == audit::TARGET).collect()
}

/// Everything logged so far.
pub(crate) fn all() -> Vec<Value> {
    let text = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect()
}

fn all_of(request_id: &str) -> Vec<Value> {
    all().into_iter().filter(|line| line["request_id"] == request_id).collect()
}
