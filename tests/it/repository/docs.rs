//! Compares the documents with the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use glance_revert::api::openapi;
use serde_json::Value;

use crate::cli::help::SUBCOMMANDS;
use crate::support::source::folder;

/// Documents outside the book.
const BESIDE: [&str; 7] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "tests/README.md",
    "deploy/README.md",
];

fn read(name: &str) -> String {
    fs::read_to_string(folder(name)).unwrap()
}

/// Every page of the book except its table of contents, for example `docs/stores/s3.md`.
fn pages() -> BTreeSet<String> {
    let (mut found, mut folders) = (BTreeSet::new(), vec!["docs".to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(folder(&next)).unwrap() {
            let path = format!("{next}/{}", entry.unwrap().file_name().to_str().unwrap());
            if folder(&path).is_dir() {
                folders.push(path);
            } else if Path::new(&path).extension().is_some_and(|extension| extension == "md") {
                found.insert(path);
            }
        }
    }
    assert!(found.remove("docs/SUMMARY.md"));
    found
}

fn documents() -> BTreeSet<String> {
    BESIDE.into_iter().map(str::to_owned).chain(pages()).collect()
}

/// The part of a page below a heading, up to the next heading of the same or a higher level.
fn section(page: &str, heading: &str) -> String {
    let text = read(page);
    let (_, rest) = text
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("{page} has no {heading:?}"));
    let level = heading.split(' ').next().unwrap();
    let below = rest.split(&format!("\n{level} ")).next().unwrap();
    below.split("\n## ").next().unwrap().to_owned()
}

/// The first cells of a section's tables, without backticks.
fn first_cells(section: &str) -> Vec<String> {
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    cells.map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
}

/// Every quoted text that looks like a reason: `word.word_word`.
fn reasons_of_the_api() -> BTreeSet<String> {
    reasons_in(&[
        "api/error/table",
        "domain/control",
        "domain/error",
        "domain/pending",
        "domain/revert/error",
    ])
}

fn reasons_in(files: &[&str]) -> BTreeSet<String> {
    let code: String = files.iter().map(|file| read(&format!("src/{file}.rs"))).collect();
    let is_reason = |text: &&str| {
        *text == "internal"
            || text.split_once('.').is_some_and(|(kind, what)| {
                let is_word = |w: &str| {
                    !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
                };
                is_word(kind) && is_word(what)
            })
    };
    code.split('"').filter(is_reason).map(str::to_owned).collect()
}

#[test]
fn the_docs_list_every_subcommand_and_no_other() {
    assert_eq!(first_cells(&read("docs/cli.md")), SUBCOMMANDS);
}

#[test]
fn the_docs_list_every_reason_and_no_other() {
    let reasons = reasons_of_the_api();
    assert!(reasons.len() > 15 && reasons.contains("image.data_missing"), "{reasons:?}");
    let listed: BTreeSet<_> = section("docs/api.md", "## Errors")
        .lines()
        .filter(|line| line.starts_with("| "))
        .flat_map(|line| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .filter(|word| word.contains('.') || word == "internal")
        .collect();
    assert_eq!(listed, reasons);
}

#[test]
fn every_reason_has_a_heading_that_says_what_to_do() {
    let page = read("docs/troubleshooting.md");
    let headings: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let told: BTreeSet<_> = headings.iter().map(|word| word.trim_matches('`').to_owned()).collect();
    let of_a_purge = reasons_in(&["domain/purge/error"]);
    assert!(of_a_purge.contains("image.data_left"), "{of_a_purge:?}");
    assert_eq!(told, &reasons_of_the_api() | &of_a_purge);
    assert_eq!(headings.len(), told.len(), "a reason has two headings");
}

#[test]
fn every_alert_leads_to_its_heading() {
    let groups: Value = yaml_serde::from_str(&read("deploy/prometheus/alerts.yaml")).unwrap();
    let rules = groups["groups"].as_array().unwrap().iter();
    let rules: Vec<_> = rules.flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(!rules.is_empty());
    for rule in &rules {
        let name = rule["alert"].as_str().unwrap();
        let url = format!("docs/alerts.md#{}", name.to_lowercase());
        assert_eq!(rule["annotations"]["runbook_url"], url.as_str(), "{name}");
    }
    let page = read("docs/alerts.md");
    let told: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let known: Vec<_> = rules.iter().map(|rule| rule["alert"].as_str().unwrap()).collect();
    assert_eq!(told, known);
}

#[test]
fn the_docs_list_every_operation_and_no_other() {
    let document = openapi::document(openapi::Specification::V3_0);
    let mut known = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            known.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let listed: BTreeSet<_> = first_cells(&read("docs/api.md")).into_iter().collect();
    let listed: BTreeSet<_> = listed.into_iter().filter(|cell| cell.contains(" /")).collect();
    assert_eq!(listed, known);
}

/// Resolves the dots of `a/b/../c`.
fn plain(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part != ".." {
            parts.push(part);
        } else if parts.pop().is_none() {
            panic!("{path} leaves the repository");
        }
    }
    parts.join("/")
}

/// A document's links inside the repository: the link, the file, the heading.
fn links(document: &str) -> Vec<(String, String, String)> {
    let text = read(document);
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let local = links.filter(|link| !link.starts_with("http"));
    let resolved = local.map(|link| {
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let beside = document.rsplit_once('/').map_or("", |(parent, _)| parent);
        let target =
            if file.is_empty() { document.to_owned() } else { plain(&format!("{beside}/{file}")) };
        (link.to_owned(), target, heading.to_owned())
    });
    resolved.collect()
}

#[test]
fn links_of_the_documents_lead_somewhere() {
    let mut count = 0;
    for document in documents() {
        for (link, file, heading) in links(&document) {
            assert!(folder(&file).exists(), "{document} links to {link}");
            if !heading.is_empty() {
                assert!(anchors(&read(&file)).contains(&heading), "{document} links to {link}");
            }
            count += 1;
        }
    }
    assert!(count > 30, "only {count} links were found");
}

#[test]
fn the_book_has_every_page_once_and_links_to_pages_alone() {
    let listed: Vec<_> = links("docs/SUMMARY.md").into_iter().map(|(_, file, _)| file).collect();
    let pages = pages();
    assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), pages);
    assert_eq!(listed.len(), pages.len(), "a page stands in docs/SUMMARY.md twice");
    for page in &pages {
        for (link, file, _) in links(page) {
            // Only pages and pictures are in the book: name other files in backticks instead of
            // linking to them.
            let is_picture = file.starts_with("docs/images/") && folder(&file).exists();
            assert!(pages.contains(&file) || is_picture, "{page} links to {link}");
        }
    }
}

#[test]
fn the_readme_can_be_read_in_a_few_minutes() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 150, "README.md has {lines} lines");
}

/// Anchors as Git forges generate them: lower case, blanks become dashes, no punctuation.
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
    for name in documents() {
        for word in read(&name).split('`').skip(1).step_by(2) {
            let is_file =
                ["src/", "tests/", "docs/", "deploy/", "openapi/", "benches/", ".ci/", ".github/"]
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
