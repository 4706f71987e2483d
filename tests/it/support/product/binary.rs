//! Runs the product's binary as an operator does.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::output;

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Standard output, parsed as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

impl Run {
    /// Standard output, with each line parsed as JSON.
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        let line = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {self:?}"));
        self.stdout.lines().map(line).collect()
    }
}

/// Runs the binary with an empty environment, because the test's environment is not an operator's.
pub(crate) fn glance_revert(arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glance-revert"));
    run(command.env_clear().args(arguments).output().unwrap())
}

fn run(Output { status, stdout, stderr }: Output) -> Run {
    output::keep("binary", &[&stdout, &stderr]);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { exit: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// A configuration file in its own folder.
#[derive(Debug)]
pub(crate) struct ConfigFile(TempDir);

impl ConfigFile {
    /// Writes the file; `FOLDER` in the text is replaced by its folder.
    pub(crate) fn new(text: &str) -> Self {
        let config = Self(TempDir::new().unwrap());
        let text = text.replace("FOLDER", config.0.path().to_str().unwrap());
        config.put("glance.conf", &text);
        config
    }

    /// Writes another file into the same folder.
    pub(crate) fn put(&self, name: &str, text: &str) {
        std::fs::write(self.file(name), text).unwrap();
    }

    /// The path of a file in the folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the binary with this configuration.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let path = self.file("glance.conf");
        let file = ["--config-file", path.to_str().unwrap()];
        glance_revert(&[arguments, &file].concat())
    }

    /// The same, with this on standard input.
    pub(crate) fn feed(&self, arguments: &[&str], input: &str) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_glance-revert"));
        command.env_clear().args(arguments).arg("--config-file").arg(self.file("glance.conf"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        run(child.wait_with_output().unwrap())
    }

    /// Runs it on a terminal with this many columns; returns the terminal's output.
    pub(crate) fn run_on_terminal(&self, columns: u16, arguments: &str) -> (Option<i32>, String) {
        self.answer_on_terminal(columns, arguments, "")
    }

    /// The same, with this typed as input.
    pub(crate) fn answer_on_terminal(
        &self,
        columns: u16,
        arguments: &str,
        typed: &str,
    ) -> (Option<i32>, String) {
        let command = format!(
            "stty cols {columns} rows 24; exec '{}' {arguments} --config-file '{}'",
            env!("CARGO_BIN_EXE_glance-revert"),
            self.file("glance.conf").display()
        );
        let mut script = Command::new("script");
        script.env_clear().env("PATH", "/usr/bin:/bin").args(["-qec", &command, "/dev/null"]);
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = script.spawn().unwrap();
        child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        let Output { status, stdout, .. } = child.wait_with_output().unwrap();
        output::keep("terminal", &[&stdout]);
        (status.code(), String::from_utf8(stdout).unwrap().replace("\r\n", "\n"))
    }
}
