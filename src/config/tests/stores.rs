//! Stores.

use std::path::PathBuf;
use std::time::Duration;

use super::{datadirs, load, refused};
use crate::config::StoreKind;

/// The problems of the stores that cannot be used.
pub(super) fn misconfigured(text: &str) -> String {
    let mut told = Vec::new();
    for store in load(text).stores {
        if let StoreKind::Misconfigured { problems, .. } = store.kind {
            told.extend(problems.iter().map(ToString::to_string));
        }
    }
    told.join("\n")
}

#[test]
fn several_stores_fall_back_to_the_shared_section() {
    let config = load(
        "[DEFAULT]\nenabled_backends = Fast:file, esx:vmware, web:http\n\
         [fast]\nfilesystem_store_timeout = 7\n\
         [backend_defaults]\nfilesystem_store_datadir = /shared\nfilesystem_store_timeout = 9\n",
    );
    assert!(config.glance.multi_store);
    let ids: Vec<&str> = config.stores.iter().map(|store| store.id.as_str()).collect();
    assert_eq!(ids, ["Fast", "esx", "web"]);
    assert_eq!(datadirs(&config), [PathBuf::from("/shared")]);
    let StoreKind::File(file) = &config.stores[0].kind else { panic!("no file store") };
    assert_eq!(file.timeout, Some(Duration::from_secs(7)));
    let StoreKind::Unsupported { kind } = &config.stores[1].kind else { panic!("a driver") };
    assert_eq!(kind, "vmware");
}

#[test]
fn a_bucket_is_read_from_its_section() {
    let config = load(
        "[DEFAULT]\nenabled_backends = cold:s3\n[cold]\ns3_store_host = https://S3.example.org/\n\
         s3_store_access_key = AK\ns3_store_secret_key = S/K+T\ns3_store_bucket = images\n",
    );
    let StoreKind::S3(s3) = &config.stores[0].kind else { panic!("no s3 store") };
    assert_eq!(s3.endpoint.authority, "s3.example.org");
    assert_eq!((s3.bucket.as_str(), s3.region.as_str()), ("images", "us-east-1"));
    let shown = format!("{config:?}");
    assert!(!shown.contains("AK\"") && !shown.contains("S/K+T"), "{shown}");
}

#[test]
fn an_unusable_bucket_is_reported_and_an_unconfigured_one_is_omitted() {
    let told = misconfigured(
        "[DEFAULT]\nenabled_backends = cold:s3\n[cold]\ns3_store_host = s3.example.org\n\
         s3_store_access_key = AK\ns3_store_bucket = a/b\ns3_store_bucket_url_format = odd\n",
    );
    for option in ["s3_store_host", "s3_store_secret_key", "s3_store_bucket", "url_format"] {
        assert!(told.contains(option), "{told}");
    }
    let config = load("[glance_store]\nstores = file,s3\n");
    assert_eq!(config.stores.len(), 1, "glance_store warns, and goes on without it");
    let told = misconfigured("[glance_store]\nstores = s3\ns3_store_host = https://h\n");
    assert!(told.contains("bucket"), "{told}");
}

#[test]
fn backends_of_no_type_and_of_glances_own_names_are_refused() {
    let told = misconfigured("[DEFAULT]\nenabled_backends = a:floppy, b:file\n");
    assert!(told.contains("\"floppy\" of \"a\" is not a type of store"), "{told}");
    let told = refused("[DEFAULT]\nenabled_backends = os_glance_x:file\n");
    assert!(told.contains("\"os_glance_x\": names that start with os_glance_"), "{told}");
    assert!(
        refused("[DEFAULT]\nenabled_backends = a:file,\n").contains("does not end with a pair")
    );
}

#[test]
fn old_dotted_class_names_are_accepted() {
    let config = load(
        "[glance_store]\nstores = glance.store.filesystem.Store, file, glance.store.rbd.Store\n",
    );
    let ids: Vec<&str> = config.stores.iter().map(|store| store.id.as_str()).collect();
    assert_eq!(ids, ["file", "rbd"]);
}

#[test]
fn datadirs_come_by_priority_and_equal_ones_as_written() {
    let config = load(
        "[glance_store]\nfilesystem_store_datadirs = /a\nfilesystem_store_datadirs = /b:200\n\
         filesystem_store_datadirs = /c:x:200\nfilesystem_store_datadirs = /d:\n",
    );
    assert_eq!(datadirs(&config), ["/b", "/c:x", "/a", "/d"].map(PathBuf::from));
}

#[test]
fn a_datadir_beside_datadirs_still_has_data() {
    let config =
        load("[glance_store]\nfilesystem_store_datadir = /old\nfilesystem_store_datadirs = /a:1\n");
    assert_eq!(datadirs(&config), ["/a", "/old"].map(PathBuf::from));
}

#[test]
fn datadirs_without_a_path_are_reported() {
    let told = |options: &str| misconfigured(&format!("[glance_store]\n{options}\n"));
    assert!(told("filesystem_store_datadir = images").contains("absolute"));
    assert!(told("filesystem_store_datadir =").contains("is empty"));
    assert!(told("filesystem_store_datadirs = /a:high").contains("priority"));
    let twice = "filesystem_store_datadirs = /a:1\nfilesystem_store_datadirs = /a:2";
    assert!(told(twice).contains("/a has two priorities"));
}

#[test]
fn a_store_may_be_called_like_a_section_of_ours() {
    let config =
        load("[DEFAULT]\nenabled_backends = revert_disk:file\n[revert_disk]\nweight = 1\n");
    assert_eq!(config.stores[0].id, "revert_disk");
}
