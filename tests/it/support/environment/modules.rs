//! The dependencies between files of `src/`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::support::source::Source;

/// `src/db/read.rs` is `["db", "read"]`.
pub(crate) type Module = Vec<String>;

/// Each file, and the files whose items it uses. A re-exported item belongs to the file that
/// defines it. A file may always use its parent modules (`super::`), because it is a part of them.
#[derive(Debug)]
pub(crate) struct Modules(BTreeMap<Module, BTreeSet<Module>>);

impl Modules {
    pub(crate) fn of<'s>(files: impl Iterator<Item = (&'s Path, &'s Source)>) -> Self {
        let files: BTreeMap<Module, &Source> =
            files.map(|(path, source)| (module(path), source)).collect();
        let paths: BTreeMap<&Module, Vec<Named>> =
            files.iter().map(|(module, source)| (module, named(module, source, &files))).collect();
        let mut uses = BTreeMap::new();
        for (module, named) in &paths {
            let homes = named.iter().filter_map(|named| home(&named.path, &paths, 0));
            let others = homes.filter(|home| !module.starts_with(home)).collect();
            uses.insert((*module).clone(), others);
        }
        Self(uses)
    }

    /// A dependency cycle, if there is one.
    pub(crate) fn circle(&self) -> Option<Vec<String>> {
        let mut left = self.0.clone();
        loop {
            let known: BTreeSet<_> = left.keys().cloned().collect();
            let before = left.len();
            left.retain(|_, uses| !uses.is_disjoint(&known));
            if left.len() == before {
                break;
            }
        }
        // From here on, each file depends on another one that is left.
        let mut way: Vec<&Module> = vec![left.keys().next()?];
        loop {
            let last = way.last().copied()?;
            let next = left.get(last)?.iter().find_map(|used| left.get_key_value(used))?.0;
            if let Some(first) = way.iter().position(|seen| *seen == next) {
                way.push(next);
                return Some(way[first..].iter().map(|module| module.join("/")).collect());
            }
            way.push(next);
        }
    }
}

/// A path from the crate's root, and whether it is re-exported.
struct Named {
    path: Module,
    is_export: bool,
}

fn module(path: &Path) -> Module {
    path.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect()
}

fn named(module: &Module, source: &Source, files: &BTreeMap<Module, &Source>) -> Vec<Named> {
    let absolute = |path: &[String]| {
        let climbs = path.iter().take_while(|part| *part == "super").count();
        let (base, rest) = match path.first().map(String::as_str)? {
            "crate" => (Module::new(), &path[1..]),
            "self" => (module.clone(), &path[1..]),
            "super" => (module[..module.len().checked_sub(climbs)?].to_vec(), &path[climbs..]),
            first => {
                let child = [&module[..], &[first.to_owned()]].concat();
                files.contains_key(&child).then(|| (module.clone(), path))?
            }
        };
        Some([&base[..], rest].concat())
    };
    let all = source.paths().into_iter();
    all.filter_map(|(path, is_export)| Some(Named { path: absolute(&path)?, is_export })).collect()
}

/// The file that defines the item of a path.
fn home(path: &[String], files: &BTreeMap<&Module, Vec<Named>>, depth: usize) -> Option<Module> {
    let known =
        (1..=path.len()).rev().find(|length| files.contains_key(&path[..*length].to_vec()))?;
    let (module, item) = (path[..known].to_vec(), path.get(known));
    let exported = item.and_then(|item| {
        let mut exports = files[&module].iter().filter(|named| named.is_export);
        exports.find(|export| export.path.last() == Some(item))
    });
    match exported {
        Some(export) if depth < 8 => home(&export.path, files, depth + 1).or(Some(module)),
        Some(_) | None => Some(module),
    }
}
