//! Input of an operator.

use std::fs;
use std::path::PathBuf;

use glance_revert::config::{Config, DatabaseConfig, Sources};

use super::world::{Folder, with};
use super::{first_line, text};

/// A file in addition to one that is sufficient by itself.
pub(super) fn oslo_config(data: &[u8]) {
    with(|world| {
        let file = world.folder.write("fuzz.conf", data);
        let base = world.folder.path("base.conf");
        if let Err(error) = load(vec![base, file]) {
            assert!(!error.is_empty());
        }
    });
}

/// `[database] connection`, and `connection_parameters` on the next line.
pub(super) fn database_url(data: &[u8]) {
    let (url, parameters) = first_line(data);
    if let Err(error) = DatabaseConfig::parse(&text(url), &text(parameters)) {
        assert!(!error.to_string().is_empty());
    }
}

/// Files that options name: `my.cnf`, `.pgpass`, Swift's accounts.
pub(super) fn option_file(data: &[u8]) {
    with(|world| {
        let path = world.folder.write("options", data);
        let path = path.display();
        for url in [
            format!("mysql+pymysql://g:p@h/glance?read_default_file={path}"),
            format!("postgresql+psycopg2://g@h/glance?passfile={path}"),
        ] {
            drop(DatabaseConfig::parse(&url, ""));
        }
        let swift = format!(
            "[glance_store]\nstores = swift\ndefault_store = swift\ndefault_swift_reference = ref1\n\
             swift_store_config_file = {path}\n"
        );
        let file = world.folder.write("swift.conf", swift.as_bytes());
        let base = world.folder.path("database.conf");
        drop(load(vec![base, file]));
    });
}

fn load(config_files: Vec<PathBuf>) -> Result<Config, String> {
    let sources = Sources { config_files, ..Sources::default() };
    Config::load(&sources).map_err(|error| error.to_string())
}

impl Folder {
    /// Overwrites a file.
    pub(super) fn write(&self, name: &str, data: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, data).unwrap();
        path
    }
}
