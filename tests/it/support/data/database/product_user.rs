//! The user that `deploy/sql/` makes: what the product is given in tests, as in production.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

use super::Kind;
use crate::support::canary;

const MARIADB: &str = include_str!("../../../../../deploy/sql/mariadb.sql");
const POSTGRES: &str = include_str!("../../../../../deploy/sql/postgresql.sql");
const OWN_MARIADB: &str = include_str!("../../../../../deploy/sql/own-tables-mariadb.sql");
const OWN_POSTGRES: &str = include_str!("../../../../../deploy/sql/own-tables-postgresql.sql");

/// A user of one test database, granted what the committed file grants.
#[derive(Debug)]
pub(crate) struct ProductUser {
    kind: Kind,
    pub(crate) name: String,
}

impl ProductUser {
    /// One that is not made yet.
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

    /// The committed file with what it may do with our own tables.
    pub(super) fn grant_own_tables(&self) -> String {
        let committed = if self.kind == Kind::Mariadb { OWN_MARIADB } else { OWN_POSTGRES };
        committed.replace("glance_revert", &self.name)
    }

    /// Takes it away again, after its database.
    pub(super) fn drop(&self) -> String {
        let what = if self.kind == Kind::Mariadb { "USER" } else { "ROLE" };
        format!("DROP {what} {}", self.grantee())
    }

    /// The owner's URL, with this user in the owner's place.
    pub(super) fn url(&self, owner: &str) -> String {
        let (scheme, rest) = owner.split_once("://").unwrap();
        let (_, place) = rest.rsplit_once('@').unwrap();
        let password = utf8_percent_encode(canary::DATABASE_PASSWORD, NON_ALPHANUMERIC);
        format!("{scheme}://{}:{password}@{place}", self.name)
    }

    /// As GRANT and REVOKE name it.
    pub(crate) fn grantee(&self) -> String {
        if self.kind == Kind::Mariadb { format!("'{}'@'%'", self.name) } else { self.name.clone() }
    }
}
