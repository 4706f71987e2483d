//! The manual pages for packages.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::help::SUBCOMMANDS;
use crate::support::binary::glance_revert;

/// The macros of `man`; unknown ones would be dropped from the page silently.
const MACROS: [&str; 11] =
    [".TH", ".SH", ".SS", ".TP", ".PP", ".RS", ".RE", ".br", ".ie", ".el", ".IP"];

/// The page as a terminal shows it, if a program for that is installed.
fn rendered(page: &Path) -> Option<String> {
    let mandoc = Command::new("mandoc").args(["-T", "utf8", "-W", "error"]).arg(page).output();
    let groff = || Command::new("groff").args(["-man", "-Tutf8", "-ww"]).arg(page).output();
    let shown = mandoc.or_else(|_| groff()).ok()?;
    assert!(shown.status.success() && shown.stderr.is_empty(), "{shown:?}");
    // Bold letters are overstruck: printed twice in the same place.
    let mut letters = String::new();
    for letter in String::from_utf8(shown.stdout).unwrap().chars() {
        if letter == '\u{8}' {
            letters.pop();
        } else {
            letters.push(letter);
        }
    }
    Some(letters)
}

#[test]
fn every_command_has_a_manual_page_with_its_options() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("man");
    let run = glance_revert(&["man", folder.to_str().unwrap()]);
    assert_eq!((run.exit, run.stdout.as_str(), run.stderr.as_str()), (Some(0), "", ""));
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut wanted: Vec<_> =
        SUBCOMMANDS.iter().map(|command| format!("glance-revert-{command}.1")).collect();
    wanted.push("glance-revert.1".to_owned());
    wanted.sort();
    let is_nested = |name: &&String| name.matches('-').count() > 2;
    let own: Vec<_> = names.iter().filter(|name| !is_nested(name)).cloned().collect();
    assert_eq!(own, wanted);
    for name in names {
        let page = fs::read_to_string(folder.join(&name)).unwrap();
        for line in page.lines().filter(|line| line.starts_with('.')) {
            let word = line.split_whitespace().next().unwrap();
            assert!(MACROS.contains(&word), "{name}: {line}");
        }
        assert!(page.contains("\\-\\-config\\-file"), "{name}");
        if let Some(text) = rendered(&folder.join(&name)) {
            assert!(text.contains("SYNOPSIS"), "{name}: {text}");
        }
    }
    let scrub = fs::read_to_string(folder.join("glance-revert-scrub.1")).unwrap();
    assert!(scrub.contains("\\-\\-accept") && scrub.contains("Run one scrub pass"), "{scrub}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let run = glance_revert(&["man", "/dev/null/man"]);
    assert_eq!((run.exit, run.stdout.as_str()), (Some(1), ""));
    assert!(run.stderr.contains("/dev/null/man"), "{}", run.stderr);
}
