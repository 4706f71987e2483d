//! The sections of the configuration. The file of a section declares its options, with their
//! defaults.

pub mod database;
pub(super) mod glance;
pub(super) mod jwt;
pub(super) mod keystone;
pub(super) mod listeners;
pub(super) mod retention;
pub(super) mod revert;
pub(super) mod stores;

use super::options::{OptionSpec, REVERT_GROUP};
use super::reader::Reader;
use listeners::ListenerConfig;
use revert::RevertConfig;

/// The options of `[revert]`, in the order of the sample.
pub const REVERT: &[&[OptionSpec]] = &[listeners::ListenerOptions::ALL, revert::RevertOptions::ALL];

/// The options of `[revert_jwt:<name>]`.
pub const REVERT_JWT: &[OptionSpec] = jwt::JwtOptions::ALL;

/// The options of `[revert_retention:<name>]`.
pub const REVERT_RETENTION: &[OptionSpec] = retention::RetentionOptions::ALL;

/// Glance's own options of `[DEFAULT]`.
pub const DEFAULT: &[OptionSpec] = glance::DefaultOptions::ALL;

/// The options of `[database]`.
pub const DATABASE: &[OptionSpec] = database::DatabaseOptions::ALL;

/// The options of `[keystone_authtoken]`.
pub const KEYSTONE_AUTHTOKEN: &[OptionSpec] = keystone::KeystoneOptions::ALL;

/// The options of `[oslo_middleware]`.
pub const OSLO_MIDDLEWARE: &[OptionSpec] = listeners::MiddlewareOptions::ALL;

/// The options of `[glance_store]` other than a store's own.
pub const GLANCE_STORE: &[OptionSpec] = stores::GlanceStoreOptions::ALL;

/// The options of a store of the type `file`.
pub const FILE_STORE: &[OptionSpec] = stores::FileOptions::ALL;

/// The options of a store of the type `http`.
pub const HTTP_STORE: &[OptionSpec] = stores::HttpOptions::ALL;

/// The options of a store of the type `rbd`.
pub const RBD_STORE: &[OptionSpec] = stores::RbdOptions::ALL;

/// The options of a store of the type `s3`.
pub const S3_STORE: &[OptionSpec] = stores::S3Options::ALL;

/// The options of a store of the type `swift`.
pub const SWIFT_STORE: &[OptionSpec] = stores::SwiftOptions::ALL;

/// The options of a store of the type `cinder`.
pub const CINDER_STORE: &[OptionSpec] = stores::CinderOptions::ALL;

/// The options of all types of store.
pub const STORES: &[&[OptionSpec]] =
    &[FILE_STORE, HTTP_STORE, RBD_STORE, S3_STORE, SWIFT_STORE, CINDER_STORE];

/// Reads `[revert]`.
pub(super) fn revert(reader: &mut Reader<'_>) -> (ListenerConfig, RevertConfig) {
    let proxy_headers = reader
        .section(&["oslo_middleware"])
        .get(&listeners::MIDDLEWARE.enable_proxy_headers_parsing);
    let mut section = reader.section(&[REVERT_GROUP]);
    let listeners = listeners::read(&mut section, proxy_headers);
    (listeners, RevertConfig::read(&mut section))
}
