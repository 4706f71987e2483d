//! The options that are read: name, type, default, help. One table drives the defaults, the
//! refusal of unknown options, and the sample configuration.

mod cinder;
mod glance;
mod http;
mod keystone;
mod ours;
mod rbd;
mod references;
mod s3;
mod sample;
mod swift;

pub use cinder::CINDER_STORE;
pub use glance::{DATABASE, DEFAULT, FILE_STORE, GLANCE_STORE, OSLO_MIDDLEWARE};
pub use http::HTTP_STORE;
pub use keystone::KEYSTONE_AUTHTOKEN;
pub use ours::{REVERT, REVERT_JWT};
pub use rbd::RBD_STORE;
pub use references::REFERENCES;
pub use s3::S3_STORE;
pub use sample::sample;
pub use swift::SWIFT_STORE;

/// One option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionSpec {
    /// As in the files.
    pub name: &'static str,
    /// What its text must be, for people: `seconds`, `boolean`, `list`.
    pub kind: &'static str,
    /// The value where nothing sets it, as it would be written; `None` for unset.
    pub default: Option<&'static str>,
    /// What the sample shows where there is no default.
    pub example: &'static str,
    /// One sentence or two.
    pub help: &'static str,
    /// Whether the value, and all of its pieces, must never be printed.
    pub secret: bool,
    /// Names of earlier versions, which upstream reads still, as they stand in files.
    pub deprecated: &'static [&'static str],
}

impl OptionSpec {
    const fn new(
        name: &'static str,
        kind: &'static str,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            default: Some(default),
            example: default,
            help,
            secret: false,
            deprecated: &[],
        }
    }

    const fn unset(
        name: &'static str,
        kind: &'static str,
        example: &'static str,
        help: &'static str,
    ) -> Self {
        Self { name, kind, default: None, example, help, secret: false, deprecated: &[] }
    }

    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    const fn was(self, deprecated: &'static [&'static str]) -> Self {
        Self { deprecated, ..self }
    }
}

/// The tables of all types of store.
pub const STORES: &[&[OptionSpec]] =
    &[FILE_STORE, HTTP_STORE, RBD_STORE, S3_STORE, SWIFT_STORE, CINDER_STORE];

/// The group of our own options.
pub const REVERT_GROUP: &str = "revert";

/// The group in which Glance is told of its Keystone.
pub const KEYSTONE_AUTHTOKEN_GROUP: &str = "keystone_authtoken";

/// What stands before an issuer's name in its group.
pub const REVERT_JWT_PREFIX: &str = "revert_jwt:";

/// Finds an option by its name, or by one that it had.
pub fn find(table: &'static [OptionSpec], name: &str) -> Option<&'static OptionSpec> {
    let is_it = |option: &&OptionSpec| option.name == name || option.deprecated.contains(&name);
    table.iter().find(is_it)
}

/// The option whose name is most like a given one.
pub fn nearest(table: &'static [OptionSpec], name: &str) -> Option<&'static str> {
    let likeness = |option: &&OptionSpec| strsim::jaro_winkler(option.name, name);
    table.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).map(|option| option.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_option_is_the_one_that_was_meant() {
        assert_eq!(nearest(REVERT, "lockwait"), Some("lock_wait"));
        assert_eq!(nearest(REVERT, "bnid"), Some("bind"));
        assert_eq!(nearest(REVERT_JWT, "audience"), Some("audiences"));
    }

    #[test]
    fn names_are_unique() {
        let own = [REVERT, REVERT_JWT, DEFAULT, DATABASE, GLANCE_STORE, OSLO_MIDDLEWARE];
        for table in own.iter().chain(STORES) {
            for option in *table {
                assert_eq!(find(table, option.name), Some(option));
            }
        }
    }
}
