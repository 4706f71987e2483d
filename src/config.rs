//! Glance's own configuration, read as oslo.config reads it, plus our own sections.
//!
//! [`Config::load`] reads files and environment (rules in [`oslo`]), checks every option and
//! returns one value; nothing else in the crate reads option files or variables. Each part of
//! [`Config`] has its own file; [`sections`] reads each section and declares its options.

mod declare;
mod environment;
pub mod keystone_auth;
mod load;
mod named;
pub mod options;
pub mod oslo;
mod problem;
mod reader;
mod sample;
mod scrub_time;
pub mod sections;
#[cfg(test)]
mod tests;
mod unknown;

pub use environment::Environment;
pub use load::{ConfigDir, Sources};
pub use oslo::Origin;
pub use problem::{ConfigError, Problem};
pub use sample::sample;
pub use scrub_time::ScrubTime;
pub use sections::database::{DatabaseConfig, DatabaseKind, DatabaseTls};
pub use sections::glance::GlanceConfig;
pub use sections::jwt::{
    JwtAccess, JwtIssuerConfig, JwtKeyFile, JwtKeyServer, JwtProof, JwtReviewer,
};
pub use sections::keystone::KeystoneConfig;
pub use sections::listeners::{
    ClientCertificates, ClientTrust, ListenerConfig, SubjectName, TlsConfig,
};
pub use sections::revert::{LogFormat, RevertConfig, UiLogin, WebhookConfig};
pub use sections::stores::{
    CinderConfig, CinderLogin, FileConfig, HttpConfig, RbdConfig, S3Config, S3Endpoint, S3Keys,
    StoreConfig, StoreKind, SwiftAccount, SwiftConfig, SwiftLogin, UrlFormat,
};

use crate::domain::retention::Rules;

impl Config {
    /// Whether `serve` creates our own tables when it starts.
    pub fn auto_db_sync(&self) -> bool {
        self.revert.auto_db_sync.unwrap_or(self.database.kind == DatabaseKind::Sqlite)
    }
}

/// The whole configuration, validated.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[database]`.
    pub database: DatabaseConfig,
    /// Glance's own options of `[DEFAULT]`.
    pub glance: GlanceConfig,
    /// `[glance_store]`, and one section for each of `enabled_backends`.
    pub stores: Vec<StoreConfig>,
    /// `[revert]`: where the API listens.
    pub listeners: ListenerConfig,
    /// `[revert]`: everything else.
    pub revert: RevertConfig,
    /// `[keystone_authtoken]`; `None` if no Keystone is configured or it cannot be used.
    pub keystone: Option<KeystoneConfig>,
    /// Why the configured Keystone cannot be used; non-empty only if there are JWT issuers.
    pub keystone_problems: Vec<Problem>,
    /// `[revert_retention:<name>]`, in their order.
    pub retention: Rules,
    /// `[revert_jwt:<name>]`, in file order; then those that only the environment has.
    pub issuers: Vec<JwtIssuerConfig>,
}
