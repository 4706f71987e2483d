//! Behaviour that only the Cinder store has, with a stub of Cinder's API. The rest is in `suite`.

use std::time::Duration;

use glance_revert::config::CinderConfig;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::store::{Deletion, Presence, Store, StoreError, StoreId, StoreUri};
use glance_revert::store::StoreOptions;
use glance_revert::store::cinder::CinderStore;

use crate::support::cinder::{Cinder, Ending, Listening, Mood, Shared, Volume, config};
use crate::support::clock;
use crate::support::proxy::closed_port;

const IMAGE: &str = "0a1b2c3d-0000-4000-8000-000000000001";
const VOLUME: &str = "5d1c0000-0000-4000-8000-00000000000a";

/// `store_timeout`
const LIMIT: Duration = Duration::from_secs(2);

struct Place {
    cinder: Shared,
    store: CinderStore,
    uri: StoreUri,
}

fn store(config: &CinderConfig) -> CinderStore {
    let options = StoreOptions { store_timeout: LIMIT, ..StoreOptions::default() };
    CinderStore::new(StoreId("volumes".to_owned()), config, &options, &clock::machine()).unwrap()
}

/// A Cinder with one image's volume.
async fn place(status: &'static str, ending: Ending) -> Place {
    let listening = Listening::start().await;
    let authority = listening.authority();
    let cinder = listening.serve(&authority);
    let data = vec![7; 21];
    let name = format!("image-{IMAGE}");
    let volume = Volume { name, status, data, used: None, foreign: false, tells_size: true };
    {
        let mut cinder = cinder.lock().unwrap();
        cinder.volumes.insert(VOLUME.to_owned(), volume);
        (cinder.ending, cinder.looks) = (ending, 2);
    }
    let store = store(&config(&authority));
    Place { cinder, store, uri: uri(&format!("cinder://volumes/{VOLUME}")) }
}

impl Place {
    async fn stat(&self) -> Result<Presence, StoreError> {
        self.store.stat(&image(), &self.uri).await
    }

    async fn delete(&self) -> Deletion {
        self.store.delete(&image(), &self.uri).await
    }

    fn with<T>(&self, look: impl FnOnce(&mut Cinder) -> T) -> T {
        look(&mut self.cinder.lock().unwrap())
    }
}

fn image() -> ImageId {
    ImageId::parse(IMAGE).unwrap()
}

fn uri(text: &str) -> StoreUri {
    StoreUri::parse(text).unwrap()
}

#[tokio::test]
async fn a_volume_is_seen_and_its_deletion_waited_for() {
    let place = place("available", Ending::Away).await;
    assert_eq!(place.store.health().await, Ok(()));
    assert_eq!(place.stat().await, Ok(Presence::Present { size: 21 }));
    assert_eq!(place.delete().await, Deletion::Deleted);
    assert!(place.with(|cinder| cinder.volumes.is_empty()), "it is away and not only accepted");
    assert_eq!(place.stat().await, Ok(Presence::Absent));
    assert_eq!(place.delete().await, Deletion::Gone);
    assert_eq!(place.with(|cinder| cinder.deletes), 1);
}

#[tokio::test]
async fn a_volume_that_cinder_made_an_image_of_is_as_large_as_the_volume() {
    let place = place("available", Ending::Away).await;
    place.with(|cinder| cinder.volumes.get_mut(VOLUME).unwrap().tells_size = false);
    assert_eq!(place.stat().await, Ok(Presence::Present { size: 1024 * 1024 * 1024 }));
}

#[tokio::test]
async fn a_volume_that_cinder_restores_is_reported_as_in_use() {
    let place = place("available", Ending::Becomes("available")).await;
    let deletion = place.delete().await;
    assert!(matches!(deletion, Deletion::Held(_)), "{deletion:?}");
    assert_eq!(place.stat().await, Ok(Presence::Present { size: 21 }));
}

#[tokio::test]
async fn a_deletion_that_fails_or_does_not_end_is_in_doubt() {
    for end in ["error_deleting", "deleting"] {
        let place = place("available", Ending::Becomes(end)).await;
        let deletion = place.delete().await;
        assert!(matches!(deletion, Deletion::Uncertain(_)), "{end}: {deletion:?}");
        assert!(matches!(place.stat().await, Ok(Presence::Damaged(_))), "{end}");
    }
}

#[tokio::test]
async fn each_refusal_says_what_happened_to_the_data() {
    for (status, is_expected) in [
        (400, (|deletion| matches!(deletion, Deletion::Held(_))) as fn(&Deletion) -> bool),
        (403, |deletion| matches!(deletion, Deletion::Refused(_))),
        (413, |deletion| matches!(deletion, Deletion::Refused(_))),
        (500, |deletion| matches!(deletion, Deletion::Uncertain(_))),
        (503, |deletion| matches!(deletion, Deletion::Uncertain(_))),
    ] {
        let place = place("available", Ending::Answers(status)).await;
        let deletion = place.delete().await;
        assert!(is_expected(&deletion), "{status}: {deletion:?}");
        assert_eq!(place.with(|cinder| cinder.deletes), 1, "sent once");
        assert_eq!(place.stat().await, Ok(Presence::Present { size: 21 }));
    }
}

#[tokio::test]
async fn a_deletion_that_was_begun_is_waited_for_and_not_asked_for_again() {
    let place = place("deleting", Ending::Away).await;
    assert_eq!(place.delete().await, Deletion::Deleted);
    assert_eq!(place.with(|cinder| cinder.deletes), 0);
}

/// A proxy that has lost its Cinder answers 404 to everything.
#[tokio::test]
async fn a_404_from_a_server_without_any_volumes_does_not_end_a_deletion() {
    for mood in [Mood::Lost, Mood::Forbids] {
        let place = place("available", Ending::Away).await;
        place.with(|cinder| cinder.mood_after_deletion = Some(mood));
        let deletion = place.delete().await;
        assert!(matches!(deletion, Deletion::Uncertain(_)), "{mood:?}: {deletion:?}");
        place.with(|cinder| (cinder.mood, cinder.mood_after_deletion) = (Mood::Kind, None));
        assert_eq!(place.delete().await, Deletion::Deleted, "{mood:?}");
    }
    let place = place("available", Ending::Away).await;
    place.with(|cinder| cinder.mood_after_look = Some(Mood::Lost));
    let deletion = place.delete().await;
    assert!(matches!(deletion, Deletion::Uncertain(_)), "{deletion:?}");
    assert!(place.with(|cinder| !cinder.volumes.is_empty()), "no volume was asked for");
}

#[tokio::test]
async fn a_volume_that_is_not_named_after_the_image_is_not_touched() {
    let place = place("available", Ending::Away).await;
    let other = "root disk of a server".to_owned();
    place.with(|cinder| cinder.volumes.get_mut(VOLUME).unwrap().name = other);
    assert!(matches!(place.stat().await, Err(StoreError::BadLocation(_))));
    let deletion = place.delete().await;
    assert!(matches!(deletion, Deletion::Refused(_)), "{deletion:?}");
    assert_eq!(place.with(|cinder| (cinder.volumes.len(), cinder.deletes)), (1, 0));
}

#[tokio::test]
async fn absence_is_not_believed_where_the_volumes_cannot_be_listed() {
    let place = place("available", Ending::Away).await;
    place.with(|cinder| {
        cinder.volumes.clear();
        cinder.mood = Mood::ForbidsLists;
    });
    assert!(matches!(place.stat().await, Err(StoreError::Refused(_))));
    let deletion = place.delete().await;
    assert!(matches!(deletion, Deletion::Refused(_)), "{deletion:?}");
}

/// After a change from one store to several, Glance leaves volumes in users' projects.
#[tokio::test]
async fn absence_without_a_store_s_name_is_believed_only_of_one_who_sees_all_projects() {
    let mut place = place("available", Ending::Away).await;
    place.uri = uri(&format!("cinder://{VOLUME}"));
    place.with(|cinder| {
        cinder.admin = false;
        cinder.volumes.get_mut(VOLUME).unwrap().foreign = true;
    });
    let seen = place.stat().await;
    assert!(
        matches!(&seen, Err(StoreError::NotVerifiable(why)) if why.contains("another project")),
        "{seen:?}"
    );
    let deletion = place.delete().await;
    assert!(matches!(deletion, Deletion::Refused(_)), "{deletion:?}");

    place.with(|cinder| cinder.admin = true);
    assert_eq!(place.stat().await, Ok(Presence::Present { size: 21 }));
    assert_eq!(place.delete().await, Deletion::Deleted);
    assert_eq!(place.delete().await, Deletion::Gone);

    place.with(|cinder| cinder.admin = false);
    place.uri = uri(&format!("cinder://volumes/{VOLUME}"));
    assert_eq!(place.stat().await, Ok(Presence::Absent), "Glance puts these into our project");
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed() {
    let place = place("available", Ending::Away).await;
    assert!(place.stat().await.is_ok());
    place.with(|cinder| cinder.token = "another".to_owned());
    assert!(place.stat().await.is_ok());
    assert_eq!(place.with(|cinder| cinder.logins), 2);
}

#[tokio::test]
async fn one_question_has_the_store_s_time_and_no_more() {
    let place = place("available", Ending::Away).await;
    assert!(place.stat().await.is_ok());
    place.with(|cinder| (cinder.mood, cinder.requests) = (Mood::Silent, 0));
    assert!(matches!(place.stat().await, Err(StoreError::Unreachable(_))));
    assert_eq!(place.with(|cinder| cinder.requests), 1, "no time is left to ask again");
}

#[tokio::test]
async fn an_unavailable_keystone_proves_nothing_about_the_data() {
    let store = store(&config(&format!("127.0.0.1:{}", closed_port())));
    let uri = uri(&format!("cinder://{VOLUME}"));
    assert!(matches!(store.health().await, Err(StoreError::Unreachable(_))));
    assert!(matches!(store.stat(&image(), &uri).await, Err(StoreError::Unreachable(_))));
    assert!(matches!(store.delete(&image(), &uri).await, Deletion::Refused(_)));
}

#[tokio::test]
async fn without_our_own_user_no_image_is_claimed() {
    let config = CinderConfig { login: None, ..config("127.0.0.1:1") };
    let store = store(&config);
    let uri = uri(&format!("cinder://{VOLUME}"));
    assert!(store.claims(&uri).is_some());
    let refused = store.accepts(&image(), &uri);
    assert!(
        matches!(&refused, Err(StoreError::NotVerifiable(what)) if what.contains("auth_address"))
    );
}

#[tokio::test]
async fn only_volumes_of_this_store_are_claimed() {
    let place = place("available", Ending::Away).await;
    assert!(place.store.claims(&uri(&format!("cinder://{VOLUME}"))).is_some());
    assert_eq!(place.store.claims(&uri(&format!("cinder://other/{VOLUME}"))), None);
    assert_eq!(place.store.claims(&uri("cinder://volumes/not-a-uuid")), None);
}
