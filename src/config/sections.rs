//! The sections that are read, a file each: their options, and what becomes of them.

pub(super) mod glance;
pub(super) mod listeners;
pub(super) mod revert;

use super::database;
use super::issuers;
use super::keystone;
use super::options::{OptionSpec, REVERT_GROUP};
use super::reader::Reader;
use listeners::ListenerConfig;
use revert::RevertConfig;

/// The options of `[revert]`, in the order of the sample.
pub const REVERT: &[&[OptionSpec]] = &[listeners::ListenerOptions::ALL, revert::RevertOptions::ALL];

/// The options of `[revert_jwt:<name>]`.
pub const REVERT_JWT: &[OptionSpec] = issuers::JwtOptions::ALL;

/// Glance's own options of `[DEFAULT]`.
pub const DEFAULT: &[OptionSpec] = glance::DefaultOptions::ALL;

/// The options of `[database]`.
pub const DATABASE: &[OptionSpec] = database::DatabaseOptions::ALL;

/// The options of `[keystone_authtoken]`.
pub const KEYSTONE_AUTHTOKEN: &[OptionSpec] = keystone::KeystoneOptions::ALL;

/// The options of `[oslo_middleware]`.
pub const OSLO_MIDDLEWARE: &[OptionSpec] = listeners::MiddlewareOptions::ALL;

/// Reads `[revert]`.
pub(super) fn revert(reader: &mut Reader<'_>) -> (ListenerConfig, RevertConfig) {
    let proxy_headers = reader
        .section(&["oslo_middleware"], OSLO_MIDDLEWARE)
        .get(&listeners::MIDDLEWARE.enable_proxy_headers_parsing);
    let mut section = reader.section(&[REVERT_GROUP], &[]);
    let listeners = listeners::read(&mut section, proxy_headers);
    (listeners, RevertConfig::read(&mut section))
}
