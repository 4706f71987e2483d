//! The layers of the crate, and the size limits of its files and functions.

use std::path::{Path, PathBuf};

use crate::support::modules::Modules;
use crate::support::source::{Source, folder, sources};

/// From the bottom up. A module may use its own layer and those below.
const FLOORS: [&[&str]; 11] = [
    &["domain"],
    &["files"],
    &["config"],
    &["telemetry"],
    &["net"],
    &["db", "store", "auth"],
    &["api", "worker"],
    &["app"],
    &["server"],
    &["cli"],
    &["main"],
];

/// Modules that may use a crate that is specific to one protocol or technology.
const KEPT_APART: [(&str, &[&str]); 10] = [
    ("axum", &["api", "server"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
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

/// The module of a path and its depth: `src/db/read.rs` is in `db`, two modules deep.
fn place(path: &Path) -> (String, usize) {
    let mut parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
    let last = parts.pop().unwrap();
    parts.push(last.trim_end_matches(".rs"));
    (parts[0].to_owned(), parts.len())
}

/// The forbidden references in a file of `module`, `depth` modules deep.
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
fn no_module_uses_a_layer_above_or_beside_it() {
    let mut found = Vec::new();
    for (path, source) in of_the_crate() {
        let (module, depth) = place(&path);
        let here = trespasses(&module, depth, &source);
        found.extend(here.iter().map(|what| format!("src/{}: {what}", path.display())));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// All files except unit tests, which may use everything.
fn without_tests() -> Vec<(PathBuf, Source)> {
    let is_test =
        |path: &Path| path.ends_with("tests.rs") || path.iter().any(|part| part == "tests");
    let product = of_the_crate().into_iter().filter(|(path, _)| !is_test(path));
    product.map(|(path, source)| (path, source.without_tests())).collect()
}

#[test]
fn files_have_no_dependency_cycles() {
    let all = without_tests();
    let modules = Modules::of(all.iter().map(|(path, source)| (path.as_path(), source)));
    let circle = modules.circle().unwrap_or_default();
    assert!(circle.is_empty(), "a circle in src: {}", circle.join(" -> "));
}

#[test]
fn only_the_composition_root_uses_the_machines_clock() {
    let has_clock = |source: &Source| source.words().any(|(_, word)| word == "SystemClock");
    let found = without_tests().into_iter().filter(|(_, source)| has_clock(source));
    let found: Vec<_> = found.map(|(path, _)| path.display().to_string()).collect();
    assert_eq!(found, ["app.rs", "domain/time.rs"]);
}

#[test]
fn every_kind_of_dependency_cycle_is_detected() {
    let circle = |files: &[(&str, &str)]| {
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| (PathBuf::from(path), Source::of(text).without_tests()))
            .collect();
        let all = files.iter().map(|(path, source)| (path.as_path(), source));
        Modules::of(all).circle().unwrap_or_default().join(" ")
    };
    let b = ("a/b.rs", "use super::c::C;");
    for other in [
        "use super::b::B;",
        "use crate::a::{x, b::{self, y}};",
        "fn f() -> super::b::B {}",
        "use crate::a::B;",
        "fn f() { crate::a::b::g() }",
    ] {
        let root = ("a.rs", "mod b;\nmod c;\npub(crate) use self::b::B;");
        assert_eq!(circle(&[root, b, ("a/c.rs", other)]), "a/b a/c a/b", "{other}");
    }
    let three =
        [("x.rs", "use crate::y::Y;"), ("y.rs", "use crate::z;"), ("z.rs", "use crate::x;")];
    assert_eq!(circle(&three), "x y z x");
    let through_a_part =
        [("p.rs", "mod q;"), ("p/q.rs", "use crate::r;"), ("r.rs", "use crate::p::q::Q;")];
    assert_eq!(circle(&through_a_part), "p/q r p/q");
    for fine in [
        [("p.rs", "mod q;\nuse self::q::Q;"), ("p/q.rs", "use super::P;")],
        [("p.rs", "use crate::q::Q;"), ("q.rs", "#[cfg(test)]\nmod tests { use crate::p::P; }")],
        [("p.rs", "use crate::q::Q;"), ("q.rs", "/// [`crate::p`]\nuse std::fmt;")],
    ] {
        assert_eq!(circle(&fine), "", "{fine:?}");
    }
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
fn files_and_functions_have_at_most_the_allowed_length() {
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
fn every_kind_of_layer_violation_is_detected() {
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
fn allowed_dependencies_are_not_reported() {
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
fn a_function_is_measured_from_its_signature_to_its_last_brace() {
    let source = Source::of(
        "fn one() {}\nfn two(\n    a: [u8; 4],\n) -> u8 {\n    let s = \"}\";\n    a[0]\n}\n\
         trait T {\n    fn none(&self);\n}",
    );
    assert_eq!(source.functions(), [("one".to_owned(), 1, 1), ("two".to_owned(), 2, 6)]);
    assert_eq!(source.lines(), 10);
}
