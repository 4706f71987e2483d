//! From files and environment to a validated [`Config`].

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::oslo::{DEFAULT_GROUP, Settings};
use super::problem::{ConfigError, Problem};
use super::reader::Reader;
use super::{
    Config, Environment, database, glance, issuers, keystone, options, revert, scrub_time, stores,
    unknown,
};

/// Read when nothing is named, as the deployments have them.
const DEFAULT_FILE: &str = "etc/glance/glance-api.conf";
const DEFAULT_FOLDER: &str = "etc/glance/glance.conf.d";

/// Where the configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config-file`, a later one before an earlier one. All must exist.
    pub config_files: Vec<PathBuf>,
    /// `--config-dir`: their `*.conf` in lexical order, read after the files. All must exist.
    pub config_dirs: Vec<PathBuf>,
    /// Goes before every file.
    pub environment: Environment,
}

impl Sources {
    /// The files to read, in order: the named ones, else those of Glance's default places that
    /// exist (`/etc/glance/glance-api.conf`, then `/etc/glance/glance.conf.d/*.conf`).
    ///
    /// # Errors
    /// A named folder cannot be read, or there is nothing to read at all.
    pub fn files(&self) -> Result<Vec<PathBuf>, ConfigError> {
        self.files_below(Path::new("/"))
    }

    fn files_below(&self, root: &Path) -> Result<Vec<PathBuf>, ConfigError> {
        if self.config_files.is_empty() && self.config_dirs.is_empty() {
            return self.default_files(root);
        }
        let mut files = self.config_files.clone();
        let mut problems = Vec::new();
        for folder in &self.config_dirs {
            match configuration_files(folder) {
                Ok(found) => files.extend(found),
                Err(error) => problems.push(unreadable(folder, &error)),
            }
        }
        none_or(problems).map(|()| files)
    }

    fn default_files(&self, root: &Path) -> Result<Vec<PathBuf>, ConfigError> {
        let (file, folder) = (root.join(DEFAULT_FILE), root.join(DEFAULT_FOLDER));
        // A file behind a closed folder is kept: reading it will tell.
        let absent = matches!(file.try_exists(), Ok(false));
        let mut files = if absent { Vec::new() } else { vec![file] };
        match configuration_files(&folder) {
            Ok(found) => files.extend(found),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(ConfigError { problems: vec![unreadable(&folder, &error)] }),
        }
        if files.is_empty() && self.environment.get("database", "connection").is_none() {
            let message = format!(
                "there is no configuration: neither /{DEFAULT_FILE} nor /{DEFAULT_FOLDER}/*.conf \
                 exists. Name Glance's files with --config-file or --config-dir, or set \
                 OS_DATABASE__CONNECTION"
            );
            return Err(ConfigError { problems: vec![Problem::of_source(message)] });
        }
        Ok(files)
    }
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// All that is wrong: first of the files themselves, and where they can be read, of every
    /// option in them.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let files = sources.files()?;
        let settings = settings(sources, &files)?;
        let mut reader = Reader::new(&settings);
        let database = database::read(&mut reader);
        let stores = stores::read(&mut reader);
        let revert = revert::read(&mut reader);
        let beside = scrub_time::beside(&files, &sources.config_dirs, Path::new("/"));
        let glance = glance::read(&mut reader, revert.min_scrub_time, &beside);
        let keystone = keystone::read(&mut reader);
        let issuers = issuers::read(&mut reader);
        let backends = stores::backend_names(&mut reader);
        unknown::check(&mut reader, &backends);
        match (database, reader.into_problems()) {
            (Some(database), problems) if problems.is_empty() => {
                Ok(Self { database, glance, stores, revert, keystone, issuers })
            }
            (_, problems) => Err(ConfigError { problems }),
        }
    }
}

fn settings(sources: &Sources, files: &[PathBuf]) -> Result<Settings, ConfigError> {
    let mut settings = Settings::new(sources.environment.clone());
    let not_text = |name| Problem::of_source(format!("environment {name}: is not UTF-8"));
    let mut problems: Vec<Problem> = sources.environment.not_text().iter().map(not_text).collect();
    for path in files {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                problems.push(unreadable(path, &error));
                continue;
            }
        };
        for error in settings.add_file(path, &text).err().unwrap_or_default() {
            let message = format!("{} line {}: {}", path.display(), error.line, error.defect);
            problems.push(Problem::of_source(message));
        }
    }
    none_or(problems)?;
    let tables = [
        (DEFAULT_GROUP, options::DEFAULT),
        ("database", options::DATABASE),
        ("glance_store", options::GLANCE_STORE),
        ("oslo_middleware", options::OSLO_MIDDLEWARE),
        (options::KEYSTONE_AUTHTOKEN_GROUP, options::KEYSTONE_AUTHTOKEN),
        (options::REVERT_GROUP, options::REVERT),
    ];
    let of_stores = options::STORES.iter().map(|table| ("glance_store", *table));
    for (group, table) in tables.into_iter().chain(of_stores) {
        for option in table {
            settings.set_default(group, option.name, option.default.unwrap_or_default());
        }
    }
    Ok(settings)
}

/// `*.conf` in lexical order; hidden files are left out, as by a shell.
fn configuration_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        if let Some(stem) = name.strip_suffix(".conf")
            && !stem.is_empty()
            && !stem.starts_with('.')
        {
            files.push(folder.join(name));
        }
    }
    files.sort();
    Ok(files)
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let advice = if error.kind() == ErrorKind::NotFound {
        "does not exist; check --config-file and --config-dir".to_owned()
    } else if error.kind() == ErrorKind::PermissionDenied {
        "may not be read; run as Glance's user, or as a member of the file's group".to_owned()
    } else {
        format!("cannot be read: {error}")
    };
    Problem::of_source(format!("{} {advice}", path.display()))
}

fn none_or(problems: Vec<Problem>) -> Result<(), ConfigError> {
    if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(environment: &[(&str, &str)]) -> Sources {
        Sources { environment: environment.iter().copied().collect(), ..Sources::default() }
    }

    #[test]
    fn glances_own_places_are_read_when_nothing_is_named() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(DEFAULT_FOLDER);
        fs::create_dir_all(&folder).unwrap();
        let files =
            [root.path().join(DEFAULT_FILE), folder.join("00.conf"), folder.join("01.conf")];
        for file in &files {
            fs::write(file, "").unwrap();
        }
        fs::write(folder.join(".00.conf.swp"), "").unwrap();
        fs::write(folder.join(".hidden.conf"), "").unwrap();
        assert_eq!(sources(&[]).files_below(root.path()).unwrap(), files);
    }

    #[test]
    fn with_nothing_at_all_the_error_says_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let told = sources(&[]).files_below(root.path()).unwrap_err().to_string();
        assert!(
            told.contains("--config-file") && told.contains("OS_DATABASE__CONNECTION"),
            "{told}"
        );
        let connected = sources(&[("OS_DATABASE__CONNECTION", "mysql://h/g")]);
        assert!(connected.files_below(root.path()).unwrap().is_empty());
    }

    #[test]
    fn a_named_folder_must_exist() {
        let sources = Sources { config_dirs: vec!["/nowhere".into()], ..Sources::default() };
        assert!(sources.files().unwrap_err().to_string().contains("/nowhere does not exist"));
    }
}
