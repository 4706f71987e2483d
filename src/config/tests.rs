//! Whole configurations, from files and environment to the value or the problems.

mod database;
mod issuers;
mod keystone;
mod listener;
mod options;
mod retention;
mod scrub_time;
mod stores;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::*;
use crate::domain::revert::Verify;

const DATABASE: &str = "[database]\nconnection = sqlite:////var/lib/glance/glance.sqlite\n";

fn load_with(files: &[&str], environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let mut config_files = Vec::new();
    for (index, text) in files.iter().enumerate() {
        let path = folder.path().join(format!("{index}.conf"));
        fs::write(&path, text).unwrap();
        config_files.push(path);
    }
    let environment = environment.iter().copied().collect();
    Config::load(&Sources { config_files, config_dirs: vec![], environment })
}

fn load(text: &str) -> Config {
    load_with(&[DATABASE, text], &[]).unwrap()
}

fn refused(text: &str) -> String {
    load_with(&[DATABASE, text], &[]).unwrap_err().to_string()
}

fn datadirs(config: &Config) -> &[PathBuf] {
    let StoreKind::File(file) = &config.stores[0].kind else { panic!("no folder") };
    &file.datadirs
}

#[test]
fn a_connection_alone_gives_the_defaults_of_glance_and_ours() {
    let config = load("");
    assert!(!config.glance.delayed_delete);
    assert_eq!(config.glance.scrub_time, ScrubTime::Unset);
    assert_eq!(config.glance.scrub_pool_size, 1);
    assert_eq!(config.glance.wakeup_time, Duration::from_mins(5));
    assert!(!config.glance.multi_store);
    assert_eq!(config.stores.len(), 2);
    assert_eq!(config.stores[0].id, "file");
    assert_eq!(datadirs(&config), [PathBuf::from("/var/lib/glance/images")]);
    assert!(matches!(config.stores[1].kind, StoreKind::Http(_)));
    assert_eq!(config.listeners.bind.to_string(), "127.0.0.1:9393");
    assert_eq!(config.revert.verify, Verify::Exists);
    assert_eq!(config.revert.db_pool_size, 16);
    assert!(config.revert.scrubber);
    assert!(config.issuers.is_empty());
}

#[test]
fn options_of_glance_are_read_as_glance_reads_them() {
    let config = load(
        "[DEFAULT]\ndelayed_delete = Yes\nscrub_time = 43_200\nscrub_pool_size =\n\
         metadata_encryption_key = \"0123456789abcdef\"\n",
    );
    assert!(config.glance.delayed_delete);
    assert_eq!(config.glance.scrub_time.in_force(), Some(Duration::from_hours(12)));
    assert_eq!(config.glance.scrub_pool_size, 1);
    assert_eq!(config.glance.metadata_encryption_key.unwrap().expose_secret(), "0123456789abcdef");
}

#[test]
fn all_problems_are_reported_together_each_with_its_place() {
    let text = "[DEFAULT]\nscrub_time = soon\n[revert]\nlock_wait = -1\nlokc_wait = 2\n";
    let environment = [("OS_REVERT__DB_POOL_SIZE", "1"), ("OS_REVERT__BNID", "x")];
    let error = load_with(&[DATABASE, text], &environment).unwrap_err();
    assert_eq!(error.problems.len(), 5);
    let told = error.to_string();
    for part in [
        "[DEFAULT] scrub_time (",
        "1.conf line 2): \"soon\" is not a whole number",
        "[revert] lock_wait (",
        "[revert] lokc_wait (",
        "unknown option; the nearest known one is lock_wait",
        "[revert] db_pool_size (environment OS_REVERT__DB_POOL_SIZE): 1 is out of range: 2 to 1000",
        "[revert] bnid (environment OS_REVERT__BNID): unknown option; the nearest known one is bind",
    ] {
        assert!(told.contains(part), "{part} in\n{told}");
    }
}

#[test]
fn lines_that_cannot_be_read_are_told_for_every_file() {
    let told = load_with(&["[DEFAULT]\nword\n", "x = 1\n"], &[]).unwrap_err().to_string();
    assert!(told.contains("0.conf line 2: neither"), "{told}");
    assert!(told.contains("1.conf line 1: an option before any section"), "{told}");
}

#[test]
fn a_problem_with_a_secret_does_not_show_it() {
    let secrets = "[DEFAULT]\nmetadata_encryption_key = hunter2\n[database]\n\
                   connection = mysql://u:hunter2$hunter2@h/glance\n";
    let told = refused(secrets);
    assert!(told.contains("metadata_encryption_key") && told.contains("write `$$`"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    for connection in ["mysql://u:p@hunter2@h/g", "hunter2", "mysql://u:hunter2"] {
        let told = refused(&format!("[database]\nconnection = {connection}\n"));
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_missing_connection_says_what_to_do() {
    let told = load_with(&["[DEFAULT]\ndebug = true\n"], &[]).unwrap_err().to_string();
    assert!(told.contains("[database] connection"), "{told}");
    assert!(told.contains("OS_DATABASE__CONNECTION"), "{told}");
}

#[test]
fn the_environment_alone_is_enough() {
    let config =
        load_with(&[""], &[("OS_DATABASE__CONNECTION", "mysql+pymysql://g:p@db/glance")]).unwrap();
    assert_eq!(config.database.kind, DatabaseKind::Mysql);
    assert_eq!(config.database.host.as_deref(), Some("db"));
}

#[test]
fn a_folders_files_are_read_in_lexical_order() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("20.conf", "[DEFAULT]\nscrub_time = 20000\n");
    write("10.conf", "[DEFAULT]\nscrub_time = 10\nwakeup_time = 10\n");
    write("30.conf.bak", "[DEFAULT]\nscrub_time = 30\n");
    write("base", &format!("{DATABASE}[DEFAULT]\nscrub_time = 1\nwakeup_time = 1\n"));
    let config = Config::load(&Sources {
        config_files: vec![folder.path().join("base")],
        config_dirs: vec![ConfigDir { path: folder.path().to_owned(), after: 1 }],
        environment: Environment::default(),
    })
    .unwrap();
    assert_eq!(config.glance.scrub_time, ScrubTime::Set(Duration::from_secs(20_000)));
    assert_eq!(config.glance.wakeup_time, Duration::from_secs(10));
}

#[test]
fn a_named_file_that_is_missing_is_refused() {
    let sources =
        Sources { config_files: vec!["/nowhere/glance.conf".into()], ..Default::default() };
    let told = Config::load(&sources).unwrap_err().to_string();
    assert_eq!(told, "/nowhere/glance.conf does not exist; check --config-file and --config-dir");
}

#[test]
fn values_out_of_range_are_refused() {
    for (option, part) in [
        ("verify = maybe", "exists, checksum, none"),
        ("store_timeout = 0", "more than 0"),
        ("absent_limit = 0", "1 or more"),
        ("request_timeout = 5", "longer than lock_wait"),
        ("max_connections = many", "not a whole number"),
        ("log_format = xml", "neither text nor json"),
        ("scrubber = maybe", "neither true nor false"),
        ("http_verify_hosts = https://mirror", "no scheme"),
        ("shutdown_grace = 1e20", "out of range"),
    ] {
        let told = refused(&format!("[revert]\n{option}\n"));
        assert!(told.contains(part), "{option}: {told}");
    }
}

#[test]
fn sections_that_look_like_ours_are_refused() {
    for section in ["revertx", "revert_jwt", "revert_keystone", "reverts", "rever", " revert "] {
        let told = refused(&format!("[{section}]\nbind = 127.0.0.1:1\n"));
        assert!(told.contains("unknown section"), "{section}: {told}");
    }
    let told = load_with(&[DATABASE], &[("OS_REVERT_JWT__ISSUER", "x")]).unwrap_err().to_string();
    assert!(told.contains("environment OS_REVERT_JWT__ISSUER"), "{told}");
}

#[test]
fn unknown_options_of_glance_are_glances_business() {
    load(
        "[DEFAULT]\nscrub_tiem = 1\n[keystone_authtoken]\npassword = a$b\n[paste_deploy]\nx = 1\n",
    );
}
