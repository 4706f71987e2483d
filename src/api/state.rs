//! State shared by all handlers.

use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use ipnet::IpNet;

use super::error::RequestError;
use super::throttle::Throttle;
use crate::config::ScrubTime;
use crate::domain::control::Control;
use crate::domain::principal::{Authenticator, SignIn};
use crate::domain::retention::{Rule, later};
use crate::domain::revert::{Reverter, Verify};
use crate::domain::scrub::Scrubber;
use crate::domain::store::Stores;
use crate::domain::tables::OwnTables;
use crate::domain::time::{Clock, Timestamp};

/// The parts of the API. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ApiState {
    /// The use cases.
    pub reverter: Arc<Reverter>,
    /// Pauses, holds and limits that apply to every scrubber on this database.
    pub control: Arc<Control>,
    /// The scrubber; `Err` while nothing may be scrubbed.
    pub scrubber: Result<Arc<Scrubber>, ScrubTime>,
    /// Whether this process runs passes.
    pub scrubs: bool,
    /// Our own tables.
    pub tables: Arc<dyn OwnTables>,
    /// How results are rendered.
    pub view: View,
    /// Verifies `Authorization: Bearer`.
    pub bearer: Arc<dyn Authenticator>,
    /// Verifies `X-Auth-Token`; `None` refuses all of them.
    pub keystone: Option<Arc<dyn Authenticator>>,
    /// Where people sign in with a password; `None` if that is off.
    pub sign_in: Option<Arc<dyn SignIn>>,
    /// Keystone's public URL (`www_authenticate_uri`), sent to callers without a valid token.
    pub www_authenticate: Option<String>,
    /// Counts refused tokens per client.
    pub throttle: Arc<Throttle>,
    /// Proxies whose forwarding headers are trusted.
    pub trusted_proxies: Arc<[IpNet]>,
}

/// Renders results of the domain as documents, for the API and the command line.
#[derive(Debug, Clone)]
pub struct View {
    /// For `seconds_left`.
    pub clock: Arc<dyn Clock>,
    /// Parses the locations shown in documents.
    pub stores: Arc<dyn Stores>,
    /// Settings.
    pub settings: ApiSettings,
}

/// The API's settings, all from the configuration.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "they are options, one by one")]
pub struct ApiSettings {
    /// `scrub_time`: how long a deleted image can be reverted; `None` while nothing is scrubbed.
    pub scrub_time: Option<Duration>,
    /// `[revert] verify`: the default of requests.
    pub default_verify: Verify,
    /// Whether `enabled_backends` is set: image documents then have `stores`.
    pub multi_store: bool,
    /// `show_multiple_locations`: image documents then have `locations`.
    pub show_multiple_locations: bool,
    /// `show_image_direct_url`: image documents then have `direct_url`.
    pub show_image_direct_url: bool,
    /// `[revert] request_timeout`: limit of a request, except for reading data for `checksum`.
    pub request_timeout: Duration,
    /// Whether the API is served over TLS.
    pub tls: bool,
    /// `[revert] ui`: whether the page is served.
    pub ui: bool,
}

impl ApiState {
    pub(crate) fn scrubber(&self) -> Result<&Scrubber, RequestError> {
        self.scrubber.as_deref().map_err(|time| RequestError::NoScrubTime(*time))
    }
}

impl View {
    /// When the scrubber may claim an image deleted at `deleted_at`, and the seconds left until
    /// then, at least 0. If there is a `rule`, it decides. `None` while nothing is scrubbed.
    pub(crate) fn scrub_at(
        &self,
        deleted_at: Timestamp,
        rule: Option<&Rule>,
    ) -> Option<(Timestamp, i64)> {
        let scrub_time = self.settings.scrub_time?;
        let wait = rule.map_or(scrub_time, |rule| rule.scrub_time);
        Some(self.left_until(later(deleted_at, wait)))
    }

    /// A time that can be shown, and the seconds left until then, at least 0.
    pub(crate) fn left_until(&self, due: Timestamp) -> (Timestamp, i64) {
        let at = due.min(LAST);
        (at, (at - self.clock.now()).num_seconds().max(0))
    }
}

/// The last date with four-digit years, for a `scrub_time` that means "never".
const LAST: Timestamp = match NaiveDate::from_ymd_opt(9999, 12, 31) {
    Some(day) => day.and_time(chrono::NaiveTime::MIN),
    None => Timestamp::MAX,
};
