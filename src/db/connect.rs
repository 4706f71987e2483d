//! Builds a connection pool from the configuration.

use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::mysql::{MySql, MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode, Postgres};
use sqlx::sqlite::{Sqlite, SqliteConnectOptions};

use super::connections::Connections;
use super::login::Login;
use crate::config::{DatabaseConfig, DatabaseTls};

/// How long a SQLite writer waits for others.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// SQLite has one writer, and a connection that writes empties the caches of all others: with
/// several, taken in turn, each statement reads its pages anew.
const SQLITE_POOL: u32 = 1;

/// Cache of each connection, negative for KiB. The kernel caches the file already; with SQLite's
/// default of 2 MiB the memory of a pass would grow with its backlog.
const SQLITE_CACHE: &str = "-512";

/// Why the database cannot be opened as configured.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// SQLite's file does not exist. It is never created: an empty database is not Glance's.
    #[error("[database] connection: the SQLite file {0} does not exist; name Glance's own file")]
    NoSuchFile(String),
}

pub(super) fn mysql(config: &DatabaseConfig, pool_size: u32) -> Connections<MySql> {
    let mut options = MySqlConnectOptions::new().database(&config.database);
    if let Some(host) = &config.host {
        options = options.host(host);
    }
    if let Some(port) = config.port {
        options = options.port(port);
    }
    if let Some(socket) = &config.socket {
        options = options.socket(socket);
    }
    if let Some(user) = &config.user {
        options = options.username(user);
    }
    if let Some(password) = &config.password {
        options = options.password(password.expose_secret());
    }
    if let Some(charset) = &config.charset {
        options = options.charset(charset);
    }
    options = options.ssl_mode(match mode(&config.tls) {
        Tls::Off => MySqlSslMode::Preferred,
        Tls::Encrypted => MySqlSslMode::Required,
        Tls::KnownAuthority => MySqlSslMode::VerifyCa,
        Tls::KnownServer => MySqlSslMode::VerifyIdentity,
    });
    if let Some(ca) = &config.tls.ca {
        options = options.ssl_ca(ca);
    }
    if let Some(certificate) = &config.tls.certificate {
        options = options.ssl_client_cert(certificate);
    }
    if let Some(key) = &config.tls.key {
        options = options.ssl_client_key(key);
    }
    // These are part of each connection's settings.
    options = options.pipes_as_concat(false).no_engine_substitution(false).timezone(None);
    Connections::lazy(pool_size, options).with_login(Login::new(config))
}

pub(super) fn postgres(config: &DatabaseConfig, pool_size: u32) -> Connections<Postgres> {
    let mut options = PgConnectOptions::new_without_pgpass()
        .database(&config.database)
        .application_name(config.application_name.as_deref().unwrap_or("glance-revert"))
        // no value here has a fraction, and PgBouncer refuses unknown settings
        .extra_float_digits(None);
    // For the same reason no empty setting is sent.
    if !config.settings.is_empty() {
        options = options.options(config.settings.iter().map(|(name, value)| (name, value)));
    }
    if let Some(host) = &config.host {
        options = options.host(host);
    }
    if let Some(port) = config.port {
        options = options.port(port);
    }
    if let Some(socket) = &config.socket {
        options = options.socket(socket);
    }
    if let Some(user) = &config.user {
        options = options.username(user);
    }
    if let Some(password) = &config.password {
        options = options.password(password.expose_secret());
    }
    options = options.ssl_mode(match mode(&config.tls) {
        Tls::Off => PgSslMode::Prefer,
        Tls::Encrypted => PgSslMode::Require,
        Tls::KnownAuthority => PgSslMode::VerifyCa,
        Tls::KnownServer => PgSslMode::VerifyFull,
    });
    if let Some(ca) = &config.tls.ca {
        options = options.ssl_root_cert(ca);
    }
    if let Some(certificate) = &config.tls.certificate {
        options = options.ssl_client_cert(certificate);
    }
    if let Some(key) = &config.tls.key {
        options = options.ssl_client_key(key);
    }
    Connections::lazy(pool_size, options)
}

/// Leaves `journal_mode` as Glance has it, and foreign keys off as Glance has them.
pub(super) fn sqlite(config: &DatabaseConfig) -> Result<Connections<Sqlite>, ConnectError> {
    if !std::path::Path::new(&config.database).is_file() {
        return Err(ConnectError::NoSuchFile(config.database.clone()));
    }
    let options = SqliteConnectOptions::new()
        .filename(&config.database)
        .create_if_missing(false)
        .foreign_keys(false)
        .pragma("cache_size", SQLITE_CACHE)
        .busy_timeout(BUSY_TIMEOUT);
    Ok(Connections::lazy(SQLITE_POOL, options))
}

enum Tls {
    Off,
    Encrypted,
    KnownAuthority,
    KnownServer,
}

fn mode(tls: &DatabaseTls) -> Tls {
    if tls.verify_identity {
        Tls::KnownServer
    } else if tls.verify_certificate {
        Tls::KnownAuthority
    } else if tls.required {
        Tls::Encrypted
    } else {
        Tls::Off
    }
}
