//! The file store: a folder.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use glance_revert::config::{FileConfig, StoreKind};
use glance_revert::domain::store::Stores;
use tempfile::TempDir;

use super::cases::LIMIT;
use super::stand::{only, options};
use super::{Stand, store_suite};

struct Folder {
    root: TempDir,
    stores: Arc<dyn Stores>,
}

async fn start() -> Folder {
    let root = tempfile::tempdir().unwrap();
    let datadir = root.path().join("images");
    fs::create_dir(&datadir).unwrap();
    let kind = StoreKind::File(FileConfig { datadirs: vec![datadir], timeout: Some(LIMIT) });
    Folder { root, stores: only("shelf", kind, &options()) }
}

impl Folder {
    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("images").join(name)
    }
}

#[async_trait]
impl Stand for Folder {
    fn stores(&self) -> Arc<dyn Stores> {
        Arc::clone(&self.stores)
    }

    fn uri(&self, name: &str) -> String {
        format!("file://{}", self.path(name).display())
    }

    async fn put(&self, name: &str, data: &[u8]) {
        fs::write(self.path(name), data).unwrap();
    }

    async fn look(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.path(name)).ok()
    }

    async fn count(&self) -> usize {
        fs::read_dir(self.path("")).unwrap().count()
    }

    async fn take_root_away(&self) {
        fs::remove_dir_all(self.path("")).unwrap();
    }

    fn odd_names(&self) -> &'static [&'static str] {
        &["a b", "a%20b", "%", "ü", "☃", "a+b", "a&b=c", "'\"`$(x)", "a;b", "a:b", "~"]
    }

    fn elsewhere(&self, name: &str) -> Vec<String> {
        let root = self.root.path().display();
        vec![
            format!("file://{root}/images2/{name}"),
            format!("file://{root}/images/../{name}"),
            format!("file://images/{name}"),
            format!("file://{root}/images"),
            format!("file://{root}/images/{name}?x"),
        ]
    }
}

store_suite! {
    [] start;
    runs
        an_object_is_seen_and_read,
        an_object_is_destroyed,
        several_objects_go_as_each_does_alone,
        an_absent_object_is_proved_absent,
        absence_is_not_believed_where_the_root_is_missing,
        another_size_is_found_out,
        another_content_is_found_out,
        odd_names_are_taken_literally,
        a_store_without_a_name_or_renamed_is_found,
        what_lies_elsewhere_is_not_touched,
        a_thousand_objects_go_and_nothing_is_left;
    lacks
        a_large_object_is_read_and_destroyed_whole = "a file has no parts",
        what_is_forbidden_stays = "root may do everything; `store_file` has the table of errnos",
        what_is_in_use_stays = "an open file can be unlinked",
        a_server_that_is_down_is_said_to_be = "there is no server; shares are in `store_file`",
        a_connection_that_fails_at_any_moment_tells_no_lie = "there is no connection",
        a_server_lost_from_any_moment_on_tells_no_lie = "there is no connection",
        a_server_that_hangs_at_any_moment_is_given_up = "hung calls are in `file/workers.rs`",
        a_slow_server_is_waited_for = "there is no server",
        an_answer_cut_short_is_no_answer = "there is no connection",
        a_body_cut_short_is_no_body = "there is no connection",
        what_the_store_keeps_hidden_is_said_to_be = "no file system that is served keeps versions";
}
