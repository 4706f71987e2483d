//! The floors of the crate: what a module may know, and how large its parts may grow.

use std::path::{Path, PathBuf};

use crate::support::source::{Source, folder, sources};

/// From the ground up. A module uses its own floor's code and that of the floors below.
const FLOORS: [&[&str]; 10] = [
    &["domain"],
    &["files"],
    &["config"],
    &["telemetry"],
    &["net"],
    &["db", "store", "auth"],
    &["api", "scrubber"],
    &["server"],
    &["cli"],
    &["main"],
];

/// Who may know of a crate that ties its user to one way of talking to the world.
const KEPT_APART: [(&str, &[&str]); 8] = [
    ("axum", &["api", "server"]),
    ("clap", &["cli"]),
    ("hyper", &["server"]),
    ("hyper_util", &["server"]),
    ("libloading", &["store"]),
    ("reqwest", &["net", "store"]),
    ("rustix", &["files", "store"]),
    ("sqlx", &["db"]),
];

const LONGEST_FILE: usize = 400;
const LONGEST_FUNCTION: usize = 80;

fn floor(module: &str) -> usize {
    let found = FLOORS.iter().position(|floor| floor.contains(&module));
    found.unwrap_or_else(|| panic!("src/{module} has no floor; give it one in FLOORS"))
}

/// `src/db/read.rs` is a part of `db`, two modules deep.
fn place(path: &Path) -> (String, usize) {
    let mut parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
    let last = parts.pop().unwrap();
    parts.push(last.trim_end_matches(".rs"));
    (parts[0].to_owned(), parts.len())
}

/// What a file of `module`, `depth` modules deep, must not say.
fn trespasses(module: &str, depth: usize, source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (line, used) in source.crate_paths() {
        if used != module && floor(&used) >= floor(module) {
            found.push(format!("line {line}: {module} uses {used}, which is not below it"));
        }
    }
    for line in source.climbs_out(depth) {
        found.push(format!("line {line}: super:: leaves {module}; write crate::"));
    }
    for (line, word) in source.words() {
        let kept = KEPT_APART.iter().find(|(name, _)| *name == word);
        if kept.is_some_and(|(_, users)| !users.contains(&module)) {
            found.push(format!("line {line}: {module} must not know {word}"));
        }
    }
    found
}

fn of_the_crate() -> Vec<(PathBuf, Source)> {
    let all = sources("src");
    assert!(all.len() > 100, "only {} files found in {}", all.len(), folder("src").display());
    all.into_iter().filter(|(path, _)| path != Path::new("lib.rs")).collect()
}

#[test]
fn no_module_looks_up_or_sideways() {
    let mut found = Vec::new();
    for (path, source) in of_the_crate() {
        let (module, depth) = place(&path);
        let here = trespasses(&module, depth, &source);
        found.extend(here.iter().map(|what| format!("src/{}: {what}", path.display())));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_crates_map_names_every_module_and_no_other() {
    let map = std::fs::read_to_string(folder("src").join("lib.rs")).unwrap();
    let named: Vec<_> =
        map.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let mut known: Vec<_> = FLOORS.concat().into_iter().filter(|name| *name != "main").collect();
    known.sort_unstable();
    assert_eq!(named, known);
}

#[test]
fn no_file_and_no_function_is_too_long_to_be_read_at_once() {
    let mut found = Vec::new();
    for (path, source) in of_the_crate() {
        let path = path.display().to_string();
        let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
        if !is_test && source.lines() > LONGEST_FILE {
            found.push(format!("src/{path} has {} lines", source.lines()));
        }
        for (name, line, length) in source.functions() {
            if length > LONGEST_FUNCTION {
                found.push(format!("src/{path} line {line}: {name} has {length} lines"));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_way_to_trespass_is_seen() {
    let seen = |module, depth, text: &str| trespasses(module, depth, &Source::of(text)).len();
    assert_eq!(seen("domain", 1, "use crate::db::Database;"), 1, "upward");
    assert_eq!(seen("db", 2, "use crate::store::ConfiguredStores;"), 1, "sideways");
    assert_eq!(seen("domain", 2, "use crate::{config::Config, domain::x, api::{a, b}};"), 2);
    assert_eq!(seen("config", 1, "fn f() -> crate::server::Server {}"), 1, "inline");
    assert_eq!(seen("db", 1, "use super::api::router;"), 1, "through the root");
    assert_eq!(seen("db", 2, "use super::super::api::router;"), 1, "through the root");
    assert_eq!(seen("db", 2, "mod tests { use super::super::super::api; }"), 1, "out of a test");
    assert_eq!(seen("domain", 1, "use sqlx::Pool;"), 1, "a crate");
    assert_eq!(seen("api", 2, "let x = sqlx::query(\"\");"), 1, "a crate, inline");
}

#[test]
fn what_is_allowed_is_left_in_peace() {
    let seen = |module, depth, text: &str| trespasses(module, depth, &Source::of(text));
    for text in [
        "use crate::domain::repo::{BadRow, ImageRepo};\nuse crate::{config, telemetry};",
        "/// As [`crate::api`], see sqlx.\n// use crate::server;\nfn f() {}",
        "fn f() { let text = \"use crate::cli::Cli; \\\" axum\"; let c = '\"'; }",
        "pub(super) fn f() {}\nuse super::read;\nmod tests { use super::super::read; }",
        "/* use crate::cli; /* nested */ axum */ fn f<'a>(x: &'a str) -> &'a str { x }",
        "const T: &str = r#\"crate::cli \"quoted\" axum\"#;",
    ] {
        assert_eq!(seen("db", 2, text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn functions_are_measured_from_their_head_to_their_last_brace() {
    let source = Source::of(
        "fn one() {}\nfn two(\n    a: [u8; 4],\n) -> u8 {\n    let s = \"}\";\n    a[0]\n}\n\
         trait T {\n    fn none(&self);\n}",
    );
    assert_eq!(source.functions(), [("one".to_owned(), 1, 1), ("two".to_owned(), 2, 6)]);
    assert_eq!(source.lines(), 10);
}
