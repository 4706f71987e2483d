//! Runs the parsers on the inputs that `make fuzz` has kept.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::support::chance::Chance;
use crate::support::env;

#[path = "../../fuzz/src/parsers.rs"]
mod parsers;

/// Limits the kept inputs, which every test run reads and every clone contains.
const MOST_BYTES: u64 = 256 * 1024;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

#[test]
fn no_parser_fails_on_kept_fuzzing_inputs() {
    each_file(|name, parser, file, data| must_end(name, parser, file, data));
}

/// Varies the kept inputs as a fuzzer would, but without coverage feedback and the same in every
/// run.
#[test]
fn no_parser_fails_on_variations_of_kept_inputs() {
    let rounds = env::rounds(3);
    let mut chance = Chance(17);
    each_file(|name, parser, file, data| {
        for _ in 0..rounds {
            must_end(name, parser, file, &changed(&mut chance, data));
        }
    });
}

fn each_file(mut work: impl FnMut(&str, parsers::Parser, &Path, &[u8])) {
    for (name, parser) in parsers::PARSERS {
        let files = entries(&corpus().join(name));
        assert!(!files.is_empty(), "{name}");
        for file in files {
            work(name, parser, &file, &std::fs::read(&file).unwrap());
        }
    }
}

#[track_caller]
fn must_end(name: &str, parser: parsers::Parser, file: &Path, data: &[u8]) {
    let end = catch_unwind(AssertUnwindSafe(|| parser(data)));
    let shown = String::from_utf8_lossy(data);
    assert!(end.is_ok(), "{name}, {}: {shown:?}", file.display());
}

/// Makes one to four small changes: inserts meaningful bytes, removes, repeats or moves a piece, or
/// writes numbers that do not fit.
fn changed(chance: &mut Chance, data: &[u8]) -> Vec<u8> {
    const PIECES: [&[u8]; 16] = [
        b"/",
        b"%",
        b"\"",
        b"\n",
        b"\0",
        b"..",
        b"://",
        b"[",
        b"{",
        b"\xff",
        b"\xe2\x80\xae",
        b"-1",
        b"18446744073709551616",
        b"1e999",
        b"null",
        b"9999-12-31T23:59:60Z",
    ];
    let mut data = data.to_vec();
    for _ in 0..=chance.below(4) {
        let (from, length) = (chance.below(data.len() + 1), chance.below(9));
        let to = (from + length).min(data.len());
        let piece = match chance.below(4) {
            0 => Vec::new(),
            1 => data[from..to].repeat(2),
            2 => PIECES[chance.below(PIECES.len())].to_vec(),
            _ => vec![u8::try_from(chance.below(256)).unwrap(); chance.below(3)],
        };
        data.splice(from..to, piece);
    }
    data
}

#[test]
fn every_parser_has_a_corpus_and_all_of_them_are_small() {
    let known: BTreeSet<_> = parsers::PARSERS.iter().map(|(name, _)| corpus().join(name)).collect();
    assert_eq!(entries(&corpus()).into_iter().collect::<BTreeSet<_>>(), known);
    let files = known.iter().flat_map(|folder| entries(folder));
    let bytes: u64 = files.map(|file| file.metadata().unwrap().len()).sum();
    assert!(bytes <= MOST_BYTES, "{bytes} bytes");
}
