//! The RBD store and its helper without a Ceph: a helper that cannot be run, dies, or hangs.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use glance_revert::config::RbdConfig;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::store::{Deletion, Presence, Store, StoreError, StoreId, StoreUri};
use glance_revert::store::StoreOptions;
use glance_revert::store::rbd::RbdStore;
use tempfile::TempDir;

use crate::support::daemon::until;

const ID: &str = "0a1b2c3d-0000-4000-8000-000000000001";
const FOUND: &str = r#"{"Found":{"Image":{"size":21,"snap":"Protected","watchers":[]}}}"#;

struct World {
    folder: TempDir,
    store: RbdStore,
    id: ImageId,
    uri: StoreUri,
}

impl World {
    /// A store whose helper is this shell script; the script has read the settings, and `$folder`
    /// exists.
    fn with_helper(script: &str, timeout: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let helper = folder.path().join("helper");
        let text = format!(
            "#!/bin/bash\nfolder={}\necho $$ >>$folder/started\nread -r settings\n{script}\n",
            folder.path().display()
        );
        std::fs::write(&helper, text).unwrap();
        std::fs::set_permissions(&helper, PermissionsExt::from_mode(0o755)).unwrap();
        let rbd_helper = helper;
        let options =
            StoreOptions { rbd_helper, store_timeout: timeout, ..StoreOptions::default() };
        Self::new(folder, &options)
    }

    fn new(folder: TempDir, options: &StoreOptions) -> Self {
        let config = RbdConfig {
            pool: "images".to_owned(),
            user: Some("glance".to_owned()),
            ceph_conf: None,
            connect_timeout: None,
        };
        let store = RbdStore::new(StoreId("ceph".to_owned()), &config, options);
        let uri = StoreUri::parse(&format!("rbd://f-1/images/{ID}/snap")).unwrap();
        Self { folder, store, id: ImageId::parse(ID).unwrap(), uri }
    }

    async fn delete(&self) -> Deletion {
        self.store.delete(&self.id, &self.uri).await
    }

    async fn stat(&self) -> Result<Presence, StoreError> {
        self.store.stat(&self.id, &self.uri).await
    }
}

const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_helper_that_cannot_be_run_says_which() {
    let rbd_helper = "/nonexistent/glance-revert".into();
    let options = StoreOptions { rbd_helper, ..StoreOptions::default() };
    let world = World::new(tempfile::tempdir().unwrap(), &options);
    let error = world.stat().await.unwrap_err();
    assert!(matches!(&error, StoreError::Unreachable(why) if why.contains("/nonexistent/")));
    assert!(matches!(world.delete().await, Deletion::Refused(_)));
}

#[tokio::test]
async fn a_machine_without_ceph_s_libraries_says_what_to_install() {
    let folder = tempfile::tempdir().unwrap();
    // The loader searches here first, and finds an invalid library.
    std::fs::write(folder.path().join("librados.so.2"), "no library").unwrap();
    let helper = folder.path().join("helper");
    let binary = env!("CARGO_BIN_EXE_glance-revert");
    let text = format!("#!/bin/sh\nLD_LIBRARY_PATH=$(dirname $0) exec {binary} \"$@\"\n");
    std::fs::write(&helper, text).unwrap();
    std::fs::set_permissions(&helper, PermissionsExt::from_mode(0o755)).unwrap();
    let world = World::new(folder, &StoreOptions { rbd_helper: helper, ..StoreOptions::default() });
    let error = world.stat().await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Unreachable(why)
            if why.contains("librados.so.2") && why.contains("install librbd1")),
        "{error}"
    );
    assert!(matches!(world.delete().await, Deletion::Refused(_)));
}

#[tokio::test]
async fn a_helper_that_dies_while_it_looks_has_changed_nothing() {
    for script in ["read -r request", "read -r request; kill -9 $$", "read -r r; echo nonsense"] {
        let world = World::with_helper(script, LONG);
        assert!(matches!(world.stat().await, Err(StoreError::Unreachable(_))), "{script}");
        assert!(matches!(world.delete().await, Deletion::Refused(_)), "{script}");
        assert!(matches!(world.store.health().await, Err(StoreError::Unreachable(_))));
    }
}

#[tokio::test]
async fn a_helper_that_dies_while_it_destroys_leaves_doubt() {
    let script = format!("read -r request; echo '{FOUND}'; read -r request; kill -9 $$");
    let world = World::with_helper(&script, LONG);
    assert!(matches!(world.delete().await, Deletion::Uncertain(_)));
    assert_eq!(world.stat().await, Ok(Presence::Present { size: 21 }), "and another is started");
}

#[tokio::test]
async fn a_helper_that_hangs_is_killed() {
    let script = format!("read -r request; echo '{FOUND}'; read -r request; exec sleep 1000");
    let world = World::with_helper(&script, SECOND);
    let deletion = world.delete().await;
    assert!(
        matches!(&deletion, Deletion::Uncertain(why) if why.contains("answer")),
        "{deletion:?}"
    );
    let started = std::fs::read_to_string(world.folder.path().join("started")).unwrap();
    let process = std::path::PathBuf::from(format!("/proc/{}/cwd", started.trim()));
    until("its end", async || (!process.exists()).then_some(())).await;
}

#[tokio::test]
async fn a_helper_that_says_it_works_is_waited_for() {
    let script = format!(
        "read -r request; for i in 1 2 3 4 5; do sleep 1; echo '\"Working\"'; done; echo '{FOUND}'"
    );
    let world = World::with_helper(&script, SECOND);
    assert_eq!(world.stat().await, Ok(Presence::Present { size: 21 }));
}

#[tokio::test]
async fn one_helper_serves_many_requests_and_is_told_no_secret() {
    let script = format!(
        "env >$folder/env; echo \"$@\" >$folder/arguments; while read -r r; do echo '{FOUND}'; done"
    );
    let world = World::with_helper(&script, LONG);
    for _ in 0..20 {
        assert_eq!(world.stat().await, Ok(Presence::Present { size: 21 }));
    }
    let said = |name: &str| std::fs::read_to_string(world.folder.path().join(name)).unwrap();
    assert_eq!(said("started").lines().count(), 1);
    assert_eq!(said("arguments"), "rbd-helper\n");
    let of_the_shell = ["PWD=", "SHLVL=", "_=", "OLDPWD="];
    for line in said("env").lines() {
        assert!(of_the_shell.iter().any(|known| line.starts_with(known)), "{line}");
    }
}

#[tokio::test]
async fn only_an_image_named_after_its_image_is_accepted() {
    let world = World::with_helper("", LONG);
    let accepts = |text: &str| world.store.accepts(&world.id, &StoreUri::parse(text).unwrap());
    assert_eq!(accepts(world.uri.as_str()), Ok(()));
    assert_eq!(accepts(&format!("rbd://{ID}")), Ok(()));
    for text in [
        "rbd://f-1/images/volume-1/snap".to_owned(),
        format!("rbd://f-1/volumes/{ID}/snap"),
        format!("rbd://f-1/{ID}/snap"),
        "rbd://volume-1".to_owned(),
    ] {
        assert!(matches!(accepts(&text), Err(StoreError::BadLocation(_))), "{text}");
        let uri = StoreUri::parse(&text).unwrap();
        assert!(matches!(world.store.delete(&world.id, &uri).await, Deletion::Refused(_)));
    }
}
