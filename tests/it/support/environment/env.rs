//! What `tests/run` tells the tests.

use std::path::PathBuf;

/// The variable's value; `None` where the tests run without servers.
#[expect(clippy::disallowed_methods, reason = "the harness speaks to the tests by environment")]
fn lookup(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The variable's value, for tests that are ignored without it.
pub(crate) fn required(name: &str) -> String {
    lookup(name).unwrap_or_else(|| panic!("{name} is not set: run this test with tests/run"))
}

/// Whether what is generated is to be written rather than compared, as insta has it.
pub(crate) fn updates_snapshots() -> bool {
    lookup("INSTA_UPDATE").is_some_and(|how| how == "always")
}

/// How many rounds a race has.
pub(crate) fn rounds(usual: usize) -> usize {
    lookup("GLANCE_REVERT_TEST_ROUNDS").map_or(usual, |rounds| rounds.parse().unwrap())
}

/// What a run is the same with, where somebody wants one again.
pub(crate) fn seed() -> Option<u64> {
    lookup("GLANCE_REVERT_TEST_SEED").map(|seed| seed.parse().unwrap())
}

/// libfaketime, to be loaded before a program.
pub(crate) fn faketime() -> String {
    required("GLANCE_REVERT_TEST_FAKETIME")
}

/// A Python that has Glance.
pub(crate) fn python() -> PathBuf {
    required("GLANCE_REVERT_TEST_PYTHON").into()
}

/// moto's server.
pub(crate) fn moto() -> PathBuf {
    required("GLANCE_REVERT_TEST_MOTO").into()
}

/// schemathesis.
pub(crate) fn schemathesis() -> PathBuf {
    required("GLANCE_REVERT_TEST_SCHEMATHESIS").into()
}

/// A Python that has Swift.
pub(crate) fn swift() -> PathBuf {
    required("GLANCE_REVERT_TEST_SWIFT").into()
}

/// MySQL: the URL of the server, without a database.
pub(crate) fn mysql() -> String {
    required("GLANCE_REVERT_TEST_MYSQL")
}

/// The same server's socket.
pub(crate) fn mysql_socket() -> String {
    required("GLANCE_REVERT_TEST_MYSQL_SOCKET")
}

/// `PgBouncer`, in front of the PostgreSQL of the tests.
pub(crate) fn pgbouncer() -> String {
    required("GLANCE_REVERT_TEST_PGBOUNCER")
}

/// The same with a session for each client.
pub(crate) fn pgbouncer_by_session() -> String {
    required("GLANCE_REVERT_TEST_PGBOUNCER_SESSION")
}

/// Where all that the product prints is kept, to be looked through at the end.
pub(crate) fn output() -> Option<PathBuf> {
    lookup("GLANCE_REVERT_TEST_OUTPUT").map(PathBuf::from)
}

/// The folder of what `glance-manage db_sync` made, where there is one.
pub(crate) fn schema() -> Option<PathBuf> {
    lookup("GLANCE_REVERT_TEST_SCHEMA").map(PathBuf::from)
}

/// A Python that has Keystone.
pub(crate) fn keystone_python() -> PathBuf {
    required("GLANCE_REVERT_TEST_KEYSTONE_PYTHON").into()
}

/// The folder of a bootstrapped Keystone.
pub(crate) fn keystone_prepared() -> PathBuf {
    required("GLANCE_REVERT_TEST_KEYSTONE").into()
}

/// A Python that has Ansible.
pub(crate) fn ansible() -> PathBuf {
    required("GLANCE_REVERT_TEST_ANSIBLE").into()
}

/// A Python that has the `openstack` command.
pub(crate) fn openstack() -> PathBuf {
    required("GLANCE_REVERT_TEST_OPENSTACK").into()
}
