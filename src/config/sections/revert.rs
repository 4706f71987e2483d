//! `[revert]`, except the listeners.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::config::declare::options;
use crate::config::options::{
    Choice, Opt, REVERT_GROUP, boolean, choice, integer, nonempty_words, optional_integer, parsed,
    path, seconds, secret_text, some_seconds, words,
};
use crate::config::oslo::types;
use crate::config::reader::{Reader, Section};
use crate::domain::revert::Verify;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Choice for LogFormat {
    const WORDS: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

/// How people sign in at /ui, besides pasting a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UiLogin {
    /// No other way.
    #[default]
    None,
    /// With a Keystone name and password.
    Keystone,
}

impl Choice for UiLogin {
    const WORDS: &'static [(&'static str, Self)] =
        &[("none", Self::None), ("keystone", Self::Keystone)];
}

impl Choice for Verify {
    const WORDS: &'static [(&'static str, Self)] =
        &[("exists", Self::Exists), ("checksum", Self::Checksum), ("none", Self::None)];
}

options! {
    /// `[revert]`, except the listeners.
    struct RevertConfig of REVERT: RevertOptions {
        /// Refused tokens that a client may send in a minute; further ones are answered 429.
        auth_failures_per_minute: NonZeroU32 = integer(1, u32::MAX as i64, "20");
        /// How a revert verifies the data unless the request says otherwise.
        verify: Verify = choice("exists");
        /// How long a revert waits for an image that a pass or another revert has locked.
        lock_wait: Duration = seconds("5");
        /// Whether this process scrubs. false: it serves the API only.
        scrubber: bool = boolean(true);
        /// Whether the page for operators is served, at /ui.
        ui: bool = boolean(true);
        /// How people sign in at /ui besides pasting a token: keystone sends their name and
        /// password to the Keystone of [keystone_authtoken].
        ui_login: UiLogin = choice("none");
        /// How long a Glance DELETE may stay half done before it counts as interrupted.
        delete_grace: Duration = seconds("60");
        /// Consecutive missing objects after which a store is skipped for the rest of the pass.
        absent_limit: usize = integer(1, i64::MAX, "20");
        /// Nothing is scrubbed while scrub_time is less than this.
        min_scrub_time: Duration = seconds("3600");
        /// A pass that would destroy more images destroys none, until somebody accepts the number.
        max_images_per_pass: u64 = integer(1, i64::MAX, "1000");
        /// The same for the sum of the images' sizes. Unset: any number.
        max_bytes_per_pass: Option<u64> = optional_integer(1, "bytes").example("1099511627776");
        /// How long after its start the service begins its first pass.
        first_pass_delay: Duration = seconds("60");
        /// Allows a pass to destroy files and objects that are not named after their image.
        any_file_name: bool = boolean(false);
        /// Hosts that reverts may contact for http and https locations; without a port, on the
        /// scheme's default port.
        http_verify_hosts: Vec<String> = hosts();
        /// Store hosts for which credentials in old locations may be used if no option sets them.
        location_credentials_hosts: Vec<String> = hosts();
        /// How long one call to a store may take.
        store_timeout: Duration = some_seconds("30");
        /// Size of the database connection pool. One connection holds all locks.
        db_pool_size: u32 = integer(2, 1000, "16");
        /// Whether serve creates the service's own tables (glance-revert db sync) when it starts.
        /// Unset: only in SQLite.
        auto_db_sync: Option<bool> = parsed("boolean", None, some_boolean, || None).example("true");
        /// How long a request may take; must exceed lock_wait. Reading data for checksum does not
        /// count.
        request_timeout: Duration = some_seconds("60");
        /// Maximum number of open connections to the API.
        max_connections: usize = integer(1, i64::MAX, "1024");
        /// How long requests and the pass may take to finish after a signal to stop.
        shutdown_grace: Duration = seconds("60");
        /// Keystone projects whose admins may call; the word system allows tokens of the system
        /// scope. Empty: all.
        allowed_projects: Vec<String> = words("list of project ids", "");
        /// URL that signed alerts are POSTed to: https, or http on this machine. Unset: nowhere.
        alert_webhook: Option<SecretString> =
            secret_text().example("https://alerts.example.org/glance-revert");
        /// The secret that alerts are signed with, at least 16 bytes. Read again when it changes.
        alert_webhook_secret_file: Option<PathBuf> = path().example("/etc/glance/webhook-secret");
        /// CA certificates for the receiver, in PEM. Unset: the system's.
        alert_webhook_ca_file: Option<PathBuf> = path().example("/etc/glance/webhook-ca.crt");
        /// Deleting more images than this within an hour counts as a mass deletion.
        alert_webhook_images: u64 = integer(0, i64::MAX, "200");
        /// How log lines are written.
        log_format: LogFormat = choice("text");
    }
}

impl RevertConfig {
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Self {
        let revert = Self::values(section);
        if revert.request_timeout <= revert.lock_wait {
            section.problem(&REVERT.request_timeout, "must be longer than lock_wait");
        }
        let is_signed = revert.alert_webhook_secret_file.is_some();
        if revert.alert_webhook.is_some() && !is_signed {
            let needed = "must be set if alert_webhook is set";
            section.problem(&REVERT.alert_webhook_secret_file, needed);
        }
        if revert.alert_webhook.is_none() && is_signed {
            let useless = "has no effect without alert_webhook";
            section.problem(&REVERT.alert_webhook_secret_file, useless);
        }
        revert
    }

    /// Where alerts are sent to, if anywhere.
    pub fn webhook(&self) -> Option<WebhookConfig> {
        Some(WebhookConfig {
            url: self.alert_webhook.clone()?,
            secret_file: self.alert_webhook_secret_file.clone()?,
            ca_file: self.alert_webhook_ca_file.clone(),
        })
    }
}

/// Where alerts are sent to.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// `alert_webhook`; its path may be a secret.
    pub url: SecretString,
    /// `alert_webhook_secret_file`.
    pub secret_file: PathBuf,
    /// `alert_webhook_ca_file`.
    pub ca_file: Option<PathBuf>,
}

/// Refuses `ui_login = keystone` if no Keystone is configured.
pub(in crate::config) fn without_keystone(reader: &mut Reader<'_>, revert: &RevertConfig) {
    if revert.ui_login == UiLogin::Keystone {
        let needs = "the value keystone needs auth_url and auth_type in [keystone_authtoken]";
        reader.section(&[REVERT_GROUP]).problem(&REVERT.ui_login, needs);
    }
}

fn some_boolean(text: &str) -> Result<Option<bool>, String> {
    types::boolean(text).map(Some)
}

/// Host names are converted to lower case.
const fn hosts() -> Opt<Vec<String>> {
    parsed("list of host or host:port", Some(""), parse_hosts, Vec::new)
}

fn parse_hosts(text: &str) -> Result<Vec<String>, String> {
    let hosts = nonempty_words(text)?;
    if hosts.iter().any(|host| host.contains(['/', '*', '@']) || host.contains(char::is_whitespace))
    {
        return Err("must be names of hosts, with no scheme, path or wildcard".to_owned());
    }
    Ok(hosts.iter().map(|host| host.to_lowercase()).collect())
}
