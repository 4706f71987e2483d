//! Finding the store of a row of `image_locations`.

use std::path::PathBuf;

use glance_revert::config::{
    Config, Environment, FileConfig, HttpConfig, RbdConfig, Sources, StoreConfig, StoreKind,
};
use glance_revert::domain::location::{Location, LocationMetadata, LocationStatus, LocationValue};
use glance_revert::domain::store::{Stores, Unplaced};
use glance_revert::store::{ConfiguredStores, StoreOptions, StoreSetupError};
use secrecy::SecretString;
use serde_json::json;

use crate::support::clock;
use crate::support::{cinder, swift};

const KEY: &str = "thisisa16bytekey";
/// `file:///var/lib/glance/images/0a1b2c3d-0000-4000-8000-000000000001` under `KEY`.
const CIPHER: &str = "qXyzN6uq3voGqbNSfdGHyfv00fdT0QrHLRbSnsnWTv2adO4dG4cYFkeBo8Y9lj2fX5qi1aocvw5__3Rp-OHHwuK9JxS1AiTKZ15nOa11n1in4HRx9OHLkcNn9f1cxjwg";

fn file(id: &str, datadirs: &[&str]) -> StoreConfig {
    let datadirs = datadirs.iter().map(PathBuf::from).collect();
    StoreConfig { id: id.to_owned(), kind: StoreKind::File(FileConfig { datadirs, timeout: None }) }
}

fn unsupported(id: &str) -> StoreConfig {
    StoreConfig { id: id.to_owned(), kind: StoreKind::Unsupported { kind: "vmware".to_owned() } }
}

fn options() -> StoreOptions {
    StoreOptions::default()
}

fn stores(configs: &[StoreConfig], key: Option<&str>) -> ConfiguredStores {
    ConfiguredStores::new(configs, &options(), &clock::machine(), key.map(SecretString::from))
        .unwrap()
}

fn location(value: &str, store: Option<&str>) -> Location {
    let metadata = store.map_or(json!({}), |store| json!({"store": store}));
    Location {
        id: 7,
        value: LocationValue::new(value.to_owned()),
        metadata: LocationMetadata::read(Some(metadata.to_string())),
        status: LocationStatus::PendingDelete,
        deleted: true,
        deleted_at: None,
    }
}

fn place(stores: &ConfiguredStores, value: &str, store: Option<&str>) -> Result<String, Unplaced> {
    stores.place(&location(value, store)).map(|placed| placed.store.id().0.clone())
}

#[test]
fn a_location_is_placed_by_the_store_it_names_or_by_the_longest_prefix() {
    let stores = stores(
        &[
            file("shelf", &["/srv/images"]),
            file("twin", &["/srv/images"]),
            file("deep", &["/srv/images/deep"]),
        ],
        None,
    );
    let named = |value, store| place(&stores, value, store).unwrap();
    assert_eq!(named("file:///srv/images/x", Some("twin")), "twin");
    assert_eq!(named("file:///srv/images/x", None), "shelf", "the first of equals");
    assert_eq!(named("file:///srv/images/deep/x", None), "deep");
    assert_eq!(named("file:///srv/images/deep/x", Some("shelf")), "shelf", "named, and inside");
    assert_eq!(named("file:///srv/images/x", Some("renamed")), "shelf", "unknown name");
    assert_eq!(named("file:///srv/images/x", Some("deep")), "shelf", "named, and outside");
}

#[test]
fn an_ambiguous_location_belongs_to_no_store() {
    const VOLUME: &str = "5d1c0000-0000-4000-8000-00000000000a";
    let rbd = |pool: &str| {
        let pool = pool.to_owned();
        StoreKind::Rbd(RbdConfig { pool, user: None, ceph_conf: None, connect_timeout: None })
    };
    let cinder = || StoreKind::Cinder(cinder::config("keystone"));
    let swift = || StoreKind::Swift(swift::config("swift", "glance"));
    let of_both = |kinds: [StoreKind; 2]| {
        let config = |(id, kind): (&str, _)| StoreConfig { id: id.to_owned(), kind };
        let configs: Vec<_> = ["near", "far"].into_iter().zip(kinds).map(config).collect();
        stores(&configs, None)
    };
    let volumes = of_both([cinder(), cinder()]);
    let containers = of_both([swift(), swift()]);
    let pools = of_both([rbd("images"), rbd("cold")]);
    for (stores, value) in [
        (&volumes, format!("cinder://{VOLUME}")),
        (&containers, "swift+http://test%3Au:k@swift/auth/v1.0/glance/x".to_owned()),
        (&containers, "swift+config://ref1/glance/x".to_owned()),
        (&pools, "rbd://x".to_owned()),
    ] {
        let unplaced = place(stores, &value, None);
        assert!(matches!(unplaced, Err(Unplaced::Several { location: 7, .. })), "{value}");
        assert_eq!(place(stores, &value, Some("far")).as_deref(), Ok("far"), "named");
    }
    assert_eq!(place(&volumes, &format!("cinder://far/{VOLUME}"), None).as_deref(), Ok("far"));
    assert_eq!(place(&pools, "rbd://f-1/cold/x/snap", None).as_deref(), Ok("far"));
    let clusters = of_both([rbd("images"), rbd("images")]);
    let other_cluster_is_found_out = place(&clusters, "rbd://f-1/images/x/snap", None);
    assert_eq!(other_cluster_is_found_out.as_deref(), Ok("near"));
}

#[test]
fn a_sibling_whose_name_begins_alike_has_no_store() {
    let stores = stores(&[file("shelf", &["/srv/images"])], None);
    let nowhere = Err(Unplaced::NoStore { location: 7, scheme: "file".to_owned() });
    assert_eq!(place(&stores, "file:///srv/images2/x", None), nowhere);
    assert_eq!(place(&stores, "file:///srv/images2/x", Some("shelf")), nowhere);
}

#[test]
fn http_locations_go_to_the_http_store_even_where_none_is_configured() {
    let none = stores(&[file("shelf", &["/srv/images"])], None);
    assert_eq!(place(&none, "https://host/x", Some("shelf")).as_deref(), Ok("http"));
    assert_eq!(none.all().len(), 1);
    let web = StoreConfig { id: "web".to_owned(), kind: StoreKind::Http(HttpConfig::default()) };
    let configured = stores(&[file("shelf", &["/srv/images"]), web], None);
    assert_eq!(place(&configured, "http://host/x", None).as_deref(), Ok("web"));
    assert_eq!(configured.all().len(), 2);
}

#[test]
fn schemes_without_a_driver_are_said_to_have_none() {
    let stores = stores(&[file("shelf", &["/srv/images"]), unsupported("fast")], None);
    let expected = Unplaced::NoDriver { location: 7, scheme: "vsphere".to_owned() };
    assert_eq!(place(&stores, "vsphere://somewhere/images/x", Some("fast")), Err(expected));
    let unknown = Unplaced::NoStore { location: 7, scheme: "gopher".to_owned() };
    assert_eq!(place(&stores, "gopher://host/x", None), Err(unknown));
    assert_eq!(place(&stores, "no uri", None), Err(Unplaced::Unreadable(7)));
}

#[test]
fn encrypted_and_plain_values_name_the_same_place() {
    let configs = [file("shelf", &["/var/lib/glance/images"])];
    let plain = "file:///var/lib/glance/images/0a1b2c3d-0000-4000-8000-000000000001";
    let with_key = stores(&configs, Some(KEY));
    for value in [CIPHER, plain] {
        let placed = with_key.place(&location(value, None)).unwrap();
        assert_eq!((placed.uri.as_str(), placed.store.id().0.as_str()), (plain, "shelf"));
    }
    let wrong_key = stores(&configs, Some("another-16-bytes"));
    assert_eq!(place(&wrong_key, CIPHER, Some("shelf")), Err(Unplaced::Unreadable(7)));
    let no_key = stores(&configs, None);
    assert_eq!(place(&no_key, CIPHER, Some("shelf")), Err(Unplaced::Unreadable(7)));
}

/// A store of each type, as in Glance's own files.
const EVERY_STORE: &str = "[DEFAULT]
enabled_backends = shelf:file, bucket:s3, cloud:swift, ceph:rbd, block:cinder
[database]
connection = sqlite:////nowhere/glance.db
[glance_store]
default_backend = shelf
[shelf]
filesystem_store_datadir = /srv/images
[bucket]
s3_store_host = http://s3.example.org
s3_store_access_key = access
s3_store_secret_key = secret
s3_store_bucket = images
[cloud]
swift_store_auth_address = https://keys.example.org/v3
swift_store_user = project:user
swift_store_key = key
swift_store_container = glance
[ceph]
rbd_store_pool = images
[block]
cinder_store_auth_address = https://keys.example.org/v3
cinder_store_user_name = glance
cinder_store_password = password
cinder_store_project_name = service
";

#[test]
fn one_object_is_known_by_all_spellings_of_its_location() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("glance-api.conf");
    std::fs::write(&file, EVERY_STORE).unwrap();
    let environment = Environment::default();
    let sources = Sources { config_files: vec![file], config_dirs: Vec::new(), environment };
    let stores = stores(&Config::load(&sources).unwrap().stores, None);
    let objects = |value: &str| stores.objects(&location(value, None));
    let volume = "0a1b2c3d-0000-4000-8000-000000000001";
    let spelled = [
        ("file:///srv/images/x", "filesystem:///srv//images/./x", "file:///srv/images/deep/x"),
        ("file:///srv/images/x", "file:///srv/images/x?y#z", "file:///srv/images/y"),
        ("file:///srv/images/x", "file:///..//srv/images/x", "file:///../srv/images/y"),
        ("file:///srv/images/x", "file:///srv/images/\n\tx \u{1f}", "file:///srv/images/%78"),
        ("file:///srv/images/x", "file://linked/x", "file://linked/y"),
        (
            "s3://s3.example.org/images/x",
            "s3+http://a:b@s3.example.org:80/images/x",
            "s3://s3.example.org/images/y",
        ),
        (
            "s3://s3.example.org/images/x",
            "s3+https://elsewhere.example.org/images/x/?y",
            "s3://s3.example.org/others/x",
        ),
        (
            "swift+https://project%3Auser:key@keys.example.org/v3/glance/x",
            "swift+https://project%3Aother:old@keys.example.org/v2.0/glance/x",
            "swift+https://project%3Auser:key@keys.example.org/v3/glance/y",
        ),
        (
            "swift+https://project%3Auser:key@keys.example.org/v3/glance/x",
            "swift+http://keys.example.org/glance/x?y",
            "swift+https://project%3Auser:key@keys.example.org/v3/others/x",
        ),
        ("rbd://fsid/images/x/snap", "rbd://x", "rbd://fsid/images/y/snap"),
        ("rbd://fsid/images/x/snap", "rbd://other/%69mages/%78/old", "rbd://fsid/others/x/snap"),
        (
            &format!("cinder://block/{volume}"),
            &format!("cinder://{volume}"),
            &format!("cinder://block/{}", volume.replace('1', "2")),
        ),
        (
            &format!("cinder://block/{volume}"),
            &format!("cinder://a/b/{{{}}}", volume.to_uppercase().replace('-', "")),
            &format!("cinder://block/{volume}0"),
        ),
    ];
    for (one, same, other) in spelled {
        assert!(objects(one).meets(&objects(same)), "{one} {same:?}");
        assert!(!objects(one).meets(&objects(other)), "{one} {other:?}");
    }
    for nothing in ["https://files.example.org/x", "rbd://a/b", "s3://x", "cinder://x", "no uri"] {
        assert!(objects(nothing).is_empty(), "{nothing}");
    }
}

#[test]
fn a_configuration_that_cannot_work_says_what_to_set() {
    let build = |configs: &[StoreConfig], key: Option<&str>| {
        ConfiguredStores::new(configs, &options(), &clock::machine(), key.map(SecretString::from))
            .unwrap_err()
    };
    assert_eq!(build(&[], Some("short")), StoreSetupError::KeyLength(5));
    for (datadirs, told) in [(&[][..], "filesystem_store_datadir"), (&["images"], "absolute")] {
        let stores = stores(&[file("shelf", datadirs)], None);
        let why = &stores.unusable()[0].why;
        assert!(stores.all().is_empty() && why.contains("shelf") && why.contains(told), "{why}");
    }
}

/// A good store of each type, and an unusable one of the same type.
const HALF_WRITTEN: &str = "
[DEFAULT]
enabled_backends = shelf:file, lost:file, bucket:s3, hole:s3, objects:swift, torn:swift, old:floppy
[database]
connection = sqlite:////glance.sqlite
[glance_store]
default_backend = shelf
[shelf]
filesystem_store_datadir = /srv/images
[lost]
filesystem_store_datadir = images
[bucket]
s3_store_host = https://s3.example.org
s3_store_bucket = images
[hole]
s3_store_host = https://s3.example.org
[objects]
swift_store_auth_address = https://keys.example.org/v3
swift_store_user = project:user
swift_store_key = key
[torn]
swift_store_auth_address = keys.example.org/v3
";

#[test]
fn locations_that_may_be_in_an_unusable_store_are_skipped() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("glance-api.conf");
    std::fs::write(&file, HALF_WRITTEN).unwrap();
    let environment = Environment::default();
    let sources = Sources { config_files: vec![file], config_dirs: Vec::new(), environment };
    let stores = stores(&Config::load(&sources).unwrap().stores, None);
    assert_eq!(stores.all().len(), 3);
    let unusable: Vec<_> = stores.unusable().iter().map(|store| store.id.0.as_str()).collect();
    assert_eq!(unusable, ["lost", "hole", "torn", "old"]);
    let (path, object) = ("file:///srv/images/x", "s3+https://a:b@s3.example.org/images/x");
    let account = "swift+https://project%3Auser:key@keys.example.org/v3/glance/x";
    for (value, named, placed) in [
        (path, Some("shelf"), Ok("shelf")),
        (path, None, Ok("shelf")),
        (path, Some("lost"), Err(("lost", "filesystem_store_datadir"))),
        ("file:///srv/elsewhere/x", None, Err(("lost", "filesystem_store_datadir"))),
        (object, Some("bucket"), Ok("bucket")),
        (object, None, Ok("bucket")),
        (object, Some("hole"), Err(("hole", "s3_store_bucket"))),
        (account, Some("objects"), Ok("objects")),
        // It may be in either store, and the good one cannot prove its absence.
        (account, None, Err(("torn", "swift_store_auth_address"))),
        (path, Some("old"), Err(("old", "enabled_backends"))),
        ("http://example.org/x", None, Ok("http")),
    ] {
        let found = place(&stores, value, named);
        match (&found, placed) {
            (Ok(store), Ok(expected)) => assert_eq!(store, expected),
            (Err(Unplaced::Misconfigured { store, why, .. }), Err((expected, option))) => {
                assert!(store.0 == expected && why.contains(option), "{store}: {why}");
            }
            _ => panic!("{value} of {named:?} is {found:?}"),
        }
    }
}
