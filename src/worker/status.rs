//! The state of this process's scrubber, for probes and metrics.

use std::sync::{Mutex, PoisonError};

use crate::config::{Config, ScrubTime};
use crate::telemetry::metric;

/// The state of this process's scrubber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// `[revert] scrubber = false`.
    Off,
    /// Scrubs what is due.
    On,
    /// More is due than a pass may destroy; nothing is scrubbed.
    Limited,
    /// `scrub_time` is not set; nothing is scrubbed.
    ScrubTimeUnset,
    /// It is unknown which `scrub_time` holds; nothing is scrubbed.
    ScrubTimeUnknown,
    /// `scrub_time` is below `min_scrub_time`; nothing is scrubbed.
    ScrubTimeTooShort,
}

impl Standing {
    const ALL: [Self; 6] = [
        Self::Off,
        Self::On,
        Self::Limited,
        Self::ScrubTimeUnset,
        Self::ScrubTimeUnknown,
        Self::ScrubTimeTooShort,
    ];

    /// Its name for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Limited => "limited",
            Self::ScrubTimeUnset => "scrub_time_unset",
            Self::ScrubTimeUnknown => "scrub_time_unknown",
            Self::ScrubTimeTooShort => "scrub_time_too_short",
        }
    }
}

/// The shared state, set by the worker and read by probes.
#[derive(Debug)]
pub struct Status(Mutex<Standing>);

impl Status {
    /// Starts with this state.
    pub fn new(standing: Standing) -> Self {
        show(standing);
        Self(Mutex::new(standing))
    }

    /// The state before the first pass, according to the configuration.
    pub fn of(config: &Config) -> Self {
        Self::new(match config.glance.scrub_time {
            ScrubTime::Unset => Standing::ScrubTimeUnset,
            ScrubTime::Unknown => Standing::ScrubTimeUnknown,
            ScrubTime::TooShort { .. } => Standing::ScrubTimeTooShort,
            ScrubTime::Set(_) if config.revert.scrubber => Standing::On,
            ScrubTime::Set(_) => Standing::Off,
        })
    }

    /// The current state.
    pub fn get(&self) -> Standing {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the last pass was refused for its size.
    pub fn set_limited(&self, limited: bool) {
        let standing = if limited { Standing::Limited } else { Standing::On };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = standing;
        show(standing);
    }
}

/// Sets one metric series per state; one of them is 1.
fn show(standing: Standing) {
    for one in Standing::ALL {
        let gauge = metrics::gauge!(metric::SCRUBBER_STATE, "state" => one.word());
        gauge.set(if one == standing { 1.0 } else { 0.0 });
    }
}
