//! Responses of other services.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::principal::{Authenticator, Call, Token};
use glance_revert::domain::store::{Store, StoreUri, Stores};

use super::world::{World, with};

const IMAGE: &str = "0a1b2c3d-0000-4000-8000-000000000001";

/// A server with an issuer's keys, found by discovery.
pub(super) fn key_server(data: &[u8]) {
    with(|world| {
        world.answers.give(data);
        let trials = world.run(world.key_server.trials());
        assert_eq!(trials.len(), 1);
    });
}

/// A Kubernetes API server. Uses a new token each time, because good answers are cached.
pub(super) fn token_review(data: &[u8]) {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    with(|world| {
        let claims = format!(
            r#"{{"iss":"https://issuer.example.org","aud":"glance-revert","sub":"s","exp":9999999999,"jti":"{number}"}}"#
        );
        let token = super::tokens::signed(world, br#"{"alg":"ES256"}"#, claims.as_bytes());
        ask(world, &*world.reviewer, &token, data);
    });
}

/// Keystone's responses about a token and to our own login.
pub(super) fn keystone(data: &[u8]) {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    with(|world| {
        ask(world, &*world.keystone, &format!("token-{number}"), data);
        world.answers.give(data);
        drop(world.run(world.login.login(&world.credentials, true)));
    });
}

fn ask(world: &World, authenticator: &dyn Authenticator, token: &str, data: &[u8]) {
    world.answers.give(data);
    let call = Call::new("POST", "/v2/images/x/actions/revert", Token::new(token));
    drop(world.run(authenticator.authenticate(&call)));
}

/// An S3 service.
pub(super) fn s3(data: &[u8]) {
    with(|world| {
        let uri = format!("s3://{}/images/{IMAGE}", world.address);
        let store = world.store("s3");
        use_store(world, &*store, &uri, data);
    });
}

/// A Swift.
pub(super) fn swift(data: &[u8]) {
    with(|world| {
        let uri = format!("swift+http://p%3Au:k@{}/auth/v1.0/glance/{IMAGE}", world.address);
        let store = world.store("swift");
        use_store(world, &*store, &uri, data);
    });
}

/// Cinder. Deletes nothing, because the store waits for the end of deletions.
pub(super) fn cinder(data: &[u8]) {
    with(|world| {
        let uri = StoreUri::parse("cinder://volumes/5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c03").unwrap();
        let (store, image) = (world.store("volumes"), ImageId::parse(IMAGE).unwrap());
        world.answers.give(data);
        drop(world.run(store.stat(&image, &uri)));
    });
}

/// The process that runs librbd.
pub(super) fn rbd_helper(data: &[u8]) {
    with(|world| {
        world.folder.write("rbd-helper.reply", data);
        let store = world.store("ceph");
        use_store(world, &*store, &format!("rbd://fsid/images/{IMAGE}/snap"), data);
    });
}

/// Every call to a store, with the same responses each time.
fn use_store(world: &World, store: &dyn Store, uri: &str, data: &[u8]) {
    let (uri, image) = (StoreUri::parse(uri).unwrap(), ImageId::parse(IMAGE).unwrap());
    assert!(store.claims(&uri).is_some() && store.accepts(&image, &uri) == Ok(()));
    world.answers.give(data);
    drop(world.run(store.stat(&image, &uri)));
    world.answers.give(data);
    drop(world.run(store.health()));
    world.answers.give(data);
    world.run(async {
        if let Ok(Some(mut stream)) = store.read(&image, &uri).await {
            while let Some(Ok(_)) = stream.next().await {}
        }
    });
    world.answers.give(data);
    drop(world.run(store.delete(&image, &uri)));
}

impl World {
    fn store(&self, name: &str) -> Arc<dyn Store> {
        self.stores.all().into_iter().find(|store| store.id().0 == name).unwrap()
    }
}
