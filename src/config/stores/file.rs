//! The type `file`.

use std::path::PathBuf;
use std::time::Duration;

use super::super::oslo::types;
use super::super::reader::Section;

/// `file`: folders with the images' data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileConfig {
    /// `filesystem_store_datadirs` by falling priority, and `filesystem_store_datadir`.
    /// Absolute, at least one.
    pub datadirs: Vec<PathBuf>,
    /// `filesystem_store_timeout`; `None` for our default.
    pub timeout: Option<Duration>,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> FileConfig {
    let timeout = section.whole_seconds("filesystem_store_timeout");
    let timeout = (!timeout.is_zero()).then_some(timeout);
    FileConfig { datadirs: datadirs(section), timeout }
}

/// Glance writes nowhere when both options are set, but what it wrote before is still there.
fn datadirs(section: &mut Section<'_, '_>) -> Vec<PathBuf> {
    let (one, many) = ("filesystem_store_datadir", "filesystem_store_datadirs");
    let mut datadirs = by_priority(section, many);
    if (datadirs.is_empty() || section.is_set(one))
        && let Some(datadir) = section.path(one)
        && !datadirs.contains(&datadir)
    {
        datadirs.push(datadir);
    }
    if datadirs.is_empty() {
        section.problem(one, format!("is empty; name the folder with the data, or set {many}"));
    }
    datadirs
}

/// `path[:priority]`, split at the last colon; the higher first, equal ones as written.
fn by_priority(section: &mut Section<'_, '_>, option: &str) -> Vec<PathBuf> {
    let mut ranked: Vec<(i64, PathBuf)> = Vec::new();
    for text in section.repeated(option) {
        let (path, priority) = text.rsplit_once(':').unwrap_or((&text, ""));
        let (path, priority) = (PathBuf::from(types::strip(path)), types::strip(priority));
        let priority = if priority.is_empty() { Ok(0) } else { types::integer(priority) };
        if !path.is_absolute() {
            section.problem(option, format!("{text:?} must be an absolute path[:priority]"));
        }
        match (ranked.iter().find(|(_, known)| *known == path), priority) {
            (_, Err(message)) => section.problem(option, format!("priority {message}")),
            (None, Ok(priority)) => ranked.push((priority, path)),
            (Some((known, _)), Ok(priority)) if *known == priority => {}
            (Some(_), Ok(_)) => {
                section.problem(option, format!("{} has two priorities", path.display()));
            }
        }
    }
    ranked.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
    ranked.into_iter().map(|(_, path)| path).collect()
}
