//! What the documents say, held against the code.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

use glance_revert::api::openapi;
use glance_revert::config::options::{OptionSpec, REVERT, REVERT_JWT};
use glance_revert::telemetry::metric;

use crate::cli_help::SUBCOMMANDS;
use crate::support::source::folder;

const DOCUMENTS: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];

fn read(name: &str) -> String {
    fs::read_to_string(folder(name)).unwrap()
}

/// The part of the README below a heading, up to the next one of its level or above.
fn section(heading: &str) -> String {
    let readme = read("README.md");
    let (_, rest) = readme
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("the README has no {heading:?}"));
    let level = heading.split(' ').next().unwrap();
    let below = rest.split(&format!("\n{level} ")).next().unwrap();
    below.split("\n## ").next().unwrap().to_owned()
}

/// The first cells of a section's tables, without their backticks.
fn first_cells(section: &str) -> Vec<String> {
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    cells.map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
}

/// Every text in double quotes that looks like a reason: `word.word_word`.
fn reasons_of_the_code() -> BTreeSet<String> {
    let table = read("src/api/error/table.rs");
    let is_reason = |text: &&str| {
        *text == "internal"
            || text.split_once('.').is_some_and(|(kind, what)| {
                let is_word = |w: &str| {
                    !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
                };
                is_word(kind) && is_word(what)
            })
    };
    table.split('"').filter(is_reason).map(str::to_owned).collect()
}

fn table(options: &[OptionSpec]) -> String {
    let mut table = "| option | value | default | |\n|---|---|---|---|\n".to_owned();
    for option in options {
        let default = match option.default {
            None => "none".to_owned(),
            Some("") => "empty".to_owned(),
            Some(default) => format!("`{default}`"),
        };
        let _ = writeln!(
            table,
            "| `{}` | {} | {default} | {} |",
            option.name, option.kind, option.help
        );
    }
    table
}

#[test]
fn the_readmes_tables_of_options_are_those_of_the_code() {
    let readme = read("README.md");
    for options in [REVERT, REVERT_JWT] {
        let expected = table(options);
        assert!(readme.contains(&expected), "put this into the README:\n{expected}");
    }
}

#[test]
fn the_readme_lists_every_subcommand_and_no_other() {
    assert_eq!(first_cells(&section("## Subcommands")), SUBCOMMANDS);
}

#[test]
fn the_readme_lists_every_reason_and_no_other() {
    let reasons = reasons_of_the_code();
    assert!(reasons.len() > 15 && reasons.contains("image.data_missing"), "{reasons:?}");
    let listed: BTreeSet<_> = section("### Errors")
        .lines()
        .filter(|line| line.starts_with("| "))
        .flat_map(|line| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .filter(|word| word.contains('.') || word == "internal")
        .collect();
    assert_eq!(listed, reasons);
}

#[test]
fn the_readme_lists_every_metric_and_no_other() {
    let listed = first_cells(&section("## Metrics and probes"));
    let listed: Vec<_> = listed.iter().filter(|name| !name.starts_with('/')).collect();
    let known: Vec<_> = metric::ALL.iter().map(|(_, name, _)| *name).collect();
    assert_eq!(listed, known);
}

#[test]
fn the_readme_lists_every_operation_and_no_other() {
    let document = openapi::document(openapi::Specification::V3_0);
    let mut known = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            known.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let listed: BTreeSet<_> = first_cells(&section("## API")).into_iter().collect();
    let listed: BTreeSet<_> = listed.into_iter().filter(|cell| cell.contains(" /")).collect();
    assert_eq!(listed, known);
}

#[test]
fn links_of_the_documents_lead_somewhere() {
    let mut links = 0;
    for name in DOCUMENTS {
        let text = read(name);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() { name } else { file };
            assert!(folder(file).exists(), "{name} links to {link}");
            if !anchor.is_empty() {
                assert!(anchors(&read(file)).contains(anchor), "{name} links to {link}");
            }
            links += 1;
        }
    }
    assert!(links > 5, "only {links} links were found");
}

/// As the forges make them: lower case, blanks to dashes, no punctuation.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let kept = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn files_that_the_documents_name_exist() {
    let mut named = 0;
    for name in DOCUMENTS {
        for word in read(name).split('`').skip(1).step_by(2) {
            let is_file = ["src/", "tests/", "deploy/", "openapi/", "benches/", ".ci/", ".github/"]
                .iter()
                .any(|start| word.starts_with(start));
            if is_file && !word.contains(['*', '<', ' ', '{']) {
                assert!(folder(word).exists(), "{name} names {word}");
                named += 1;
            }
        }
    }
    assert!(named > 20, "only {named} files were found");
}

#[test]
fn the_architecture_can_be_read_in_one_sitting() {
    let lines = read("ARCHITECTURE.md").lines().count();
    assert!(lines <= 200, "ARCHITECTURE.md has {lines} lines");
}

#[test]
fn the_code_map_names_every_folder_of_the_source() {
    let text = read("ARCHITECTURE.md");
    for entry in fs::read_dir(folder("src")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap();
            assert!(text.contains(&format!("`src/{name}/`")), "no src/{name}/ in the code map");
        }
    }
}
