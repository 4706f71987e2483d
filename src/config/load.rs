//! Loads files and environment into a validated [`Config`].

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::oslo::{DEFAULT_GROUP, Settings};
use super::problem::{ConfigError, Problem};
use super::reader::Reader;
use super::sections::{database, jwt, keystone, retention, stores};
use super::{Config, Environment, options, scrub_time, sections, unknown};

/// The default files, as in glance-api: first RDO's packaged defaults, which the others override;
/// then glance-api's own file; then oslo.config's folders.
const DIST_FILE: &str = "usr/share/glance/glance-api-dist.conf";
const IMPORT_FILE: &str = "etc/glance/glance-image-import.conf";
const DEFAULT_FILE: &str = "etc/glance/glance-api.conf";
const DEFAULT_FOLDER: &str = "etc/glance/glance.conf.d";
const OTHER_FOLDER: &str = "etc/glance/glance-api.conf.d";

/// Where the configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config-file`; later files override earlier ones. All must exist.
    pub config_files: Vec<PathBuf>,
    /// `--config-dir`, in the order given. All must exist.
    pub config_dirs: Vec<ConfigDir>,
    /// Overrides every file.
    pub environment: Environment,
}

/// `--config-dir`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigDir {
    /// Its `*.conf` are read in lexical order.
    pub path: PathBuf,
    /// How many of the named files are read before it; later ones override earlier ones.
    pub after: usize,
}

impl Sources {
    /// The files to read, in order: the named ones, else those of Glance's default files that exist
    /// (`/etc/glance/glance-api.conf`, then `/etc/glance/glance.conf.d/*.conf`, and some rarer
    /// ones).
    ///
    /// # Errors
    /// A named folder cannot be read, or there is no configuration at all.
    pub fn files(&self) -> Result<Vec<PathBuf>, ConfigError> {
        self.files_below(Path::new("/"))
    }

    /// The same with the default files below another folder than `/`.
    ///
    /// # Errors
    /// As for [`Self::files`].
    pub fn files_below(&self, root: &Path) -> Result<Vec<PathBuf>, ConfigError> {
        if self.config_files.is_empty() && self.config_dirs.is_empty() {
            return self.default_files(root);
        }
        let (mut files, mut problems) = (Vec::new(), Vec::new());
        for place in 0..=self.config_files.len() {
            for folder in self.config_dirs.iter().filter(|folder| folder.after == place) {
                match configuration_files(&folder.path) {
                    Ok(found) => files.extend(found),
                    Err(error) => problems.push(unreadable(&folder.path, &error)),
                }
            }
            files.extend(self.config_files.get(place).cloned());
        }
        none_or(problems).map(|()| files)
    }

    fn default_files(&self, root: &Path) -> Result<Vec<PathBuf>, ConfigError> {
        // A file in an inaccessible folder is kept: reading it will report the error.
        let present = |file: &str| {
            let path = root.join(file);
            (!matches!(path.try_exists(), Ok(false))).then_some(path)
        };
        let mut files: Vec<PathBuf> = present(DEFAULT_FILE).into_iter().collect();
        for folder in [DEFAULT_FOLDER, OTHER_FOLDER].map(|folder| root.join(folder)) {
            match configuration_files(&folder) {
                Ok(found) => files.extend(found),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(ConfigError { problems: vec![unreadable(&folder, &error)] });
                }
            }
        }
        if files.is_empty() && self.environment.get("database", "connection").is_none() {
            let message = format!(
                "there is no configuration: neither /{DEFAULT_FILE} nor /{DEFAULT_FOLDER}/*.conf \
                 exists. Name Glance's files with --config-file or --config-dir, or set \
                 OS_DATABASE__CONNECTION"
            );
            return Err(ConfigError { problems: vec![Problem::of_source(message)] });
        }
        // The packaged defaults alone are not a configuration.
        files.splice(0..0, [DIST_FILE, IMPORT_FILE].into_iter().filter_map(present));
        Ok(files)
    }
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// All problems: of the files themselves or, if they can be read, of every option in them.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let files = sources.files()?;
        let settings = settings(sources, &files)?;
        let mut reader = Reader::new(&settings);
        let database = database::read(&mut reader);
        let stores = stores::read(&mut reader);
        let (listeners, revert) = sections::revert(&mut reader);
        let folders: Vec<PathBuf> =
            sources.config_dirs.iter().map(|dir| dir.path.clone()).collect();
        let beside = scrub_time::beside(&files, &folders, Path::new("/"));
        let glance = sections::glance::read(&mut reader, revert.min_scrub_time, &beside);
        let retention = retention::read(&mut reader, revert.min_scrub_time);
        let keystone = reader.part(keystone::read);
        let issuers = jwt::read(&mut reader);
        let (keystone, keystone_problems) = match keystone {
            Ok(keystone) => (keystone, Vec::new()),
            Err(problems) => (None, problems),
        };
        if keystone.is_none() && keystone_problems.is_empty() {
            sections::revert::without_keystone(&mut reader, &revert);
        }
        if issuers.is_empty() {
            // Without a usable Keystone and without issuers, nobody could call the API.
            for problem in &keystone_problems {
                reader.problem(problem.clone());
            }
        }
        let backends = stores::backend_names(&mut reader);
        unknown::check(&mut reader, &backends);
        match (database, reader.into_problems()) {
            (Some(database), problems) if problems.is_empty() => Ok(Self {
                database,
                glance,
                stores,
                listeners,
                revert,
                keystone,
                keystone_problems,
                retention,
                issuers,
            }),
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
    for (name, default) in options::REFERENCES {
        settings.set_default(DEFAULT_GROUP, name, default);
    }
    let tables = [
        (DEFAULT_GROUP, sections::DEFAULT),
        ("database", sections::DATABASE),
        ("glance_store", sections::GLANCE_STORE),
        ("oslo_middleware", sections::OSLO_MIDDLEWARE),
        (options::KEYSTONE_AUTHTOKEN_GROUP, sections::KEYSTONE_AUTHTOKEN),
    ];
    let ours = sections::REVERT.iter().map(|table| (options::REVERT_GROUP, *table));
    let of_stores = sections::STORES.iter().map(|table| ("glance_store", *table));
    for (group, table) in tables.into_iter().chain(ours).chain(of_stores) {
        for option in table {
            settings.set_default(group, option.name, option.default.unwrap_or_default());
        }
    }
    Ok(settings)
}

/// `*.conf` in lexical order, without hidden files.
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

    fn write(root: &Path, files: &[&str]) -> Vec<PathBuf> {
        let written = files.iter().map(|file| {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            path
        });
        written.collect()
    }

    #[test]
    fn glances_own_places_are_read_when_nothing_is_named() {
        let root = tempfile::tempdir().unwrap();
        let files = write(
            root.path(),
            &[
                DIST_FILE,
                IMPORT_FILE,
                DEFAULT_FILE,
                "etc/glance/glance.conf.d/00.conf",
                "etc/glance/glance.conf.d/01.conf",
                "etc/glance/glance-api.conf.d/00.conf",
            ],
        );
        write(root.path(), &["etc/glance/glance.conf.d/.00.conf.swp"]);
        write(root.path(), &["etc/glance/glance.conf.d/.hidden.conf", "etc/glance/glance.conf"]);
        assert_eq!(sources(&[]).files_below(root.path()).unwrap(), files);
    }

    #[test]
    fn what_a_package_brings_is_no_configuration_by_itself() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &[DIST_FILE, IMPORT_FILE]);
        assert!(sources(&[]).files_below(root.path()).is_err());
    }

    #[test]
    fn files_and_folders_are_read_in_the_order_in_which_they_are_named() {
        let root = tempfile::tempdir().unwrap();
        let files = write(root.path(), &["d/1.conf", "d/2.conf", "a.conf", "e/1.conf", "b.conf"]);
        let folder = |name: &str, after| ConfigDir { path: root.path().join(name), after };
        let sources = Sources {
            config_files: vec![files[2].clone(), files[4].clone()],
            config_dirs: vec![folder("d", 0), folder("e", 1)],
            ..Sources::default()
        };
        assert_eq!(sources.files().unwrap(), files);
    }

    #[test]
    fn without_any_configuration_the_error_says_what_to_do() {
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
        let nowhere = ConfigDir { path: "/nowhere".into(), after: 0 };
        let sources = Sources { config_dirs: vec![nowhere], ..Sources::default() };
        assert!(sources.files().unwrap_err().to_string().contains("/nowhere does not exist"));
    }
}
