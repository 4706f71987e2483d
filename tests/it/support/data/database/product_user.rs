//! The user that `deploy/sql/` creates: the product has it in tests, as in production.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

use super::Kind;
use crate::support::canary;

const MARIADB: &str = include_str!("../../../../../deploy/sql/mariadb.sql");
const POSTGRES: &str = include_str!("../../../../../deploy/sql/postgresql.sql");
const OWN_MARIADB: &str = include_str!("../../../../../deploy/sql/own-tables-mariadb.sql");
const OWN_POSTGRES: &str = include_str!("../../../../../deploy/sql/own-tables-postgresql.sql");

/// A user of one test database, with the grants of the committed file.
#[derive(Debug)]
pub(crate) struct ProductUser {
    kind: Kind,
    pub(crate) name: String,
}

impl ProductUser {
    /// Does not create the user yet.
    pub(super) fn new(kind: Kind) -> Self {
        let name = format!("u_{}", &Uuid::new_v4().simple().to_string()[..12]);
        Self { kind, name }
    }

    /// The committed file, with this name and password.
    pub(super) fn create(&self) -> String {
        let committed = if self.kind == Kind::Mariadb { MARIADB } else { POSTGRES };
        committed
            .replace("glance_revert", &self.name)
            .replace("CHANGE_ME", canary::DATABASE_PASSWORD)
    }

    /// The committed file with the grants on our own tables.
    pub(super) fn grant_own_tables(&self) -> String {
        let committed = if self.kind == Kind::Mariadb { OWN_MARIADB } else { OWN_POSTGRES };
        committed.replace("glance_revert", &self.name)
    }

    /// Drops the user, after its database.
    pub(super) fn drop(&self) -> String {
        let what = if self.kind == Kind::Mariadb { "USER" } else { "ROLE" };
        format!("DROP {what} {}", self.grantee())
    }

    /// The owner's URL, with this user instead of the owner.
    pub(super) fn url(&self, owner: &str) -> String {
        let (scheme, rest) = owner.split_once("://").unwrap();
        let (_, place) = rest.rsplit_once('@').unwrap();
        let password = utf8_percent_encode(canary::DATABASE_PASSWORD, NON_ALPHANUMERIC);
        format!("{scheme}://{}:{password}@{place}", self.name)
    }

    /// The user as in GRANT and REVOKE.
    pub(crate) fn grantee(&self) -> String {
        if self.kind == Kind::Mariadb { format!("'{}'@'%'", self.name) } else { self.name.clone() }
    }
}
