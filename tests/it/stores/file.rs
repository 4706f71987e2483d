//! The file store: what it destroys, what it never touches, and its results.

use std::fs;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use futures::TryStreamExt;
use glance_revert::config::FileConfig;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::store::{Deletion, Presence, Store, StoreError, StoreId, StoreUri};
use glance_revert::store::StoreOptions;
use glance_revert::store::file::FileStore;
use tempfile::TempDir;

use crate::support::chance::Chance;

const ID: &str = "0a1b2c3d-0000-4000-8000-000000000001";
const OTHER: &str = "0a1b2c3d-0000-4000-8000-000000000002";
const LIMIT: Duration = Duration::from_secs(30);

/// A data directory `images` with traps in it, and files outside of it that must survive.
struct World {
    root: TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { root: tempfile::tempdir().unwrap() };
        for folder in [
            "images/folders",
            "images/fifos",
            "images/devices",
            "images/sockets",
            "images/links",
            "images/hard",
            "images/sub",
            "images/what?x",
            "images/part#x",
            "images2",
            "outside",
        ] {
            fs::create_dir_all(world.path(folder)).unwrap();
        }
        for file in Self::survivors().into_iter().chain([format!("images/{ID}")]) {
            fs::write(world.path(&file), &file).unwrap();
        }
        fs::create_dir(world.path(&format!("images/folders/{ID}"))).unwrap();
        for (kind, folder, numbers) in [("p", "fifos", vec![]), ("c", "devices", vec!["1", "3"])] {
            let node = world.path(&format!("images/{folder}/{ID}"));
            assert!(
                Command::new("mknod").arg(node).arg(kind).args(numbers).status().unwrap().success()
            );
        }
        drop(UnixListener::bind(world.path(&format!("images/sockets/{ID}"))).unwrap());
        for (link, to) in [
            ("links/self", "self".to_owned()),
            ("out", world.text("outside")),
            ("up", "..".to_owned()),
            ("magic", "/proc/self/root".to_owned()),
            (&format!("links/{ID}"), world.text(&format!("outside/{ID}"))),
            (&format!("links/{OTHER}"), "nowhere".to_owned()),
        ] {
            symlink(to, world.path("images").join(link)).unwrap();
        }
        world
    }

    /// Files that no delete for the image `ID` may touch.
    fn survivors() -> Vec<String> {
        vec![
            format!("images/{OTHER}"),
            format!("images/sub/{OTHER}"),
            format!("images/what?x/{ID}"),
            format!("images/part#x/{ID}"),
            format!("images2/{ID}"),
            format!("outside/{ID}"),
            "outside/victim".to_owned(),
            format!("{ID}"),
        ]
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.root.path().join(relative)
    }

    fn text(&self, relative: &str) -> String {
        self.path(relative).to_str().unwrap().to_owned()
    }

    fn uri(&self, relative: &str) -> StoreUri {
        uri(&format!("file://{}", self.text(relative)))
    }

    fn store(&self) -> FileStore {
        store(&[self.path("images")], false)
    }

    fn assert_survivors(&self, after: &str) {
        for file in Self::survivors() {
            let left = fs::read_to_string(self.path(&file));
            assert_eq!(left.ok().as_deref(), Some(file.as_str()), "{file} after {after:?}");
        }
    }
}

fn store(datadirs: &[PathBuf], any_file_name: bool) -> FileStore {
    let config = FileConfig { datadirs: datadirs.to_vec(), timeout: Some(LIMIT) };
    let options = StoreOptions { any_file_name, ..StoreOptions::default() };
    FileStore::new(StoreId("shelf".to_owned()), &config, &options).unwrap()
}

fn uri(text: &str) -> StoreUri {
    StoreUri::parse(text).unwrap()
}

fn image() -> ImageId {
    ImageId::parse(ID).unwrap()
}

async fn delete(store: &FileStore, uri: &StoreUri) -> Deletion {
    store.delete(&image(), uri).await
}

fn assert_refused(deletion: &Deletion, of: &str) {
    assert!(matches!(deletion, Deletion::Refused(_)), "{of:?}: {deletion:?}");
}

/// URIs that do not name this image's file in the data directory; `{}` is the folder around it.
fn hostile() -> Vec<String> {
    [
        // leaves by `..`
        "file://{}/images/../outside/ID",
        "file://{}/images/./../outside/ID",
        "file://{}/images//../outside/ID",
        "file://{}/images/ID/../../outside/ID",
        "file://{}/images/out/../../outside/ID",
        "file://{}/images/..",
        "file://{}/images/../ID",
        "file://{}/images/sub/../../images2/ID",
        // encoded and look-alike dots and slashes: literal names, as in Glance
        "file://{}/images/%2e%2e/outside/ID",
        "file://{}/images/..%2foutside%2fID",
        "file://{}/images/%2E%2E%2Foutside/ID",
        "file://{}/images/．．/outside/ID",
        "file://{}/images\\..\\outside\\ID",
        "file://{}/images/.. /outside/ID",
        // other trees
        "file://{}/images2/ID",
        "file://{}/outside/ID",
        "file://{}/outside/victim",
        "file://{}/ID",
        "file:///proc/self/root{}/images/ID",
        "file:///etc/passwd",
        // symbolic links
        "file://{}/images/out/ID",
        "file://{}/images/out/victim",
        "file://{}/images/up/outside/ID",
        "file://{}/images/up/images/ID",
        "file://{}/images/magic{}/outside/ID",
        "file://{}/images/links/ID",
        "file://{}/images/links/self/ID",
        // not a regular file
        "file://{}/images",
        "file://{}/images/",
        "file://{}/images/folders/ID",
        "file://{}/images/fifos/ID",
        "file://{}/images/devices/ID",
        "file://{}/images/sockets/ID",
        "file://{}/images/ID/",
        "file://{}/images/ID/.",
        "file://{}/images/ID/ID",
        // another image's file
        "file://{}/images/OTHER",
        "file://{}/images/sub/OTHER",
        "file://{}/images/ID/../OTHER",
        "file://{}/images/links/OTHER",
        "file://{}/images/0A1B2C3D-0000-4000-8000-000000000001",
        // characters that urlparse cuts off or removes
        "file://{}/images/ID?x",
        "file://{}/images/ID#x",
        "file://{}/images/what?x/ID",
        "file://{}/images/part#x/ID",
        "file://{}/images/?/../outside/ID",
        "file://{}/images/ID\0",
        "file://{}/images/ID\0/../../outside/ID",
        "file://{}/images/ID\n",
        "file://{}/images/.\n./outside/ID",
        "file://{}/images/\t../outside/ID",
        "file://{}/images/ID\r",
        "file://{}/images/ID\u{85}",
        // a host before the path
        "file://host{}/images/ID",
        "file://localhost{}/images/ID",
        "file://user:pw@host{}/images/ID",
        "file://.{}/images/ID",
        "file://..{}/images/ID",
        // other spellings of the scheme, other schemes
        "FILE://{}/images/ID",
        "File://{}/images/ID",
        "filesystem://{}/images/../outside/ID",
        "http://{}/images/ID",
        "rbd://{}/images/ID",
    ]
    .map(|text| text.replace("OTHER", OTHER).replace("ID", ID))
    .into_iter()
    .chain([format!("file://{{}}/images/{}/{ID}", "a".repeat(300))])
    .collect()
}

#[tokio::test]
async fn no_hostile_location_destroys_anything() {
    let world = World::new();
    let store = world.store();
    assert!(hostile().len() >= 60);
    for text in hostile() {
        let text = text.replace("{}", world.root.path().to_str().unwrap());
        let deletion = delete(&store, &uri(&text)).await;
        assert_refused(&deletion, &text);
        world.assert_survivors(&text);
        assert!(world.path(&format!("images/{ID}")).exists(), "own file after {text:?}");
        for trap in ["folders", "fifos", "devices", "sockets", "links"] {
            let left = fs::symlink_metadata(world.path(&format!("images/{trap}/{ID}")));
            assert!(left.is_ok(), "{trap} after {text:?}");
        }
    }
}

/// Random paths made of every possible component, through traps and detours.
#[tokio::test]
async fn no_path_that_chance_makes_destroys_anything_but_the_image_s_own_file() {
    let pieces = [
        "..", ".", "", "images", "images2", "outside", "sub", "out", "up", "magic", "links",
        "self", "folders", "victim", ID, OTHER, "%2e%2e", "..\n", "what?x", "part#x", "\0", " ",
    ];
    let (world, mut chance) = (World::new(), Chance(17));
    let (store, own) = (world.store(), world.path(&format!("images/{ID}")));
    let mut deleted = 0;
    for _ in 0..8000 {
        let length = 1 + chance.below(6);
        let path: Vec<_> = (0..length).map(|_| pieces[chance.below(pieces.len())]).collect();
        let (root, path) = (world.root.path().to_str().unwrap(), path.join("/"));
        let text = format!("file://{root}/images/{path}");
        if delete(&store, &uri(&text)).await == Deletion::Deleted {
            deleted += 1;
            assert!(!own.exists(), "{text:?}");
            fs::write(&own, "again").unwrap();
        }
        assert!(own.exists(), "{text:?}");
        world.assert_survivors(&text);
    }
    assert!(deleted > 10, "{deleted}");
}

#[tokio::test]
async fn no_hostile_location_is_measured_or_read() {
    let world = World::new();
    let store = world.store();
    for text in hostile() {
        let text = text.replace("{}", world.root.path().to_str().unwrap());
        let error = store.stat(&image(), &uri(&text)).await.unwrap_err();
        let missing_folder =
            text.contains("/%2") || text.contains("．．") || text.contains("/.. /");
        if missing_folder {
            assert!(matches!(error, StoreError::Unreachable(_)), "{text:?}: {error}");
        } else {
            assert!(matches!(error, StoreError::BadLocation(_)), "{text:?}: {error}");
        }
        assert!(store.read(&image(), &uri(&text)).await.is_err(), "{text:?}");
    }
}

#[tokio::test]
async fn an_image_s_own_file_is_deleted_and_nothing_else() {
    for text in [
        "file://{}/images/ID",
        "filesystem://{}/images/ID",
        "file://{}//images/.//ID",
        "file://{}/images/ID ",
    ] {
        let world = World::new();
        let text = text.replace("ID", ID).replace("{}", world.root.path().to_str().unwrap());
        assert_eq!(delete(&world.store(), &uri(&text)).await, Deletion::Deleted, "{text:?}");
        assert!(!world.path(&format!("images/{ID}")).exists(), "{text:?}");
        world.assert_survivors(&text);
    }
}

#[tokio::test]
async fn a_file_in_a_true_folder_of_the_data_directory_is_deleted() {
    let world = World::new();
    let file = format!("images/sub/{ID}");
    fs::write(world.path(&file), "data").unwrap();
    assert_eq!(delete(&world.store(), &world.uri(&file)).await, Deletion::Deleted);
    assert!(!world.path(&file).exists());
    assert!(world.path(&format!("images/{ID}")).exists());
}

#[tokio::test]
async fn a_hard_link_loses_only_the_name_that_the_location_says() {
    let world = World::new();
    let link = format!("images/hard/{ID}");
    fs::hard_link(world.path(&format!("outside/{ID}")), world.path(&link)).unwrap();
    assert_eq!(delete(&world.store(), &world.uri(&link)).await, Deletion::Deleted);
    world.assert_survivors(&link);
}

#[tokio::test]
async fn a_file_that_is_missing_from_a_healthy_data_directory_is_gone() {
    let world = World::new();
    let uri = world.uri(&format!("images/{ID}"));
    let store = world.store();
    assert_eq!(delete(&store, &uri).await, Deletion::Deleted);
    assert_eq!(delete(&store, &uri).await, Deletion::Gone);
    assert_eq!(store.stat(&image(), &uri).await, Ok(Presence::Absent));
    assert!(store.read(&image(), &uri).await.unwrap().is_none());
}

#[tokio::test]
async fn a_missing_folder_inside_the_data_directory_proves_nothing() {
    let world = World::new();
    let uri = world.uri(&format!("images/unmounted/{ID}"));
    assert_refused(&delete(&world.store(), &uri).await, uri.as_str());
    let error = world.store().stat(&image(), &uri).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error}");
}

#[tokio::test]
async fn a_data_directory_that_is_missing_or_a_file_proves_nothing() {
    let world = World::new();
    for broken in ["unmounted", "outside/victim"] {
        let store = store(&[world.path(broken)], false);
        let uri = world.uri(&format!("{broken}/{ID}"));
        assert_refused(&delete(&store, &uri).await, broken);
        let error = store.stat(&image(), &uri).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable(_)), "{broken}: {error}");
        let health = store.health().await.unwrap_err();
        assert!(matches!(health, StoreError::Unreachable(_)), "{broken}: {health}");
        assert!(health.to_string().contains(&world.text(broken)), "{health}");
    }
}

#[tokio::test]
async fn a_data_directory_may_itself_be_a_symbolic_link() {
    let world = World::new();
    symlink(world.path("images"), world.path("mounted")).unwrap();
    let store = store(&[world.path("mounted")], false);
    assert_eq!(store.health().await, Ok(()));
    assert_eq!(delete(&store, &world.uri(&format!("mounted/{ID}"))).await, Deletion::Deleted);
    assert!(!world.path(&format!("images/{ID}")).exists());
}

#[tokio::test]
async fn only_the_data_directory_of_the_location_matters() {
    let world = World::new();
    let store = store(&[world.path("unmounted"), world.path("images/")], false);
    assert_eq!(delete(&store, &world.uri(&format!("images/{ID}"))).await, Deletion::Deleted);
    assert_eq!(delete(&store, &world.uri(&format!("images/{ID}"))).await, Deletion::Gone);
    assert_refused(&delete(&store, &world.uri(&format!("unmounted/{ID}"))).await, "unmounted");
    let health = store.health().await.unwrap_err();
    assert!(health.to_string().contains("unmounted"), "{health}");
}

#[tokio::test]
async fn any_file_name_frees_the_name_and_not_the_place() {
    let world = World::new();
    let store = store(&[world.path("images")], true);
    fs::write(world.path("images/imported.raw"), "data").unwrap();
    assert_eq!(delete(&store, &world.uri("images/imported.raw")).await, Deletion::Deleted);
    for outside in ["images/../outside/victim", "images/out/victim", "outside/victim"] {
        assert_refused(&delete(&store, &world.uri(outside)).await, outside);
    }
    world.assert_survivors("any_file_name");
}

#[tokio::test]
async fn the_refusal_says_what_to_do() {
    let world = World::new();
    let other = delete(&world.store(), &world.uri(&format!("images/{OTHER}"))).await;
    let Deletion::Refused(message) = other else { panic!("{other:?}") };
    assert!(
        message.contains("nothing was deleted") && message.contains("any_file_name"),
        "{message}"
    );
}

#[tokio::test]
#[ignore = "needs root and a file system with chattr +i"]
async fn an_immutable_file_is_refused_and_intact() {
    let world = World::new();
    let file = world.path(&format!("images/{ID}"));
    let chattr = |flag: &str| Command::new("chattr").arg(flag).arg(&file).status().unwrap();
    assert!(chattr("+i").success());
    let deletion = delete(&world.store(), &world.uri(&format!("images/{ID}"))).await;
    let intact = file.exists();
    assert!(chattr("-i").success());
    assert!(matches!(deletion, Deletion::Refused(_)), "{deletion:?}");
    assert!(intact);
}

#[tokio::test]
async fn past_its_deadline_a_call_that_was_not_begun_leaves_the_data_as_it_was() {
    let world = World::new();
    let id = StoreId("slow".to_owned());
    let config = FileConfig { datadirs: vec![world.path("images")], timeout: Some(Duration::ZERO) };
    let store = FileStore::new(id, &config, &StoreOptions::default()).unwrap();
    let uri = world.uri(&format!("images/{ID}"));
    assert_refused(&delete(&store, &uri).await, "nothing was begun");
    assert!(world.path(&format!("images/{ID}")).exists());
    let error = store.stat(&image(), &uri).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error}");
}

#[tokio::test]
async fn the_size_of_a_sparse_file_is_its_length() {
    let world = World::new();
    let path = world.path(&format!("images/{ID}"));
    let file = fs::OpenOptions::new().write(true).mode(0o640).open(path).unwrap();
    file.set_len(5_000_000_000).unwrap();
    let size = world.store().stat(&image(), &world.uri(&format!("images/{ID}"))).await;
    assert_eq!(size, Ok(Presence::Present { size: 5_000_000_000 }));
}

#[tokio::test]
async fn a_file_is_read_whole_and_in_order_in_bounded_chunks() {
    let world = World::new();
    let pattern: Vec<u8> = (0..=250u8).cycle().take(1_300_001).collect();
    fs::write(world.path(&format!("images/{ID}")), &pattern).unwrap();
    let uri = world.uri(&format!("images/{ID}"));
    let stream = world.store().read(&image(), &uri).await.unwrap().unwrap();
    let chunks: Vec<Vec<u8>> = stream.try_collect().await.unwrap();
    assert!(chunks.iter().all(|chunk| (1..=1 << 20).contains(&chunk.len())));
    assert!(chunks.concat() == pattern);
}

#[tokio::test]
async fn an_empty_file_is_there_and_has_no_chunks() {
    let world = World::new();
    fs::write(world.path(&format!("images/{ID}")), "").unwrap();
    let uri = world.uri(&format!("images/{ID}"));
    assert_eq!(world.store().stat(&image(), &uri).await, Ok(Presence::Present { size: 0 }));
    let stream = world.store().read(&image(), &uri).await.unwrap().unwrap();
    assert!(stream.try_collect::<Vec<_>>().await.unwrap().is_empty());
}

#[test]
fn a_store_claims_the_length_of_its_longest_data_directory() {
    let datadirs = [PathBuf::from("/srv/images"), PathBuf::from("/srv/images/deep/")];
    let store = store(&datadirs, false);
    let claims = |text: &str| store.claims(&uri(text));
    assert_eq!(claims("file:///srv/images/x"), Some("/srv/images".len()));
    assert_eq!(claims("file:///srv/images/deep/x"), Some("/srv/images/deep".len()));
    assert_eq!(claims("file:///srv/images2/x"), None);
    assert_eq!(claims("http:///srv/images/x"), None);
}

#[test]
fn data_directories_that_confine_nothing_are_refused() {
    for datadirs in [&[][..], &[Path::new("/")], &[Path::new("images")], &[Path::new("/a/../b")]] {
        let datadirs: Vec<PathBuf> = datadirs.iter().map(|path| path.to_path_buf()).collect();
        let config = FileConfig { datadirs, timeout: None };
        let id = StoreId("shelf".to_owned());
        let error = FileStore::new(id, &config, &StoreOptions::default()).unwrap_err();
        assert!(error.to_string().contains("shelf"), "{error}");
    }
}
