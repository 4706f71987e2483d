//! A tokenizer for Rust files, just detailed enough to find paths, functions and their lengths.

use std::fs;
use std::path::{Path, PathBuf};

/// A word or sign with its line. Comments and literals produce no tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    text: String,
    line: usize,
}

/// One file.
#[derive(Debug)]
pub(crate) struct Source {
    tokens: Vec<Token>,
    lines: usize,
}

/// The path of a file or folder of this repository.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Every Rust file of a folder of this repository, with its path in it.
pub(crate) fn sources(name: &str) -> Vec<(PathBuf, Source)> {
    let root = folder(name);
    let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = Source::of(&fs::read_to_string(&path).unwrap());
                found.push((path.strip_prefix(&root).unwrap().to_owned(), source));
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

impl Source {
    pub(crate) fn of(text: &str) -> Self {
        Self { tokens: tokens(text), lines: text.lines().count() }
    }

    pub(crate) fn lines(&self) -> usize {
        self.lines
    }

    /// Every word, with its line.
    pub(crate) fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        self.tokens.iter().map(|token| (token.line, token.text.as_str()))
    }

    /// The module after each `crate::`, with its line; `crate::{a, b::c}` has two.
    pub(crate) fn crate_paths(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for at in (0..self.tokens.len()).filter(|at| self.is(*at, "crate")) {
            if !self.is(at + 1, "::") {
                continue;
            }
            if !self.is(at + 2, "{") {
                found.extend(self.tokens.get(at + 2).map(|token| (token.line, token.text.clone())));
                continue;
            }
            let mut depth = 0;
            for next in at + 2..=self.closing(at + 2) {
                let token = &self.tokens[next];
                depth += usize::from(token.text == "{");
                depth -= usize::from(token.text == "}");
                let starts = self.is(next - 1, "{") || self.is(next - 1, ",");
                if depth == 1 && starts && token.text != "{" && token.text != "}" {
                    found.push((token.line, token.text.clone()));
                }
            }
        }
        found
    }

    /// The file without its unit tests.
    pub(crate) fn without_tests(&self) -> Self {
        let attribute = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];
        let begins =
            |at: usize| attribute.iter().enumerate().all(|(n, text)| self.is(at + n, text));
        let (mut tokens, mut at) = (Vec::new(), 0);
        while let Some(token) = self.tokens.get(at) {
            if !begins(at) {
                tokens.push(token.clone());
                at += 1;
                continue;
            }
            let body = at + attribute.len() + 1;
            at = if self.is(body, "{") { self.closing(body) + 1 } else { body + 1 };
        }
        Self { tokens, lines: self.lines }
    }

    /// Every path with at least two parts, and every path of a `use`; and whether it is
    /// re-exported.
    pub(crate) fn paths(&self) -> Vec<(Vec<String>, bool)> {
        let (mut found, mut at) = (Vec::new(), 0);
        while let Some(token) = self.tokens.get(at) {
            if token.text == "use" {
                let is_export = at > 0 && (self.is(at - 1, "pub") || self.is(at - 1, ")"));
                let mut paths = Vec::new();
                at = self.use_tree(at + 1, &[], &mut paths);
                found.extend(paths.into_iter().map(|path| (path, is_export)));
                continue;
            }
            let parts = (0..self.tokens.len())
                .take_while(|n| *n == 0 || self.is(at + 2 * n - 1, "::"))
                .count();
            if parts > 1 {
                let path = (0..parts).filter_map(|n| self.tokens.get(at + 2 * n));
                found.push((path.map(|token| token.text.clone()).collect(), false));
            }
            at += 2 * parts - 1;
        }
        found
    }

    /// Collects the paths of a `use` from its next part on; returns where it ends.
    fn use_tree(&self, mut at: usize, before: &[String], found: &mut Vec<Vec<String>>) -> usize {
        let mut path = before.to_vec();
        while let Some(token) = self.tokens.get(at) {
            match token.text.as_str() {
                "{" => {
                    at += 1;
                    while !self.is(at, "}") {
                        at = self.use_tree(at, &path, found);
                        at += usize::from(self.is(at, ","));
                    }
                    return at + 1;
                }
                "," | "}" | ";" => {
                    found.push(path);
                    return at;
                }
                "::" => at += 1,
                "as" => at += 2,
                // `a::{self, b}` names `a`.
                "self" if !path.is_empty() => at += 1,
                part => {
                    path.push(part.to_owned());
                    at += 1;
                }
            }
        }
        at
    }

    /// Lines where `super::super::..` reaches the crate's root from a module at this depth.
    pub(crate) fn climbs_out(&self, depth: usize) -> Vec<usize> {
        let inline: Vec<_> = (0..self.tokens.len())
            .filter(|at| self.is(*at, "mod") && self.is(at + 2, "{"))
            .map(|at| at..self.closing(at + 2))
            .collect();
        let mut found = Vec::new();
        for at in (0..self.tokens.len()).filter(|at| self.is(*at, "super")) {
            let continued = at >= 2 && self.is(at - 1, "::") && self.is(at - 2, "super");
            let steps = (0..=depth + 8).take_while(|n| self.is(at + 2 * n, "super")).count();
            let here = depth + inline.iter().filter(|range| range.contains(&at)).count();
            let is_path = self.is(at + 2 * steps - 1, "::");
            if is_path && !continued && steps >= here {
                found.push(self.tokens[at].line);
            }
        }
        found
    }

    /// The name, first line and length in lines of each function that has a body.
    pub(crate) fn functions(&self) -> Vec<(String, usize, usize)> {
        let mut found = Vec::new();
        for at in (0..self.tokens.len()).filter(|at| self.is(*at, "fn")) {
            let mut nested = 0_usize;
            let end_of_head = (at..self.tokens.len()).find(|next| {
                match self.tokens[*next].text.as_str() {
                    "(" | "[" => nested += 1,
                    ")" | "]" => nested = nested.saturating_sub(1),
                    _ => {}
                }
                nested == 0 && *next > at && (self.is(*next, "{") || self.is(*next, ";"))
            });
            let Some(body) = end_of_head.filter(|body| self.is(*body, "{")) else { continue };
            let (first, last) = (self.tokens[at].line, self.tokens[self.closing(body)].line);
            found.push((self.tokens[at + 1].text.clone(), first, last - first + 1));
        }
        found
    }

    fn is(&self, at: usize, text: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.text == text)
    }

    /// The position of the brace that closes the one at `open`.
    fn closing(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for at in open..self.tokens.len() {
            depth += usize::from(self.is(at, "{"));
            depth -= usize::from(self.is(at, "}"));
            if depth == 0 {
                return at;
            }
        }
        panic!("a brace of line {} is not closed", self.tokens[open].line)
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let (mut found, mut rest, mut line) = (Vec::new(), text, 1);
    while !rest.is_empty() {
        let (length, counts) = next(rest);
        let (piece, after) = rest.split_at(length);
        if counts {
            found.push(Token { text: piece.to_owned(), line });
        }
        line += piece.matches('\n').count();
        rest = after;
    }
    found
}

/// The length of the next piece, and whether it is a token.
fn next(rest: &str) -> (usize, bool) {
    let first = rest.chars().next().unwrap_or_default();
    if first.is_whitespace() {
        (first.len_utf8(), false)
    } else if rest.starts_with("//") {
        (rest.find('\n').unwrap_or(rest.len()), false)
    } else if rest.starts_with("/*") {
        (block_comment(rest), false)
    } else if let Some(length) = raw_string(rest) {
        (length, false)
    } else if first == '"' || rest.starts_with("b\"") {
        (quoted(rest, '"'), false)
    } else if first == '\'' {
        (character(rest).unwrap_or(1), false)
    } else if first.is_alphanumeric() || first == '_' {
        (rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()), true)
    } else if rest.starts_with("::") {
        (2, true)
    } else {
        (first.len_utf8(), true)
    }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// `r"..."`, `r#"..."#`, `br"..."`.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = after.find(|c| c != '#')?;
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - body.len();
    Some(body.find(&end).map_or(rest.len(), |at| start + at + end.len()))
}

/// The length of a literal up to its closing quote, ignoring escaped quotes.
fn quoted(rest: &str, quote: char) -> usize {
    let start = rest.find(quote).unwrap_or_default() + 1;
    let mut escaped = false;
    for (at, c) in rest[start..].char_indices() {
        if c == quote && !escaped {
            return start + at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

/// The length of a character literal; `None` for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut inner = rest.chars().skip(1);
    let first = inner.next()?;
    (first == '\\' || inner.next() == Some('\'')).then(|| quoted(rest, '\''))
}
