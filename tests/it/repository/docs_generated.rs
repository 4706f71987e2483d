//! The parts of the docs that are generated from the code. `INSTA_UPDATE=always` writes them, like
//! snapshots; otherwise they must be up to date.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use glance_revert::config::options::OptionSpec;
use glance_revert::config::sections;
use glance_revert::telemetry::metric::{self, Kind};

use crate::cli::help::{NESTED, SUBCOMMANDS, help};
use crate::support::env;
use crate::support::source::folder;

fn table(options: &[&[OptionSpec]]) -> String {
    let mut table = "| option | value | default | |\n|---|---|---|---|\n".to_owned();
    for option in options.iter().copied().flatten() {
        let default = match option.default {
            None => "none".to_owned(),
            Some("") => "empty".to_owned(),
            Some(default) => format!("`{default}`"),
        };
        let _ = writeln!(
            table,
            "| `{}` | {} | {default} | {} |",
            option.name,
            option.value(),
            option.help
        );
    }
    table
}

/// The headings of docs/configuration.md, and the options below each.
const OPTIONS: [(&str, &[&[OptionSpec]]); 14] = [
    ("## `[revert]`", sections::REVERT),
    ("## `[revert_jwt:<name>]`", &[sections::REVERT_JWT]),
    ("## `[revert_retention:<name>]`", &[sections::REVERT_RETENTION]),
    ("### `[DEFAULT]`", &[sections::DEFAULT]),
    ("### `[database]`", &[sections::DATABASE]),
    ("### `[oslo_middleware]`", &[sections::OSLO_MIDDLEWARE]),
    ("### `[keystone_authtoken]`", &[sections::KEYSTONE_AUTHTOKEN]),
    ("### `[glance_store]`", &[sections::GLANCE_STORE]),
    ("### Stores of type file", &[sections::FILE_STORE]),
    ("### Stores of type http", &[sections::HTTP_STORE]),
    ("### Stores of type rbd", &[sections::RBD_STORE]),
    ("### Stores of type s3", &[sections::S3_STORE]),
    ("### Stores of type swift", &[sections::SWIFT_STORE]),
    ("### Stores of type cinder", &[sections::CINDER_STORE]),
];

/// Compares a page with what the code generates from it.
fn generated(page: &str, write: impl FnOnce(&str) -> String) {
    let text = fs::read_to_string(folder(page)).unwrap();
    let wanted = write(&text);
    if env::updates_snapshots() {
        fs::write(folder(page), wanted).unwrap();
    } else {
        assert_eq!(text, wanted, "INSTA_UPDATE=always cargo test --test it -- docs writes {page}");
    }
}

/// The page with another table in place of the first one below a heading.
fn with_table(page: &str, heading: &str, head: &str, table: &str) -> String {
    let at = page.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let from = at + page[at..].find(&format!("\n{head}")).unwrap() + 1;
    let to = page[from..].find("|\n\n").map_or(page.len(), |end| from + end + 2);
    [&page[..from], table, &page[to..]].concat()
}

#[test]
fn docs_have_the_options_of_the_code() {
    generated("docs/configuration.md", |page| {
        OPTIONS.iter().fold(page.to_owned(), |page, (heading, options)| {
            with_table(&page, heading, "| option |", &table(options))
        })
    });
}

#[test]
fn docs_have_the_options_of_every_type_of_store() {
    for options in sections::STORES {
        let told =
            |names: &[&[OptionSpec]]| names.iter().any(|table| table.as_ptr() == options.as_ptr());
        assert!(OPTIONS.iter().any(|(_, tables)| told(tables)), "{options:?}");
    }
}

#[test]
fn docs_have_what_was_compared_with_the_real_glance() {
    let compared = fs::read_to_string(folder("tests/compat.tsv")).unwrap();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (database, version) in compared.lines().filter_map(|line| line.split_once('\t')) {
        versions.entry(database).or_default().push(version);
    }
    let mut table = "| database | Glance |\n|---|---|\n".to_owned();
    for (database, versions) in versions {
        let _ = writeln!(table, "| {database} | {} |", versions.join(", "));
    }
    generated("docs/compatibility.md", |page| {
        with_table(page, "## Glance and its database", "| database |", &table)
    });
}

#[test]
fn docs_have_the_help_of_every_subcommand() {
    generated("docs/cli.md", |page| {
        let (by_hand, _) = page.split_once("\n## Options\n").unwrap();
        let mut text = format!("{by_hand}\n## Options\n\nOf every command:\n\n```text\n");
        let common = "Configuration and log:\n";
        let all = help(&[]);
        let (_, shared) = all.split_once(common).unwrap();
        let _ = writeln!(text, "{}\n```", shared.trim_end());
        let nested =
            |one: &str| NESTED.iter().filter(|n| n[0] == one).map(|n| n.to_vec()).collect();
        let all = SUBCOMMANDS.iter().flat_map(|one| {
            let below: Vec<Vec<&str>> = nested(one);
            std::iter::once(vec![*one]).chain(below)
        });
        for subcommand in all {
            let all = help(&subcommand);
            let (own, _) = all.split_once(common).unwrap();
            let own: Vec<_> = own.trim_end().lines().map(str::trim_end).collect();
            let own = own.join("\n");
            let _ = writeln!(text, "\n### {}\n\n```text\n{own}\n```", subcommand.join(" "));
        }
        text
    });
}

/// The text after the labels is written by hand; it begins with the help text of `/metrics`.
#[test]
fn docs_have_every_metric_in_the_words_of_the_code() {
    let page = fs::read_to_string(folder("docs/metrics.md")).unwrap();
    let is_metric = |line: &&str| line.starts_with("| `") && !line.starts_with("| `/");
    let rows: Vec<_> = page.lines().filter(is_metric).collect();
    assert_eq!(rows.len(), metric::ALL.len());
    for (row, (kind, name, help)) in rows.iter().zip(metric::ALL) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let wanted = format!("| `{name}` | {kind} | {help}");
        assert!(row.starts_with(&wanted), "docs/metrics.md wants {wanted:?}, has {row:?}");
    }
}
