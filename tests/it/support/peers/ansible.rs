//! The real `ansible-playbook`, with a playbook of deploy/ansible.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::binary::Run;
use crate::support::source::folder;
use crate::support::{env, output};

/// Runs a playbook with these environment variables and arguments.
pub(crate) fn play(playbook: &str, environment: &[(&str, &str)], arguments: &[&str]) -> Run {
    let home = TempDir::new().unwrap();
    let mut command = Command::new(env::ansible().parent().unwrap().join("ansible-playbook"));
    command.arg(folder(&format!("deploy/ansible/{playbook}"))).args(arguments);
    command.env_clear().envs(environment.iter().copied());
    command.envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", "C.UTF-8"), ("ANSIBLE_NOCOLOR", "1")]);
    command.env("HOME", home.path()).current_dir(home.path() as &Path).stdin(Stdio::null());
    let done = command.output().unwrap();
    output::keep("ansible", &[&done.stdout, &done.stderr]);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { exit: done.status.code(), stdout: text(done.stdout), stderr: text(done.stderr) }
}
