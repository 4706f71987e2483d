//! Configuration files as each deployer writes them, read with the command of the deployer's page.

use std::fs;
use std::path::{Path, PathBuf};

use glance_revert::app::App;
use glance_revert::config::keystone_auth::{Credentials, Identifier};
use glance_revert::config::{Config, ConfigDir, DatabaseKind, Environment, Sources};
use tempfile::TempDir;

use crate::support::source::folder;

/// The name of page and folder, the database's host, and the stores as `id:type`.
const DEPLOYERS: &[(&str, &str, &[&str])] = &[
    ("kolla", "10.0.0.250", &["file:file", "rbd:rbd", "s3:s3"]),
    ("openstack-ansible", "172.29.236.9", &["file:file", "http:http"]),
    (
        "openstack-helm",
        "mariadb.openstack.svc.cluster.local",
        &["file:file", "http:http", "rbd:rbd", "swift:swift"],
    ),
    ("glance-operator", "openstack.openstack.svc", &["default_backend:rbd"]),
    ("sap", "glance-mariadb.monsoon3.svc.example.org", &["file:file", "http:http", "swift:swift"]),
    ("charm", "127.0.0.1", &["local:file", "ceph:rbd"]),
    ("rdo", "192.168.122.10", &["swift_backend:swift"]),
    ("devstack", "127.0.0.1", &["fast:file"]),
];

/// A copy of a deployer's files, in which paths below `ROOT` point to the copy.
fn copy(name: &str) -> TempDir {
    let root = TempDir::new().unwrap();
    copy_folder(&folder(&format!("tests/fixtures/deployers/{name}")), root.path(), root.path());
    root
}

fn copy_folder(from: &Path, to: &Path, root: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy_folder(&path, &target, root);
        } else {
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&target, text.replace("ROOT", root.to_str().unwrap())).unwrap();
        }
    }
}

/// The options of the page's command, applied to the copy.
fn sources(page: &str, root: &Path) -> Sources {
    let command = page.lines().find(|line| line.starts_with("glance-revert check")).unwrap();
    let below = |path: &str| root.join(path.trim_start_matches('/'));
    let (mut config_files, mut config_dirs) = (Vec::<PathBuf>::new(), Vec::new());
    for word in command.split(' ').skip(2) {
        if let Some(file) = word.strip_prefix("--config-file=") {
            config_files.push(below(file));
        } else if let Some(path) = word.strip_prefix("--config-dir=") {
            config_dirs.push(ConfigDir { path: below(path), after: config_files.len() });
        } else {
            panic!("{command}");
        }
    }
    let named = Sources { config_files, config_dirs, environment: Environment::default() };
    let config_files = named.files_below(root).unwrap();
    Sources { config_files, ..Sources::default() }
}

#[tokio::test]
async fn the_command_of_each_deployers_page_reads_what_the_deployer_writes() {
    for (name, host, stores) in DEPLOYERS {
        let root = copy(name);
        let page = fs::read_to_string(folder(&format!("docs/install/{name}.md"))).unwrap();
        let config = Config::load(&sources(&page, root.path()));
        let config = config.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(config.database.kind, DatabaseKind::Mysql, "{name}");
        assert_eq!(config.database.host.as_deref(), Some(*host), "{name}");
        assert_eq!(config.database.database, "glance", "{name}");
        let kinds = config.stores.iter().map(|store| format!("{}:{}", store.id, store.kind.name()));
        assert_eq!(kinds.collect::<Vec<_>>(), *stores, "{name}");
        let login = config.keystone.as_ref().and_then(|keystone| keystone.login.as_ref());
        let Some(Credentials::Password { user: Identifier::Name { name: user, .. }, .. }) = login
        else {
            panic!("{name}: {login:?}")
        };
        assert_eq!(user, "glance", "{name}");
        assert!(config.glance.delayed_delete, "{name}");
        let app = App::new(config).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(app.unusable().is_empty(), "{name}: {:?}", app.unusable());
        assert!(app.api_state().is_ok(), "{name}");
    }
}

#[test]
fn each_page_shows_what_makes_glance_keep_what_is_deleted() {
    for (name, ..) in DEPLOYERS {
        let page = fs::read_to_string(folder(&format!("docs/install/{name}.md"))).unwrap();
        let shown = "```ini\n[DEFAULT]\ndelayed_delete = True\nscrub_time = 604800\n```";
        assert!(page.contains(shown), "{name}");
    }
}
