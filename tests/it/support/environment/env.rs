//! Settings that `tests/run` passes to the tests.

use std::path::PathBuf;

/// The variable's value; `None` if the tests run without servers.
#[expect(clippy::disallowed_methods, reason = "the harness speaks to the tests by environment")]
fn lookup(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The variable's value, for tests that are ignored without it.
pub(crate) fn required(name: &str) -> String {
    lookup(name).unwrap_or_else(|| panic!("{name} is not set: run this test with tests/run"))
}

/// Whether to write generated files instead of comparing them, as insta does.
pub(crate) fn updates_snapshots() -> bool {
    lookup("INSTA_UPDATE").is_some_and(|how| how == "always")
}

/// The number of rounds of a race.
pub(crate) fn rounds(usual: usize) -> usize {
    lookup("GLANCE_REVERT_TEST_ROUNDS").map_or(usual, |rounds| rounds.parse().unwrap())
}

/// The seed that repeats an earlier run.
pub(crate) fn seed() -> Option<u64> {
    lookup("GLANCE_REVERT_TEST_SEED").map(|seed| seed.parse().unwrap())
}

/// The path of libfaketime, to be preloaded into a program.
pub(crate) fn faketime() -> String {
    required("GLANCE_REVERT_TEST_FAKETIME")
}

/// A Python with Glance installed.
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

/// A Python with Swift installed.
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

/// The same with session pooling per client.
pub(crate) fn pgbouncer_by_session() -> String {
    required("GLANCE_REVERT_TEST_PGBOUNCER_SESSION")
}

/// The folder for all output of the product, which is searched for secrets at the end.
pub(crate) fn output() -> Option<PathBuf> {
    lookup("GLANCE_REVERT_TEST_OUTPUT").map(PathBuf::from)
}

/// The folder with the schemas that `glance-manage db_sync` created, if there is one.
pub(crate) fn schema() -> Option<PathBuf> {
    lookup("GLANCE_REVERT_TEST_SCHEMA").map(PathBuf::from)
}

/// A Python with Keystone installed.
pub(crate) fn keystone_python() -> PathBuf {
    required("GLANCE_REVERT_TEST_KEYSTONE_PYTHON").into()
}

/// The folder of a bootstrapped Keystone.
pub(crate) fn keystone_prepared() -> PathBuf {
    required("GLANCE_REVERT_TEST_KEYSTONE").into()
}

/// A Python with Ansible installed.
pub(crate) fn ansible() -> PathBuf {
    required("GLANCE_REVERT_TEST_ANSIBLE").into()
}

/// A Python with the `openstack` command installed.
pub(crate) fn openstack() -> PathBuf {
    required("GLANCE_REVERT_TEST_OPENSTACK").into()
}
