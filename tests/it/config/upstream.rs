//! Compares the options that we read with the real Glance's, of the Python that
//! `GLANCE_REVERT_TEST_PYTHON` names: former names, and defaults that references use.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use glance_revert::config::options::{self, OptionSpec};
use glance_revert::config::sections;
use serde::Deserialize;
use serde_json::json;

use crate::support::env;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/config/ask_glance.py");

/// The tables of options that are not ours, by section; cinder's driver is loaded separately.
const TABLES: &[(&str, &[&[OptionSpec]])] = &[
    ("DEFAULT", &[sections::DEFAULT]),
    ("database", &[sections::DATABASE]),
    ("oslo_middleware", &[sections::OSLO_MIDDLEWARE]),
    ("keystone_authtoken", &[sections::KEYSTONE_AUTHTOKEN]),
    ("cinder", &[sections::CINDER_STORE]),
    (
        "glance_store",
        &[
            sections::GLANCE_STORE,
            sections::FILE_STORE,
            sections::RBD_STORE,
            sections::S3_STORE,
            sections::SWIFT_STORE,
        ],
    ),
];

/// What the real Glance reports.
#[derive(Debug, Deserialize)]
pub(crate) struct Upstream {
    /// Former names of options, by section and name.
    old_names: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// Defaults of `[DEFAULT]`, as text.
    defaults: BTreeMap<String, String>,
    /// For each file, why Glance does not start with it; `None` if it starts.
    pub(crate) starts: Vec<Option<String>>,
}

pub(crate) fn ask(files: &[&Path]) -> Upstream {
    let tables: Vec<&str> = TABLES.iter().map(|(table, _)| *table).collect();
    let question = tempfile::NamedTempFile::new().unwrap();
    let text = json!({ "tables": tables, "files": files }).to_string();
    std::fs::write(question.path(), text).unwrap();
    let output = Command::new(env::python()).arg(PROGRAM).arg(question.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
#[ignore = "needs the Python environment of make test"]
fn every_option_has_the_old_names_that_upstream_reads_and_no_others() {
    let upstream = ask(&[]);
    let mut differences = Vec::new();
    for (section, tables) in TABLES {
        for option in tables.iter().copied().flatten() {
            let theirs = upstream.old_names[*section].get(option.name);
            let Some(theirs) = theirs else {
                differences.push(format!("[{section}] {} is no option of upstream's", option.name));
                continue;
            };
            let mut ours: Vec<_> = option.deprecated.to_vec();
            let mut theirs: Vec<_> = theirs.iter().map(String::as_str).collect();
            ours.sort_unstable();
            theirs.sort_unstable();
            if ours != theirs {
                let name = option.name;
                differences.push(format!("[{section}] {name} was {theirs:?}, here {ours:?}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
#[ignore = "needs the Python environment of make test"]
fn a_reference_stands_for_the_default_that_upstream_has() {
    let upstream = ask(&[]);
    for (name, default) in options::REFERENCES {
        assert_eq!(upstream.defaults.get(*name).map(String::as_str), Some(*default), "{name}");
    }
}
