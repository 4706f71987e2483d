//! The RBD store with a Ceph that hangs, and a helper that is killed.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use glance_revert::config::RbdConfig;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::store::{Deletion, Presence, Store, StoreError, StoreId, StoreUri};
use glance_revert::store::StoreOptions;
use glance_revert::store::rbd::RbdStore;
use serde_json::json;

use crate::support::ceph::{Alone, Beside, Ceph, Shared, encoded};
use crate::support::daemon::until;

const BINARY: &str = env!("CARGO_BIN_EXE_glance-revert");
const DATA: &[u8] = b"every bit of an image";

fn store(ceph: &Ceph, seconds: u64) -> RbdStore {
    store_with_helper(ceph, seconds, Path::new(BINARY))
}

fn store_with_helper(ceph: &Ceph, seconds: u64, rbd_helper: &Path) -> RbdStore {
    let config = RbdConfig {
        pool: "images".to_owned(),
        user: Some("glance".to_owned()),
        ceph_conf: Some(ceph.conf()),
        connect_timeout: Some(Duration::from_secs(seconds)),
    };
    let options = StoreOptions { rbd_helper: rbd_helper.into(), ..StoreOptions::default() };
    RbdStore::new(StoreId("ceph".to_owned()), &config, &options)
}

fn image(ceph: &Ceph, beside: &Beside) -> (ImageId, StoreUri) {
    let id = ImageId::parse(&uuid::Uuid::new_v4().to_string()).unwrap();
    beside.call(&json!(["put", "images", id.as_str(), encoded(DATA)]));
    let uri = format!("rbd://{}/images/{}/snap", ceph.fsid(), id.as_str());
    (id, StoreUri::parse(&uri).unwrap())
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn hanging_daemons_time_out_and_prove_nothing() {
    let ceph: Alone = Ceph::alone().await;
    let beside = ceph.beside();
    let (id, uri) = image(&ceph, &beside);
    for daemon in ["osd", "mon"] {
        let connected = store(&ceph, 2);
        assert_eq!(connected.health().await, Ok(()));
        ceph.signal(daemon, "STOP");
        let new = store(&ceph, 2);
        let health = new.health().await;
        let deletion = new.delete(&id, &uri).await;
        // A connected helper needs no monitor to stat an image.
        let seen = (daemon == "osd").then_some(connected.stat(&id, &uri).await);
        ceph.signal(daemon, "CONT");
        assert!(matches!(health, Err(StoreError::Unreachable(_))), "{daemon}: {health:?}");
        assert!(matches!(deletion, Deletion::Refused(_)), "{daemon}: {deletion:?}");
        assert!(!matches!(seen, Some(Ok(_))), "{daemon}: {seen:?}");
        let present = Presence::Present { size: DATA.len() as u64 };
        let back =
            async || (store(&ceph, 20).stat(&id, &uri).await == Ok(present.clone())).then_some(());
        until("Ceph", back).await;
        assert_eq!(beside.call(&json!(["snaps", "images", id.as_str()])), json!(["snap!"]));
    }
    assert_eq!(store(&ceph, 20).delete(&id, &uri).await, Deletion::Deleted);
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn a_pool_that_moves_images_to_the_trash_is_reported() {
    let ceph = Ceph::alone().await;
    let beside = ceph.beside();
    let (id, uri) = image(&ceph, &beside);
    let store = store(&ceph, 10);
    let keeps = "rbd_move_to_trash_on_remove";
    ceph.run(&["rbd", "config", "pool", "set", "images", keeps, "true"]).await;
    let deletion = store.delete(&id, &uri).await;
    ceph.run(&["rbd", "config", "pool", "remove", "images", keeps]).await;
    assert!(matches!(&deletion, Deletion::Retained(how) if how.contains("trash")), "{deletion:?}");
    assert!(matches!(store.stat(&id, &uri).await, Ok(Presence::Repairable { .. })));
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn a_helper_in_ceph_s_hands_ends_with_the_service() {
    let ceph = Ceph::alone().await;
    let mut child = Command::new(BINARY)
        .arg("rbd-helper")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let settings =
        json!({"conf": ceph.conf(), "user": "glance", "timeout": {"secs": 1000, "nanos": 0}});
    let health = json!({"Health": {"pool": "images"}});
    writeln!(input, "{settings}\n{health}").unwrap();
    let mut line = String::new();
    while line != "\"Done\"\n" {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "it ended");
    }
    ceph.signal("osd", "STOP");
    writeln!(input, "{health}").unwrap();
    line.clear();
    output.read_line(&mut line).unwrap();
    // As if the service were killed: both pipes close while librbd waits for the frozen OSD.
    drop((input, output));
    let ended = until("the helper's end", async || child.try_wait().unwrap()).await;
    ceph.signal("osd", "CONT");
    assert_eq!(ended.signal(), Some(9));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Ceph; make test"]
async fn a_helper_killed_at_any_moment_tells_no_lie_and_the_next_one_finishes() {
    let ceph: Shared = Ceph::shared().await;
    let beside = ceph.beside();
    let folder = tempfile::tempdir().unwrap();
    let helper = folder.path().join("helper");
    let script = "#!/bin/sh\necho $$ >$(dirname $0)/pid\nexec BINARY \"$@\"\n";
    std::fs::write(&helper, script.replace("BINARY", BINARY)).unwrap();
    std::fs::set_permissions(&helper, PermissionsExt::from_mode(0o755)).unwrap();
    let mut left = Vec::new();
    for milliseconds in (0..80).step_by(4) {
        let (id, uri) = image(&ceph, &beside);
        let store = store_with_helper(&ceph, 10, &helper);
        assert_eq!(store.health().await, Ok(()));
        let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
        let kill = async {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            Command::new("sh").args(["-c", &format!("kill -s KILL {pid}")]).status().unwrap();
        };
        let (deletion, ()) = tokio::join!(store.delete(&id, &uri), kill);
        let data = beside.bytes(&json!(["look", "images", id.as_str()]));
        match deletion {
            Deletion::Deleted => assert_eq!(data, None, "after {milliseconds} ms"),
            Deletion::Refused(_) => assert_eq!(data.as_deref(), Some(DATA)),
            Deletion::Uncertain(_) => {}
            Deletion::Retained(_)
            | Deletion::Gone
            | Deletion::Held(_)
            | Deletion::Partial(_)
            | Deletion::NotOurs => panic!("{deletion:?} after {milliseconds} ms"),
        }
        let seen = store.stat(&id, &uri).await;
        if matches!(seen, Ok(Presence::Present { .. })) {
            assert_eq!(data.as_deref(), Some(DATA), "{seen:?} after {milliseconds} ms");
        }
        left.push((store, id, uri));
    }
    // Ceph notices a killed client after half a minute; until then its images are in use.
    for (store, id, uri) in left {
        until("the deletion", async || {
            let deletion = store.delete(&id, &uri).await;
            let held = matches!(deletion, Deletion::Held(_));
            assert!(held || matches!(deletion, Deletion::Deleted | Deletion::Gone), "{deletion:?}");
            (!held).then_some(())
        })
        .await;
    }
}
