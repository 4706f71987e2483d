//! Misleading responses of Swift: names that do not fit into headers, failed disks, containers that
//! keep or restore deleted data, and objects that only look like segments.

use glance_revert::domain::image::ImageId;
use glance_revert::domain::store::{Deletion, Presence, Store, StoreError};
use reqwest::Method;
use serde_json::Value;

use crate::stores::swift::{Place, image, over, place, present};
use crate::support::proxy::{Fault, Proxy};
use crate::support::swift::{Container, Swift};

const DATA: &[u8] = b"every bit of an image";

/// A container with a non-ASCII name.
async fn umlauts() -> Container {
    let name = format!("c-\u{fc}\u{2603}-{}", uuid::Uuid::new_v4().simple());
    Swift::shared().await.container_named(&name).await
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn a_large_object_in_a_container_of_any_name_goes_with_its_segments() {
    let place = over(umlauts().await, &Swift::shared().await.authority);
    for is_quoted in [false, true] {
        let id = image();
        let data = place.container.put_dynamic(id.as_str(), 3).await;
        if is_quoted {
            let name = crate::support::swift::quoted(&place.container.name);
            place.container.put_manifest(id.as_str(), &format!("{name}/{id}-")).await;
        }
        assert_eq!(place.stat(&id).await, Ok(present(&data)));
        assert_eq!(place.delete(&id).await, Deletion::Deleted);
        assert_eq!(place.container.names().await, Vec::<String>::new());
    }
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn an_archive_of_any_name_is_looked_into() {
    let (place, id, archive) = (place().await, image(), umlauts().await);
    place.container.post("X-History-Location", &archive.name).await;
    place.container.put(id.as_str(), DATA).await;
    let deletion = place.delete(&id).await;
    assert!(
        matches!(&deletion, Deletion::Retained(how) if how.contains(&archive.name)),
        "{deletion:?}"
    );
    assert!(matches!(place.stat(&id).await, Ok(Presence::Hidden(_))));
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn a_listed_object_that_no_disk_has_is_in_doubt() {
    let (place, id) = (place().await, image());
    let data = format!("the only copy of {id}");
    place.container.put(id.as_str(), data.as_bytes()).await;
    Swift::shared().await.lose(data.as_bytes());
    assert_eq!(place.container.get(id.as_str()).await, None, "Swift says 404");
    let seen = place.stat(&id).await;
    assert!(matches!(seen, Err(StoreError::Unreachable(_))), "{seen:?}");
    assert!(place.store.read(&id, &place.uri(&id)).await.is_err());
    let deletion = place.delete(&id).await;
    assert!(matches!(deletion, Deletion::Refused(_)), "{deletion:?}");
    // An object whose name begins with the same letters is no proof.
    let (absent, neighbour) = (image(), |id: &ImageId| format!("{id}0"));
    place.container.put(&neighbour(&absent), DATA).await;
    assert_eq!(place.stat(&absent).await, Ok(Presence::Absent));
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn a_version_that_a_deletion_brings_back_is_not_called_deleted() {
    let archive = Swift::shared().await.container().await;
    let (place, id) = (place().await, image());
    place.container.post("X-Versions-Location", &archive.name).await;
    place.container.put(id.as_str(), b"an upload that failed").await;
    place.container.put(id.as_str(), DATA).await;
    let deletion = place.delete(&id).await;
    assert!(
        matches!(&deletion, Deletion::Retained(how) if how.contains("older version")),
        "{deletion:?}"
    );
    assert!(place.container.get(id.as_str()).await.is_some(), "Swift has put it back");
    assert_eq!(place.delete(&id).await, Deletion::Deleted, "there is no other one");
    assert_eq!(place.delete(&id).await, Deletion::Gone);
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn a_mark_with_nothing_behind_it_hides_nothing() {
    let archive = Swift::shared().await.container().await;
    let history = place().await;
    history.container.post("X-History-Location", &archive.name).await;
    let versions = place().await;
    versions.container.post("X-Versions-Enabled", "true").await;
    for (place, is_archive) in [(history, true), (versions, false)] {
        let id = image();
        place.container.put(id.as_str(), DATA).await;
        place.container.delete(id.as_str()).await;
        assert!(matches!(place.stat(&id).await, Ok(Presence::Hidden(_))));
        if is_archive {
            let kept = archive.names().await;
            assert_eq!(kept.len(), 2, "the version and the mark of its deletion");
            archive.delete(&kept[0]).await;
        } else {
            remove_versions(&place.container, id.as_str()).await;
        }
        assert_eq!(place.stat(&id).await, Ok(Presence::Absent));
        assert_eq!(place.delete(&id).await, Deletion::Gone);
    }
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn versions_that_were_turned_off_are_still_kept() {
    let (place, id) = (place().await, image());
    place.container.post("X-Versions-Enabled", "true").await;
    place.container.put(id.as_str(), DATA).await;
    place.container.post("X-Versions-Enabled", "false").await;
    let deletion = place.delete(&id).await;
    assert!(matches!(deletion, Deletion::Retained(_)), "{deletion:?}");
    assert!(matches!(place.stat(&id).await, Ok(Presence::Hidden(_))));
}

/// Removes every version of an object that has data.
async fn remove_versions(container: &Container, name: &str) {
    let query = format!("/{}?versions&format=json&prefix={name}", container.name);
    let listing = container.account.request(Method::GET, &query);
    let listed: Vec<Value> = container.account.done(listing).await.json().await.unwrap();
    for version in listed.iter().filter(|version| version["bytes"] != 0) {
        let id = version["version_id"].as_str().unwrap();
        let query = format!("?version-id={id}");
        container.account.done(container.object(Method::DELETE, name, &query)).await;
    }
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn objects_that_only_look_like_segments_stay() {
    for (beside, goes) in [
        (&["20260101"][..], &[][..]),
        (&["00002"], &[]),
        (&["1"], &[]),
        (&["000001"], &[]),
        (&["00000"], &[]),
        (&["00001", "00002", "00004"], &["00001", "00002"]),
        (&["00001", "20260101"], &["00001"]),
    ] {
        let (place, id) = (place().await, image());
        for number in beside {
            place.container.put(&format!("{id}-{number}"), DATA).await;
        }
        let deletion = place.delete(&id).await;
        let expected = if goes.is_empty() { Deletion::Gone } else { Deletion::Deleted };
        assert_eq!(deletion, expected, "{beside:?}");
        let left = beside.iter().filter(|number| !goes.contains(number));
        let left: Vec<_> = left.map(|number| format!("{id}-{number}")).collect();
        assert_eq!(place.container.names().await, left);
    }
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn a_date_among_the_segments_is_not_a_segment() {
    let (place, id) = (place().await, image());
    place.container.put_dynamic(id.as_str(), 3).await;
    place.container.put(&format!("{id}-20260101"), DATA).await;
    let before = place.container.names().await;
    assert!(matches!(place.stat(&id).await, Ok(Presence::Damaged(_))));
    let deletion = place.delete(&id).await;
    assert!(matches!(deletion, Deletion::Refused(_)), "{deletion:?}");
    assert_eq!(place.container.names().await, before);
}

/// Only their numbers show whose segments these are, so an interrupted deletion must leave no gap.
#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn segments_without_a_manifest_go_in_the_end_wherever_that_is_interrupted() {
    let server = Swift::shared().await;
    let proxy = Proxy::before(&server.authority).await;
    let place: Place = over(server.container().await, &proxy.address());
    for moment in 0.. {
        let id = image();
        place.container.put_dynamic(id.as_str(), 4).await;
        place.container.delete(id.as_str()).await;
        proxy.fail(Fault::Closed(moment));
        let first = place.delete(&id).await;
        let had_come = proxy.heal();
        if !had_come {
            assert_eq!(first, Deletion::Deleted);
            return;
        }
        let again = place.delete(&id).await;
        assert!(matches!(again, Deletion::Deleted | Deletion::Gone), "{moment}: {again:?}");
        assert_eq!(place.container.names().await, Vec::<String>::new(), "{moment}: {first:?}");
    }
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn an_undeletable_manifest_without_segments_is_unchanged() {
    let (place, id) = (place().await, image());
    place.container.put_dynamic(id.as_str(), 0).await;
    place.container.post("X-Container-Write", "test:nobody").await;
    let deletion = place.delete(&id).await;
    assert!(matches!(deletion, Deletion::Refused(_)), "{deletion:?}");
}
