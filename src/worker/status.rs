//! What the scrubber of this process is at, for probes and metrics.

use std::sync::{Mutex, PoisonError};

use crate::config::{Config, ScrubTime};
use crate::telemetry::metric;

/// What the scrubber of this process is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// `[revert] scrubber = false`.
    Off,
    /// It scrubs what is due.
    On,
    /// More is due than a pass may destroy; nothing is scrubbed.
    Limited,
    /// `scrub_time` is set nowhere; nothing is scrubbed.
    ScrubTimeUnset,
    /// `scrub_time` is below `min_scrub_time`; nothing is scrubbed.
    ScrubTimeTooShort,
}

impl Standing {
    const ALL: [Self; 5] =
        [Self::Off, Self::On, Self::Limited, Self::ScrubTimeUnset, Self::ScrubTimeTooShort];

    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Limited => "limited",
            Self::ScrubTimeUnset => "scrub_time_unset",
            Self::ScrubTimeTooShort => "scrub_time_too_short",
        }
    }
}

/// Where it is written down, shared by who scrubs and who tells.
#[derive(Debug)]
pub struct Status(Mutex<Standing>);

impl Status {
    /// At this.
    pub fn new(standing: Standing) -> Self {
        show(standing);
        Self(Mutex::new(standing))
    }

    /// As the configuration has it, before the first pass.
    pub fn of(config: &Config) -> Self {
        Self::new(match config.glance.scrub_time {
            ScrubTime::Unset => Standing::ScrubTimeUnset,
            ScrubTime::TooShort { .. } => Standing::ScrubTimeTooShort,
            ScrubTime::Set(_) if config.revert.scrubber => Standing::On,
            ScrubTime::Set(_) => Standing::Off,
        })
    }

    /// What it is at.
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

/// A series for each, one of which is 1.
fn show(standing: Standing) {
    for one in Standing::ALL {
        let gauge = metrics::gauge!(metric::SCRUBBER_STATE, "state" => one.word());
        gauge.set(if one == standing { 1.0 } else { 0.0 });
    }
}
