//! The real `openstack` command, with our plugin installed like an operator installs it.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::binary::Run;
use crate::support::keystone::{ADMIN_PASSWORD, Keystone, USER_PASSWORD, User};
use crate::support::{env, output};

const PLUGIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/openstackclient");

/// A shell in which `openstack` works for one user.
#[derive(Debug)]
pub(crate) struct OpenStack {
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl OpenStack {
    /// As the cloud's admin.
    pub(crate) fn of_the_admin(keystone: &Keystone) -> Self {
        Self::of(keystone, "admin", ADMIN_PASSWORD, ("OS_PROJECT_NAME", "admin"))
    }

    /// As a user created by a test.
    pub(crate) fn of_user(keystone: &Keystone, user: &User, project: &str) -> Self {
        Self::of(keystone, &user.name, USER_PASSWORD, ("OS_PROJECT_ID", project))
    }

    fn of(keystone: &Keystone, name: &str, password: &str, project: (&'static str, &str)) -> Self {
        let folder = TempDir::new().unwrap();
        install(folder.path());
        let variables = [
            ("OS_AUTH_URL", format!("{}/v3", keystone.url)),
            ("OS_USERNAME", name.to_owned()),
            ("OS_PASSWORD", password.to_owned()),
            (project.0, project.1.to_owned()),
            ("OS_USER_DOMAIN_ID", "default".to_owned()),
            ("OS_PROJECT_DOMAIN_ID", "default".to_owned()),
            ("PYTHONPATH", folder.path().join("site").display().to_string()),
            // otherwise settings and caches of the user who runs the tests are used
            ("HOME", folder.path().display().to_string()),
        ];
        Self { folder, variables: variables.to_vec() }
    }

    /// Adds a variable.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// Runs `openstack` with these words, split at blanks. No prompt is answered.
    pub(crate) fn run(&self, words: &str) -> Run {
        let mut command = Command::new(bin("openstack"));
        command.args(words.split_whitespace());
        self.finish(command, "")
    }

    /// The same with `-f json`; it must succeed.
    pub(crate) fn json(&self, words: &str) -> Value {
        let run = self.run(&format!("{words} -f json"));
        assert_eq!(run.exit, Some(0), "{words}: {run:?}");
        run.json()
    }

    /// The same on a terminal, with this input; returns everything that was written to the
    /// terminal.
    pub(crate) fn on_terminal(&self, words: &str, typed: &str) -> Run {
        let mut command = Command::new("script");
        let openstack = format!("'{}' {words}", bin("openstack").display());
        command.args(["-qec", &openstack, "/dev/null"]);
        self.finish(command, typed)
    }

    fn finish(&self, mut command: Command, typed: &str) -> Run {
        command.env_clear().env("PATH", "/usr/bin:/bin").envs(self.variables.iter().cloned());
        command.current_dir(self.folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        output::keep("openstack", &[&stdout, &stderr]);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { exit: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }
}

/// A column of a JSON list.
pub(crate) fn column(list: &Value, name: &str) -> BTreeSet<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    list.as_array().unwrap().iter().map(|row| text(&row[name])).collect()
}

pub(crate) fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn bin(name: &str) -> PathBuf {
    env::openstack().parent().unwrap().join(name)
}

/// Installs from a copy, because setuptools writes into the folder that it packs.
fn install(folder: &Path) {
    let copied = Command::new("cp").arg("-r").arg(PLUGIN).arg(folder.join("plugin")).status();
    assert!(copied.unwrap().success());
    let mut pip = Command::new(env::openstack());
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
    ]);
    pip.args(["--disable-pip-version-check", "--target", "site", "./plugin"]);
    let installed = pip.current_dir(folder).stdin(Stdio::null()).output().unwrap();
    assert!(installed.status.success(), "{installed:?}");
}
