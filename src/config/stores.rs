//! Where Glance keeps data: `[glance_store]`, or a section for each of `enabled_backends`.

use std::path::PathBuf;
use std::time::Duration;

use super::options;
use super::oslo::DEFAULT_GROUP;
use super::oslo::types;
use super::reader::{Reader, Section};

/// The types of glance_store 5.7.
const TYPES: [&str; 7] = ["file", "http", "rbd", "swift", "s3", "cinder", "vmware"];

/// Names that Glance keeps for its own staging areas; no image's location is there.
const RESERVED: &str = "os_glance_";

/// One store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// The backend's name (multi-store), or its type (single-store form).
    pub id: String,
    /// What kind of store.
    pub kind: StoreKind,
}

/// The stores that there is a driver for, and the ones that there is none for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreKind {
    /// `file`.
    File {
        /// `filesystem_store_datadirs` by falling priority, and `filesystem_store_datadir`.
        /// Absolute, at least one.
        datadirs: Vec<PathBuf>,
        /// `filesystem_store_timeout`; `None` for our default.
        timeout: Option<Duration>,
    },
    /// `http`.
    Http,
    /// A type of glance_store's that this version has no driver for (`rbd`, `swift`, ..).
    Unsupported {
        /// glance_store's word.
        kind: String,
    },
}

/// The names of `enabled_backends`, empty in the single-store form.
pub(super) fn backend_names(reader: &mut Reader<'_>) -> Vec<String> {
    backends(reader).into_iter().map(|(name, _)| name).collect()
}

pub(super) fn read(reader: &mut Reader<'_>) -> Vec<StoreConfig> {
    let backends = backends(reader);
    if backends.is_empty() { single(reader) } else { multi(reader, backends) }
}

/// [`super::glance`] has read the option before and noted what is wrong with it.
fn backends(reader: &mut Reader<'_>) -> Vec<(String, String)> {
    let found = reader.settings().get(DEFAULT_GROUP, "enabled_backends");
    let text = found.and_then(|found| found.value.ok()).unwrap_or_default();
    types::dictionary(&text).unwrap_or_default()
}

fn multi(reader: &mut Reader<'_>, backends: Vec<(String, String)>) -> Vec<StoreConfig> {
    let mut stores = Vec::new();
    for (id, kind) in backends {
        let mut defaults = reader.section(&[DEFAULT_GROUP], options::DEFAULT);
        if id.starts_with(RESERVED) {
            let text = format!("{id:?}: Glance keeps names that start with {RESERVED} for itself");
            defaults.problem("enabled_backends", text);
        }
        if !TYPES.contains(&kind.as_str()) {
            let known = TYPES.join(", ");
            let text = format!("{kind:?} of {id:?} is no type of store; the types are {known}");
            defaults.problem("enabled_backends", text);
        }
        // Sections are lower case once read; Glance finds `[Fast]` for `fast`, and for `Fast` too.
        let group = id.to_lowercase();
        let mut section = reader.section(&[&group, "backend_defaults"], options::FILE_STORE);
        let kind = store_kind(&mut section, kind);
        stores.push(StoreConfig { id, kind });
    }
    stores
}

/// glance_store only warns of a type that it does not know, so it is no error here.
fn single(reader: &mut Reader<'_>) -> Vec<StoreConfig> {
    let kinds = reader.section(&["glance_store"], options::GLANCE_STORE).words("stores");
    let mut section = reader.section(&["glance_store"], options::FILE_STORE);
    let mut stores: Vec<StoreConfig> = Vec::new();
    for kind in kinds {
        let kind = short(&kind);
        if stores.iter().all(|store| store.id != kind) {
            stores.push(StoreConfig { id: kind.clone(), kind: store_kind(&mut section, kind) });
        }
    }
    stores
}

/// The type behind a dotted name of old (`glance.store.filesystem.Store`).
fn short(name: &str) -> String {
    let dotted = name.strip_prefix("glance.store.").and_then(|rest| rest.strip_suffix(".Store"));
    match dotted {
        Some("filesystem") => "file".to_owned(),
        Some("vmware_datastore") => "vmware".to_owned(),
        Some(kind) => kind.to_owned(),
        None => name.to_owned(),
    }
}

fn store_kind(section: &mut Section<'_, '_>, kind: String) -> StoreKind {
    match kind.as_str() {
        "file" => file(section),
        "http" => StoreKind::Http,
        _ => StoreKind::Unsupported { kind },
    }
}

fn file(section: &mut Section<'_, '_>) -> StoreKind {
    let timeout = section.whole_seconds("filesystem_store_timeout");
    let timeout = (!timeout.is_zero()).then_some(timeout);
    StoreKind::File { datadirs: datadirs(section), timeout }
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
