//! Where Glance keeps data: `[glance_store]`, or a section for each of `enabled_backends`. Each
//! type of store has a file of its own.

mod cinder;
mod file;
mod http;
mod rbd;
mod s3;
mod swift;

pub(in crate::config) use cinder::CinderOptions;
pub use cinder::{CinderConfig, CinderLogin};
pub use file::FileConfig;
pub(in crate::config) use file::FileOptions;
pub use http::HttpConfig;
pub(in crate::config) use http::HttpOptions;
pub use rbd::RbdConfig;
pub(in crate::config) use rbd::RbdOptions;
pub(in crate::config) use s3::S3Options;
pub use s3::{S3Config, S3Endpoint, S3Keys, UrlFormat};
pub(in crate::config) use swift::SwiftOptions;
pub use swift::{SwiftAccount, SwiftConfig, SwiftLogin};

use super::glance::DEFAULT;
use crate::config::declare::options;
use crate::config::options::list;
use crate::config::oslo::DEFAULT_GROUP;
use crate::config::problem::Problem;
use crate::config::reader::Reader;

/// The types of glance_store 5.7.
const TYPES: [&str; 7] = ["file", "http", "rbd", "swift", "s3", "cinder", "vmware"];

/// Prefix of names that Glance reserves for its staging areas; no location is there.
const RESERVED: &str = "os_glance_";

options! {
    /// `[glance_store]`, other than a store's own options.
    GLANCE_STORE: GlanceStoreOptions {
        /// Types of store, if enabled_backends is not set.
        stores: Vec<String> = list("file,http");
    }
}

/// One store.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The backend's name (multi-store), or its type (single-store form).
    pub id: String,
    /// Its type and configuration.
    pub kind: StoreKind,
}

/// The types of store, with and without a driver here.
#[derive(Debug, Clone)]
pub enum StoreKind {
    /// `file`.
    File(FileConfig),
    /// `http`.
    Http(HttpConfig),
    /// `rbd`.
    Rbd(RbdConfig),
    /// `s3`.
    S3(S3Config),
    /// `swift`.
    Swift(SwiftConfig),
    /// `cinder`.
    Cinder(CinderConfig),
    /// A type of glance_store without a driver here (`vmware`, ..).
    Unsupported {
        /// glance_store's name for the type.
        kind: String,
    },
    /// Its configuration is not usable. Glance starts with such a store too.
    Misconfigured {
        /// glance_store's name for the type.
        kind: String,
        /// What is wrong; never empty.
        problems: Vec<Problem>,
    },
}

impl StoreKind {
    /// glance_store's name for the type.
    pub fn name(&self) -> &str {
        match self {
            Self::File(_) => "file",
            Self::Http(_) => "http",
            Self::Rbd(_) => "rbd",
            Self::S3(_) => "s3",
            Self::Swift(_) => "swift",
            Self::Cinder(_) => "cinder",
            Self::Unsupported { kind } | Self::Misconfigured { kind, .. } => kind,
        }
    }
}

/// The names of `enabled_backends`, empty in the single-store form.
pub(in crate::config) fn backend_names(reader: &mut Reader<'_>) -> Vec<String> {
    backends(reader).into_iter().map(|(name, _)| name).collect()
}

pub(in crate::config) fn read(reader: &mut Reader<'_>) -> Vec<StoreConfig> {
    let backends = backends(reader);
    if backends.is_empty() { single(reader) } else { multi(reader, backends) }
}

/// [`super::glance`] reads the option too and notes its problems.
fn backends(reader: &mut Reader<'_>) -> Vec<(String, String)> {
    let found = reader.settings().get(DEFAULT_GROUP, DEFAULT.enabled_backends.spec.name);
    let text = found.and_then(|found| found.value.ok()).unwrap_or_default();
    DEFAULT.enabled_backends.parse(&text).unwrap_or_default()
}

fn multi(reader: &mut Reader<'_>, backends: Vec<(String, String)>) -> Vec<StoreConfig> {
    let mut stores = Vec::new();
    for (id, kind) in backends {
        if id.starts_with(RESERVED) {
            let text = format!("{id:?}: names that start with {RESERVED} are reserved for Glance");
            reader.section(&[DEFAULT_GROUP]).problem(&DEFAULT.enabled_backends, text);
        }
        // Section names are lower case once read; Glance finds `[Fast]` for both `fast` and `Fast`.
        let group = id.to_lowercase();
        let kind = usable(reader, &[&group, "backend_defaults"], kind, |reader, kind| {
            if !TYPES.contains(&kind) {
                let known = TYPES.join(", ");
                let text =
                    format!("{kind:?} of {id:?} is not a type of store; choose from {known}");
                reader.section(&[DEFAULT_GROUP]).problem(&DEFAULT.enabled_backends, text);
            }
        });
        stores.push(StoreConfig { id, kind });
    }
    stores
}

/// A usable store, or its problems, which affect nothing else.
fn usable(
    reader: &mut Reader<'_>,
    groups: &[&str],
    kind: String,
    check: impl FnOnce(&mut Reader<'_>, &str),
) -> StoreKind {
    let read = reader.part(|reader| {
        check(reader, &kind);
        store_kind(reader, groups, kind.clone())
    });
    read.unwrap_or_else(|problems| StoreKind::Misconfigured { kind, problems })
}

/// glance_store only warns about a type that is unknown or not configured, so neither is an error
/// here.
fn single(reader: &mut Reader<'_>) -> Vec<StoreConfig> {
    let mut kinds = reader.section(&["glance_store"]).get(&GLANCE_STORE.stores);
    kinds.retain(|kind| !kind.is_empty());
    let mut stores: Vec<StoreConfig> = Vec::new();
    for kind in kinds {
        let kind = short(&kind);
        if stores.iter().all(|store| store.id != kind) && is_configured(reader, &kind) {
            let id = kind.clone();
            let kind = usable(reader, &["glance_store"], kind, |_, _| {});
            stores.push(StoreConfig { id, kind });
        }
    }
    stores
}

/// Whether a type that requires options has any.
fn is_configured(reader: &mut Reader<'_>, kind: &str) -> bool {
    let section = reader.section(&["glance_store"]);
    match kind {
        "s3" => section.is_set(&s3::S3_STORE.s3_store_host),
        "swift" => {
            section.is_set(&swift::SWIFT_STORE.swift_store_auth_address)
                || section.is_set(&swift::SWIFT_STORE.swift_store_config_file)
        }
        _ => true,
    }
}

/// The type for a dotted class name of old releases (`glance.store.filesystem.Store`).
fn short(name: &str) -> String {
    let dotted = name.strip_prefix("glance.store.").and_then(|rest| rest.strip_suffix(".Store"));
    match dotted {
        Some("filesystem") => "file".to_owned(),
        Some("vmware_datastore") => "vmware".to_owned(),
        Some(kind) => kind.to_owned(),
        None => name.to_owned(),
    }
}

/// Reads a store's own options.
fn store_kind(reader: &mut Reader<'_>, groups: &[&str], kind: String) -> StoreKind {
    match kind.as_str() {
        "file" => StoreKind::File(file::read(&mut reader.section(groups))),
        "http" => StoreKind::Http(http::read(&mut reader.section(groups))),
        "rbd" => StoreKind::Rbd(rbd::read(&mut reader.section(groups))),
        "s3" => StoreKind::S3(s3::read(&mut reader.section(groups))),
        "swift" => StoreKind::Swift(swift::read(&mut reader.section(groups))),
        "cinder" => StoreKind::Cinder(cinder::read(&mut reader.section(groups))),
        _ => StoreKind::Unsupported { kind },
    }
}
