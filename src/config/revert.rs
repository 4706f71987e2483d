//! `[revert]`.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use ipnet::IpNet;

use crate::domain::revert::Verify;

use super::options;
use super::oslo::types;
use super::reader::{Reader, Section};
use super::tls::{self, TlsConfig};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// `[revert]`.
#[derive(Debug, Clone)]
pub struct RevertConfig {
    /// `bind` (127.0.0.1:9393): the API.
    pub bind: SocketAddr,
    /// `ops_bind` (127.0.0.1:9394): probes and metrics.
    pub ops_bind: SocketAddr,
    /// `allow_plaintext` (false): lets `bind` be another address than loopback, without TLS.
    pub allow_plaintext: bool,
    /// `tls_*`: TLS of `bind`; `None` without `tls_cert_file`.
    pub tls: Option<TlsConfig>,
    /// `trusted_proxies` (empty): peers whose word about their own client is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// `auth_failures_per_minute` (20): refused tokens of a client, before it is limited.
    pub auth_failures_per_minute: NonZeroU32,
    /// `verify` (exists): where a request does not say.
    pub verify: Verify,
    /// `lock_wait` (5): how long a revert waits for its image's lock.
    pub lock_wait: Duration,
    /// `scrubber` (true); false runs the API alone.
    pub scrubber: bool,
    /// `delete_grace` (60): how long a DELETE may stay between its transactions.
    pub delete_grace: Duration,
    /// `absent_limit` (20): so many absent objects in a row stop a store for the pass.
    pub absent_limit: usize,
    /// `min_scrub_time` (3600): nothing is scrubbed while `scrub_time` is less.
    pub min_scrub_time: Duration,
    /// `max_images_per_pass` (1000): what one pass destroys unasked.
    pub max_images_per_pass: u64,
    /// `max_bytes_per_pass` (unset): the same in bytes; `None` for any number.
    pub max_bytes_per_pass: Option<u64>,
    /// `first_pass_delay` (60): how long after its start the service scrubs for the first time.
    pub first_pass_delay: Duration,
    /// `any_file_name` (false): lets a scrub touch what is not named after its image.
    pub any_file_name: bool,
    /// `http_verify_hosts` (empty): hosts that a revert may ask about `http(s)` locations; lower
    /// case.
    pub http_verify_hosts: Vec<String>,
    /// `location_credentials_hosts` (empty): hosts of stores for which credentials in a location
    /// may be used where the configuration has none; lower case.
    pub location_credentials_hosts: Vec<String>,
    /// `store_timeout` (30): how long one call to a store may take.
    pub store_timeout: Duration,
    /// `db_pool_size` (16): connections to the database, at least 2.
    pub db_pool_size: u32,
    /// `request_timeout` (60): how long a request may take, reading for `checksum` excepted; longer
    /// than `lock_wait`.
    pub request_timeout: Duration,
    /// `max_connections` (1024): open connections to the API.
    pub max_connections: usize,
    /// `shutdown_grace` (60): how long a drain may take.
    pub shutdown_grace: Duration,
    /// `allowed_projects` (empty): the Keystone projects whose admins may call, by id; the word
    /// `system` is the system scope. Empty: every project, and the system.
    pub allowed_projects: Vec<String>,
    /// `log_format` (text).
    pub log_format: LogFormat,
}

pub(super) fn read(reader: &mut Reader<'_>) -> RevertConfig {
    let proxy_headers = reader
        .section(&["oslo_middleware"], options::OSLO_MIDDLEWARE)
        .boolean("enable_proxy_headers_parsing");
    let mut section = reader.section(&[options::REVERT_GROUP], options::REVERT);
    let revert = RevertConfig {
        bind: address(&mut section, "bind"),
        ops_bind: address(&mut section, "ops_bind"),
        allow_plaintext: section.boolean("allow_plaintext"),
        tls: tls::read(&mut section),
        trusted_proxies: networks(&mut section, proxy_headers),
        auth_failures_per_minute: NonZeroU32::new(
            section.integer("auth_failures_per_minute", 1..=i64::from(u32::MAX)),
        )
        .unwrap_or(NonZeroU32::MIN),
        verify: section.read("verify", verify).unwrap_or_default(),
        lock_wait: section.seconds("lock_wait"),
        scrubber: section.boolean("scrubber"),
        delete_grace: section.seconds("delete_grace"),
        absent_limit: section.integer("absent_limit", 1..=i64::MAX),
        min_scrub_time: section.seconds("min_scrub_time"),
        max_images_per_pass: section.integer("max_images_per_pass", 1..=i64::MAX),
        max_bytes_per_pass: section.read("max_bytes_per_pass", some_bytes).flatten(),
        first_pass_delay: section.seconds("first_pass_delay"),
        any_file_name: section.boolean("any_file_name"),
        http_verify_hosts: hosts(&mut section, "http_verify_hosts"),
        location_credentials_hosts: hosts(&mut section, "location_credentials_hosts"),
        store_timeout: section.some_seconds("store_timeout"),
        db_pool_size: section.integer("db_pool_size", 2..=1000),
        request_timeout: section.some_seconds("request_timeout"),
        max_connections: section.integer("max_connections", 1..=i64::MAX),
        shutdown_grace: section.seconds("shutdown_grace"),
        allowed_projects: section.words("allowed_projects"),
        log_format: section.read("log_format", log_format).unwrap_or_default(),
    };
    check(&mut section, &revert);
    revert
}

/// What no option can tell alone.
fn check(section: &mut Section<'_, '_>, revert: &RevertConfig) {
    let tls_is_meant =
        ["tls_cert_file", "tls_key_file"].iter().any(|option| section.is_set(option));
    if !revert.bind.ip().is_loopback() && !tls_is_meant && !revert.allow_plaintext {
        section.problem(
            "bind",
            format!(
                "{} is not loopback and there is no TLS: tokens would cross the network in the \
                 clear. Set tls_cert_file and tls_key_file, or listen on 127.0.0.1 behind something \
                 that encrypts, or set allow_plaintext = true where the network is trusted",
                revert.bind
            ),
        );
    }
    if revert.bind == revert.ops_bind && revert.bind.port() != 0 {
        section.problem("ops_bind", "must differ from bind");
    }
    if revert.request_timeout <= revert.lock_wait {
        section.problem("request_timeout", "must be longer than lock_wait");
    }
}

fn address(section: &mut Section<'_, '_>, option: &str) -> SocketAddr {
    let parse = |text: &str| {
        text.parse().map_err(|_| {
            format!("{text:?} is not an address and a port; write 127.0.0.1:9393 or [::1]:9393")
        })
    };
    section.read(option, parse).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
}

fn networks(section: &mut Section<'_, '_>, proxy_headers: bool) -> Vec<IpNet> {
    let option = "trusted_proxies";
    let mut networks = Vec::new();
    for word in section.words(option) {
        match word.parse().or_else(|_| word.parse::<IpAddr>().map(IpNet::from)) {
            Ok(network) => networks.push(network),
            Err(_) => section.problem(
                option,
                format!("{word:?} is no address and no network; write 10.0.0.7 or 10.0.0.0/24"),
            ),
        }
    }
    if !networks.is_empty() && !proxy_headers {
        section.problem(
            option,
            "has no effect while [oslo_middleware] enable_proxy_headers_parsing is false; set it \
             to true, or leave trusted_proxies away",
        );
    }
    networks
}

fn hosts(section: &mut Section<'_, '_>, option: &str) -> Vec<String> {
    let hosts = section.words(option);
    if hosts.iter().any(|host| host.contains(['/', '*', '@']) || host.contains(char::is_whitespace))
    {
        section.problem(option, "must be names of hosts, with no scheme, path or wildcard");
    }
    hosts.iter().map(|host| host.to_lowercase()).collect()
}

/// Empty is unset.
fn some_bytes(text: &str) -> Result<Option<u64>, String> {
    if types::strip(text).is_empty() {
        return Ok(None);
    }
    let number = types::integer(text)?;
    let bytes = u64::try_from(number).ok().filter(|bytes| *bytes > 0);
    bytes.map(Some).ok_or_else(|| format!("{number} is out of range: 1 or more, or unset"))
}

fn verify(text: &str) -> Result<Verify, String> {
    match text {
        "exists" => Ok(Verify::Exists),
        "checksum" => Ok(Verify::Checksum),
        "none" => Ok(Verify::None),
        _ => Err(format!("{text:?} is none of exists, checksum, none")),
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("{text:?} is neither text nor json")),
    }
}
