//! The type `file`.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::declare::options;
use crate::config::options::{Opt, parsed, path_or, whole_seconds};
use crate::config::oslo::types;
use crate::config::reader::Section;

options! {
    /// The type `file`.
    #[expect(clippy::struct_field_names, reason = "they are Glance's names")]
    FILE_STORE: FileOptions {
        /// The folder with the images' data.
        filesystem_store_datadir: Option<PathBuf> = path_or("/var/lib/glance/images");
        /// Several folders, highest priority first.
        filesystem_store_datadirs: Ranked = ranked().example("/var/lib/glance/images:100");
        /// How long one call may take; 0 for [revert] store_timeout.
        filesystem_store_timeout: Duration = whole_seconds("0");
    }
}

/// `file`: folders with the images' data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileConfig {
    /// `filesystem_store_datadirs` by falling priority, and `filesystem_store_datadir`.
    /// Absolute, at least one.
    pub datadirs: Vec<PathBuf>,
    /// `filesystem_store_timeout`; `None` for our default.
    pub timeout: Option<Duration>,
}

/// A folder and its priority.
pub(in crate::config) type Ranked = (PathBuf, i64);

pub(super) fn read(section: &mut Section<'_, '_>) -> FileConfig {
    let timeout = section.get(&FILE_STORE.filesystem_store_timeout);
    let timeout = (!timeout.is_zero()).then_some(timeout);
    FileConfig { datadirs: datadirs(section), timeout }
}

/// With both options set Glance refuses to write, but data written before is still there.
fn datadirs(section: &mut Section<'_, '_>) -> Vec<PathBuf> {
    let one = &FILE_STORE.filesystem_store_datadir;
    let mut datadirs = by_priority(section);
    if (datadirs.is_empty() || section.is_set(one))
        && let Some(datadir) = section.get(one)
        && !datadirs.contains(&datadir)
    {
        datadirs.push(datadir);
    }
    if datadirs.is_empty() {
        let many = FILE_STORE.filesystem_store_datadirs.spec.name;
        section.problem(one, format!("is empty; name the folder with the data, or set {many}"));
    }
    datadirs
}

/// Highest priority first; equal ones in the order written.
fn by_priority(section: &mut Section<'_, '_>) -> Vec<PathBuf> {
    let option = &FILE_STORE.filesystem_store_datadirs;
    let mut ranked: Vec<Ranked> = Vec::new();
    for (path, priority) in section.repeated(option) {
        match ranked.iter().find(|(known, _)| *known == path) {
            None => ranked.push((path, priority)),
            Some((_, known)) if *known == priority => {}
            Some(_) => section.problem(option, format!("{} has two priorities", path.display())),
        }
    }
    ranked.sort_by_key(|(_, priority)| std::cmp::Reverse(*priority));
    ranked.into_iter().map(|(path, _)| path).collect()
}

const fn ranked() -> Opt<Ranked> {
    parsed("absolute path[:priority], may be repeated", None, parse_ranked, Ranked::default)
}

/// Splits at the last colon.
fn parse_ranked(text: &str) -> Result<Ranked, String> {
    let (path, priority) = text.rsplit_once(':').unwrap_or((text, ""));
    let (path, priority) = (PathBuf::from(types::strip(path)), types::strip(priority));
    if !path.is_absolute() {
        return Err(format!("{text:?} must be an absolute path[:priority]"));
    }
    let priority = if priority.is_empty() { Ok(0) } else { types::integer(priority) };
    priority.map(|priority| (path, priority)).map_err(|fault| format!("priority {fault}"))
}
