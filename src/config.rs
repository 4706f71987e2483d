//! Glance's own configuration, read as oslo.config reads it, and ours beside it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::domain::revert::Verify;

/// Everything the product is told, validated.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[database]`.
    pub database: DatabaseConfig,
    /// Glance's own options of `[DEFAULT]`.
    pub glance: GlanceConfig,
    /// `[glance_store]`, and one section for each of `enabled_backends`.
    pub stores: Vec<StoreConfig>,
    /// `[revert]`.
    pub revert: RevertConfig,
    /// `[revert_jwt:<name>]`, in the order of the files.
    pub issuers: Vec<JwtIssuerConfig>,
}

/// Glance's options.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "they are Glance's options, one by one")]
pub struct GlanceConfig {
    /// `delayed_delete`; false means that Glance never makes an image `pending_delete`.
    pub delayed_delete: bool,
    /// `scrub_time`: how long a deleted image can be reverted.
    pub scrub_time: Duration,
    /// `scrub_pool_size`: images scrubbed at a time, at least 1.
    pub scrub_pool_size: usize,
    /// `wakeup_time`: the pause between two passes.
    pub wakeup_time: Duration,
    /// `metadata_encryption_key`: 16, 24 or 32 bytes.
    pub metadata_encryption_key: Option<SecretString>,
    /// Whether `enabled_backends` is set (the multi-store form).
    pub multi_store: bool,
    /// `show_multiple_locations`.
    pub show_multiple_locations: bool,
    /// `show_image_direct_url`.
    pub show_image_direct_url: bool,
    /// `debug`.
    pub debug: bool,
}

/// Which family of database Glance uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// MariaDB, MySQL, Galera.
    Mysql,
    /// PostgreSQL.
    Postgres,
    /// SQLite, a file.
    Sqlite,
}

/// `[database] connection`, taken apart as SQLAlchemy does.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// From the scheme.
    pub kind: DatabaseKind,
    /// Host name or address; `None` for the default (`localhost`) or a socket.
    pub host: Option<String>,
    /// Port; `None` for the default.
    pub port: Option<u16>,
    /// `unix_socket` (`MySQL`) or a `host` that is a folder (PostgreSQL).
    pub socket: Option<PathBuf>,
    /// User name, percent-decoded.
    pub user: Option<String>,
    /// Password, percent-decoded.
    pub password: Option<SecretString>,
    /// The database's name; for SQLite the file's path.
    pub database: String,
    /// `charset`.
    pub charset: Option<String>,
    /// TLS.
    pub tls: DatabaseTls,
}

/// TLS settings of the connection URL and of `read_default_file`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatabaseTls {
    /// Whether the connection must be encrypted.
    pub required: bool,
    /// Whether the server's certificate must be valid.
    pub verify_certificate: bool,
    /// Whether the server's name must be in its certificate.
    pub verify_identity: bool,
    /// `ssl_ca`, `sslrootcert`.
    pub ca: Option<PathBuf>,
    /// `ssl_cert`, `sslcert`.
    pub certificate: Option<PathBuf>,
    /// `ssl_key`, `sslkey`.
    pub key: Option<PathBuf>,
}

/// One store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// The backend's name (multi-store), or its type (single-store form).
    pub id: String,
    /// What kind of store.
    pub kind: StoreKind,
}

/// The stores that there is a driver for, and the ones that there is none for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreKind {
    /// `file`.
    File {
        /// `filesystem_store_datadir`, or `filesystem_store_datadirs` by falling priority.
        datadirs: Vec<PathBuf>,
        /// `filesystem_store_timeout`; `None` for our default.
        timeout: Option<Duration>,
    },
    /// `http`.
    Http,
    /// A type of glance_store's that this version has no driver for (`rbd`, `swift`, ..).
    Unsupported {
        /// glance_store's word.
        kind: String,
    },
}

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
    /// `verify` (exists): where a request does not say.
    pub verify: Verify,
    /// `lock_wait` (5): how long a revert waits for its image's lock.
    pub lock_wait: Duration,
    /// `scrubber` (true); false runs the API alone.
    pub scrubber: bool,
    /// `location_window` (60): how long before the image its locations may have been deleted and
    /// still count as deleted with it.
    pub location_window: Duration,
    /// `delete_grace` (60): how long a DELETE may stay between its transactions.
    pub delete_grace: Duration,
    /// `absent_brake` (20): so many absent objects in a row stop a store for the pass.
    pub absent_brake: usize,
    /// `any_file_name` (false): lets the file store touch files not named after their image.
    pub any_file_name: bool,
    /// `http_verify_hosts` (empty): hosts that a revert may ask about `http(s)` locations.
    pub http_verify_hosts: Vec<String>,
    /// `store_timeout` (30): how long one call to a store may take.
    pub store_timeout: Duration,
    /// `db_pool_size` (16): connections to the database.
    pub db_pool_size: u32,
    /// `request_timeout` (60): how long a request may take, reading for `checksum` excepted.
    pub request_timeout: Duration,
    /// `max_connections` (1024): open connections to the API.
    pub max_connections: usize,
    /// `shutdown_grace` (60): how long a drain may take.
    pub shutdown_grace: Duration,
    /// `log_format` (text).
    pub log_format: LogFormat,
}

/// `[revert_jwt:<name>]`.
#[derive(Debug, Clone)]
pub struct JwtIssuerConfig {
    /// The section's `<name>`.
    pub name: String,
    /// `issuer`: compared with `iss`, byte by byte.
    pub issuer: String,
    /// `audiences`: one of them must be in `aud`. At least one.
    pub audiences: Vec<String>,
    /// Where the keys are.
    pub keys: JwtKeys,
    /// `algorithms` (RS256, PS256, ES256, ES384, EdDSA): never `HS*`, never `none`.
    pub algorithms: Vec<String>,
    /// `role_claims` (`/roles`, `/realm_access/roles`): JSON pointers to arrays of strings.
    pub role_claims: Vec<String>,
    /// `admin_roles` (`glance-revert-admin`).
    pub admin_roles: Vec<String>,
    /// `subjects`: callers who are admins by their `sub` alone.
    pub subjects: Vec<String>,
    /// `leeway` (30): how far clocks may differ.
    pub leeway: Duration,
    /// `require_at_jwt` (false): refuse a header `typ` other than `at+jwt`.
    pub require_at_jwt: bool,
}

/// Where an issuer's keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtKeys {
    /// `jwks_file`.
    JwksFile(PathBuf),
    /// `public_key_file`: one PEM public key.
    PublicKeyFile(PathBuf),
}
