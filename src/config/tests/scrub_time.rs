//! `scrub_time`: without it, nothing is destroyed.

use std::path::Path;

use super::*;

const HOUR: Duration = Duration::from_hours(1);

/// Loads a folder with Glance's file and upstream's scrubber's.
fn beside_scrubber(glance: &str, scrubber: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("glance-api.conf", &format!("{DATABASE}{glance}"));
    write("glance-scrubber.conf", scrubber);
    load_from(&folder.path().join("glance-api.conf"), None)
}

fn load_from(file: &Path, folder: Option<&Path>) -> Config {
    let in_place = |path: &Path| ConfigDir { path: path.to_owned(), after: 1 };
    let sources = Sources {
        config_files: vec![file.to_owned()],
        config_dirs: folder.map(in_place).into_iter().collect(),
        environment: Environment::default(),
    };
    Config::load(&sources).unwrap()
}

#[test]
fn set_nowhere_empty_and_misspelled_are_all_unset() {
    for text in ["", "[DEFAULT]\nscrub_time =\n", "[DEFAULT]\nscrub_tme = 604800\n"] {
        assert_eq!(load(text).glance.scrub_time, ScrubTime::Unset, "{text}");
    }
}

#[test]
fn a_probable_misspelling_is_named() {
    let told = load("[DEFAULT]\nscrub_tme = 604800\n").glance.scrub_time_warnings.join("\n");
    assert!(told.contains("scrub_tme") && told.contains("1.conf line 2"), "{told}");
    assert!(load("[DEFAULT]\nwakeup_time = 5\n").glance.scrub_time_warnings.is_empty());
}

#[test]
fn a_time_below_the_least_one_needs_a_second_word() {
    let time = |text: &str| load(text).glance.scrub_time;
    let short = ScrubTime::TooShort { set: Duration::from_mins(1), least: HOUR };
    assert_eq!(time("[DEFAULT]\nscrub_time = 60\n"), short);
    assert_eq!(time("[DEFAULT]\nscrub_time = 3600\n"), ScrubTime::Set(HOUR));
    let meant = "[DEFAULT]\nscrub_time = 0\n[revert]\nmin_scrub_time = 0\n";
    assert_eq!(time(meant), ScrubTime::Set(Duration::ZERO));
}

#[test]
fn of_two_files_the_greater_time_holds_and_both_are_named() {
    for (glance, scrubber, holds, said) in [
        ("[DEFAULT]\nscrub_time = 3600\n", "[DEFAULT]\nscrub_time = 7200\n", 2, "have 3600"),
        ("[DEFAULT]\nscrub_time = 10800\n", "[DEFAULT]\nscrub_time = 7200\n", 3, "have 10800"),
        ("", "[DEFAULT]\nscrub_time = 7200\n", 2, "have none"),
    ] {
        let config = beside_scrubber(glance, scrubber).glance;
        assert_eq!(config.scrub_time, ScrubTime::Set(HOUR * holds), "{glance}");
        let told = config.scrub_time_warnings.join("\n");
        assert!(told.contains("glance-scrubber.conf has scrub_time = 7200"), "{told}");
        assert!(told.contains(said), "{told}");
    }
}

#[test]
fn an_unchanged_or_empty_file_changes_nothing() {
    for scrubber in ["[DEFAULT]\nscrub_time = 3600\n", "[DEFAULT]\nscrub_time =\n", ""] {
        let config = beside_scrubber("[DEFAULT]\nscrub_time = 3600\n", scrubber).glance;
        assert_eq!(config.scrub_time, ScrubTime::Set(HOUR), "{scrubber}");
        assert!(config.scrub_time_warnings.is_empty(), "{:?}", config.scrub_time_warnings);
    }
}

#[test]
fn nothing_is_scrubbed_while_a_file_that_may_set_a_longer_time_cannot_be_read() {
    for scrubber in ["no option at all\n", "[DEFAULT]\nscrub_time = soon\n"] {
        let config = beside_scrubber("[DEFAULT]\nscrub_time = 3600\n", scrubber).glance;
        assert_eq!(config.scrub_time, ScrubTime::Unknown, "{scrubber}");
        let told = config.scrub_time_warnings.join("\n");
        assert!(told.contains("glance-scrubber.conf cannot be read"), "{told}");
    }
}

#[test]
fn the_file_is_found_beside_a_folder_too() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("glance.conf.d");
    fs::create_dir(&folder).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), DATABASE).unwrap();
    fs::write(root.path().join("glance-scrubber.conf"), "[DEFAULT]\nscrub_time = 7200\n").unwrap();
    let config = load_from(file.path(), Some(&folder));
    assert_eq!(config.glance.scrub_time, ScrubTime::Set(HOUR * 2));
}
