//! What a revert restores, what it leaves out, and why it refuses, on every database.

use futures::StreamExt;
use futures::stream;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::pending::{Children, NotPending};
use glance_revert::domain::principal::Admin;
use glance_revert::domain::revert::{RevertError, RevertRequest, Verify};
use std::time::Duration;

use crate::support::database::{Kind, on_each_database};
use crate::support::rows::{DELETE_BEGAN, DELETED, REMOVED};
use crate::support::world::World;

const LIVE: &str = "active kept no time";

on_each_database! {
    everything_deleted_with_the_image_comes_back_and_nothing_else,
    a_location_removed_earlier_stays_out_while_another_has_the_data,
    a_location_removed_earlier_comes_back_when_it_is_the_only_one_with_data,
    a_location_of_another_size_stays_out,
    a_key_that_was_deleted_with_the_image_is_warned_of,
    nothing_is_written_when_the_data_is_missing,
    nothing_is_written_when_a_store_cannot_be_asked,
    absence_is_not_believed_where_living_images_are_absent_too,
    absence_is_not_believed_where_no_living_image_is_known,
    a_location_that_can_never_be_asked_is_left_out_beside_a_good_copy,
    an_image_whose_locations_can_never_be_asked_is_a_conflict,
    the_data_is_not_examined_when_the_caller_says_so,
    a_checksum_that_differs_is_found,
    a_dry_run_writes_nothing,
    kinds_of_children_can_be_skipped,
    an_image_can_be_protected_on_its_way_back,
    images_that_upstreams_restore_left_are_repaired,
    a_tag_that_was_added_again_is_not_doubled_by_a_repair,
    words_that_differ_in_case_alone_are_different_words,
    a_delete_of_a_repaired_image_is_left_alone_until_it_counts_as_dead,
    a_delete_between_its_transactions_is_left_alone_until_it_counts_as_dead,
    an_active_image_is_a_conflict,
    a_claimed_image_is_a_conflict,
    a_scrubbed_image_is_a_conflict,
    an_image_without_locations_is_a_conflict,
    an_image_of_another_status_is_a_conflict,
    an_unknown_image_is_not_found,
    the_second_of_two_reverts_finds_the_image_active,
    an_image_with_hundreds_of_children_comes_back_whole,
    reverts_of_many_images_at_once_do_not_stand_in_each_others_way,
}

async fn everything_deleted_with_the_image_comes_back_and_nothing_else(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    let reverted = world.revert("a").await.unwrap();
    assert_eq!(world.status("a").await, LIVE);
    assert_eq!(world.locations("a").await, LIVE);
    assert_eq!(world.live("image_properties", "name", "a").await, "empty, os_distro");
    assert_eq!(world.live("image_tags", "value", "a").await, "blue");
    assert_eq!(world.live("image_members", "member", "a").await, "friend");
    let restored = reverted.restored;
    let counts = (restored.locations, restored.properties, restored.tags, restored.members);
    assert_eq!(counts, (1, 2, 1, 1));
    assert_eq!(reverted.warnings, Vec::<String>::new());
    let shown: Vec<_> = reverted.image.properties.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(shown, ["os_distro", "empty"]);
}

async fn a_location_removed_earlier_stays_out_while_another_has_the_data(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    world.rows().location("a", &world.uri("a"), "pending_delete", Some(REMOVED)).await;
    let warnings = world.revert("a").await.unwrap().warnings;
    assert_eq!(world.locations("a").await, format!("{LIVE}, pending_delete deleted time"));
    assert!(warnings[0].contains("was removed 25 hours before the delete"), "{warnings:?}");
}

async fn a_location_removed_earlier_comes_back_when_it_is_the_only_one_with_data(kind: Kind) {
    let world = World::new(kind).await;
    world.rows().deleted_image("a", "file:///nowhere/a", 8).await;
    world.db.execute("DELETE FROM image_locations").await;
    let gone = world.uri("a").replace("images/a", "images/./a");
    std::fs::write(world.datadir().join("a"), b"contents").unwrap();
    world.rows().location("a", &world.uri("a"), "pending_delete", Some(REMOVED)).await;
    world.rows().location("a", &gone, "deleted", Some(DELETE_BEGAN)).await;
    let reverted = world.revert("a").await.unwrap();
    assert_eq!(world.locations("a").await, format!("{LIVE}, deleted deleted time"));
    assert!(reverted.warnings[0].contains("removed before the delete"), "{:?}", reverted.warnings);
}

async fn a_location_of_another_size_stays_out(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    std::fs::write(world.datadir().join("a"), b"short").unwrap();
    let refused = world.revert("a").await.unwrap_err();
    assert!(matches!(refused, RevertError::DataMissing { .. }), "{refused}");
    assert!(refused.to_string().contains("5 bytes instead of 8"), "{refused}");
    assert_eq!(world.status("a").await, "pending_delete deleted time");
}

/// An image of an encrypted volume.
async fn a_key_that_was_deleted_with_the_image_is_warned_of(kind: Kind) {
    for (id, policy, warned) in [("goes", "on_image_deletion", 1), ("stays", "do_not_delete", 0)] {
        let world = World::new(kind).await;
        world.deleted_image(id).await;
        let policy = ("cinder_encryption_key_deletion_policy", policy);
        for (name, value) in [("cinder_encryption_key_id", "k-1"), policy] {
            world.rows().property(id, name, Some(value), Some(DELETE_BEGAN)).await;
        }
        let warnings = world.revert(id).await.unwrap().warnings;
        assert_eq!(warnings.len(), warned, "{warnings:?}");
        assert!(warnings.iter().all(|warning| warning.contains("key k-1")), "{warnings:?}");
    }
}

async fn nothing_is_written_when_the_data_is_missing(kind: Kind) {
    let world = World::new(kind).await;
    world.live_image("alive").await;
    world.deleted_image("a").await;
    std::fs::remove_file(world.datadir().join("a")).unwrap();
    let refused = world.revert("a").await.unwrap_err();
    assert!(matches!(refused, RevertError::DataMissing { .. }), "{refused}");
    assert_eq!(world.status("a").await, "pending_delete deleted time");
    assert_eq!(world.locations("a").await, "pending_delete deleted time");
    assert_eq!(world.live("image_tags", "value", "a").await, "");
}

/// An image whose only copy, and one of which one copy, is in a folder that lacks it.
async fn lost_and_half(world: &World) {
    let elsewhere = |id: &str| world.uri(id).replace("/images/", "/more/");
    world.rows().deleted_image("lost", &elsewhere("lost"), 8).await;
    world.deleted_image("half").await;
    world.rows().location("half", &elsewhere("half"), "pending_delete", Some(DELETE_BEGAN)).await;
}

/// The store is an empty mount point.
async fn absence_is_not_believed_where_living_images_are_absent_too(kind: Kind) {
    let world = World::with_datadirs(kind, &["images", "more"]).await;
    let alive = world.uri("alive").replace("/images/", "/more/");
    world.rows().image("alive", "active", 8, None).await;
    world.rows().location("alive", &alive, "active", None).await;
    lost_and_half(&world).await;
    for id in ["lost", "half"] {
        let refused = world.revert(id).await.map(drop).unwrap_err();
        assert!(matches!(refused, RevertError::StoreUnavailable { .. }), "{refused}");
        assert!(refused.to_string().contains("active images"), "{refused}");
        assert_eq!(world.status(id).await, "pending_delete deleted time");
    }
}

/// The share is not mounted, and no living image could show it.
async fn absence_is_not_believed_where_no_living_image_is_known(kind: Kind) {
    let world = World::with_datadirs(kind, &["images", "more"]).await;
    world.live_image("in-another-folder").await;
    lost_and_half(&world).await;
    for id in ["lost", "half"] {
        let refused = world.revert(id).await.map(drop).unwrap_err();
        assert!(matches!(refused, RevertError::StoreUnavailable { .. }), "{refused}");
        for part in ["no active image", "mount it", "upload an image there"] {
            assert!(refused.to_string().contains(part), "{refused}");
        }
        assert_eq!(world.status(id).await, "pending_delete deleted time");
    }

    // as the message says
    world.live_image_in("more", "alive").await;
    let refused = world.revert("lost").await.map(drop).unwrap_err();
    assert!(matches!(refused, RevertError::DataMissing { .. }), "{refused}");
    let warnings = world.revert("half").await.unwrap().warnings;
    assert!(warnings[0].contains("is gone"), "{warnings:?}");
}

/// In a store that is not configured, and a value that is no URI.
const NEVER: [&str; 2] = ["rbd://fsid/pool/a/snap", "neither a URI nor its cipher text"];

async fn a_location_that_can_never_be_asked_is_left_out_beside_a_good_copy(kind: Kind) {
    let world = World::new(kind).await;
    std::fs::create_dir(world.datadir().join("folder")).unwrap();
    for (number, value) in [NEVER[0], NEVER[1], &world.uri("folder")].into_iter().enumerate() {
        let id = format!("a{number}");
        world.deleted_image(&id).await;
        world.rows().location(&id, value, "pending_delete", Some(DELETE_BEGAN)).await;
        let reverted = world.revert(&id).await.unwrap();
        assert_eq!(world.locations(&id).await, format!("{LIVE}, pending_delete deleted time"));
        assert_eq!(reverted.warnings.len(), 1, "{:?}", reverted.warnings);
        assert!(reverted.warnings[0].contains("location"), "{:?}", reverted.warnings);
    }
}

async fn an_image_whose_locations_can_never_be_asked_is_a_conflict(kind: Kind) {
    let world = World::new(kind).await;
    for (id, value) in ["a", "b"].into_iter().zip(NEVER) {
        world.rows().deleted_image(id, value, 8).await;
        let refused = world.revert(id).await.map(drop).unwrap_err();
        assert!(matches!(refused, RevertError::NotVerifiable { .. }), "{refused}");
        assert_eq!(world.status(id).await, "pending_delete deleted time");
    }
}

async fn nothing_is_written_when_a_store_cannot_be_asked(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    std::fs::rename(world.datadir(), world.datadir().with_extension("away")).unwrap();
    let refused = world.revert("a").await.unwrap_err();
    assert!(matches!(refused, RevertError::StoreUnavailable { .. }), "{refused}");
    assert_eq!(world.status("a").await, "pending_delete deleted time");
}

async fn the_data_is_not_examined_when_the_caller_says_so(kind: Kind) {
    let world = World::new(kind).await;
    world.rows().deleted_image("a", "rbd://fsid/pool/a/snap", 8).await;
    let reverted = world.revert_with("a", &RevertRequest::whole(Verify::None)).await.unwrap();
    assert_eq!(world.status("a").await, LIVE);
    assert!(reverted.warnings[0].contains("not checked"), "{:?}", reverted.warnings);
}

async fn a_checksum_that_differs_is_found(kind: Kind) {
    let world = World::new(kind).await;
    for (id, md5) in
        [("good", "98bf7d8c15784f0a3d63204441e1e2aa"), ("bad", "00000000000000000000000000000000")]
    {
        world.deleted_image(id).await;
        world.db.execute(&format!("UPDATE images SET checksum = '{md5}' WHERE id = '{id}'")).await;
    }
    let request = RevertRequest::whole(Verify::Checksum);
    world.revert_with("good", &request).await.unwrap();
    assert_eq!(world.status("good").await, LIVE);
    let refused = world.revert_with("bad", &request).await.unwrap_err();
    assert!(refused.to_string().contains("a different hash"), "{refused}");
    assert_eq!(world.status("bad").await, "pending_delete deleted time");
}

async fn a_dry_run_writes_nothing(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    let request = RevertRequest { dry_run: true, ..RevertRequest::whole(Verify::Exists) };
    let reverted = world.revert_with("a", &request).await.unwrap();
    assert_eq!(reverted.image.status.as_str(), "active");
    assert_eq!(world.status("a").await, "pending_delete deleted time");
    assert_eq!(world.locations("a").await, "pending_delete deleted time");
}

async fn kinds_of_children_can_be_skipped(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    let children = Children { properties: false, tags: true, members: false };
    let request = RevertRequest { children, ..RevertRequest::whole(Verify::Exists) };
    let reverted = world.revert_with("a", &request).await.unwrap();
    assert_eq!(world.live("image_properties", "name", "a").await, "");
    assert_eq!(world.live("image_tags", "value", "a").await, "blue");
    assert_eq!(world.live("image_members", "member", "a").await, "");
    assert_eq!((reverted.image.properties.len(), reverted.image.tags.len()), (0, 1));
}

async fn an_image_can_be_protected_on_its_way_back(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    let request = RevertRequest { protect: true, ..RevertRequest::whole(Verify::Exists) };
    assert!(world.revert_with("a", &request).await.unwrap().image.protected);
    let protected = world.db.rows("SELECT id FROM images WHERE protected = TRUE").await;
    assert_eq!(protected, [[Some("a".to_owned())]]);
}

async fn images_that_upstreams_restore_left_are_repaired(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    world.db.execute("UPDATE images SET status = 'active', deleted = FALSE").await;
    world.revert("a").await.unwrap();
    assert_eq!(world.status("a").await, LIVE);
    assert_eq!(world.locations("a").await, LIVE);
    assert_eq!(world.live("image_properties", "name", "a").await, "empty, os_distro");
    assert_eq!(world.live("image_members", "member", "a").await, "friend");
}

async fn a_tag_that_was_added_again_is_not_doubled_by_a_repair(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    world.rows().tag("a", "green", Some(DELETED)).await;
    world.db.execute("UPDATE images SET status = 'active', deleted = FALSE").await;
    world.rows().tag("a", "blue", None).await;
    world.rows().member("a", "friend", None).await;
    world.revert("a").await.unwrap();
    assert_eq!(world.live("image_tags", "value", "a").await, "blue, green");
    assert_eq!(world.live("image_members", "member", "a").await, "friend");
}

async fn a_delete_between_its_transactions_is_left_alone_until_it_counts_as_dead(kind: Kind) {
    let world = World::new(kind).await;
    let moment = &half_a_minute_ago(&world).await;
    std::fs::write(world.datadir().join("a"), b"contents").unwrap();
    world.rows().image("a", "pending_delete", 8, None).await;
    world.db.execute(&format!("UPDATE images SET updated_at = '{moment}'")).await;
    world.rows().location("a", &world.uri("a"), "pending_delete", Some(moment)).await;
    world.rows().property("a", "os_distro", Some("debian"), Some(moment)).await;
    world.rows().tag("a", "blue", None).await;
    let refused = world.revert("a").await.unwrap_err();
    let RevertError::NotPending(_, NotPending::DeleteInProgress { retry_after }) = refused else {
        panic!("{refused}")
    };
    assert!((10..=31).contains(&retry_after.as_secs()), "{retry_after:?}");
    world.db.earlier("images", "TRUE", 40).await;
    let reverted = world.revert("a").await.unwrap();
    assert_eq!(world.status("a").await, LIVE);
    assert_eq!(world.live("image_properties", "name", "a").await, "os_distro");
    assert_eq!(reverted.image.tags.len(), 1);
}

/// By the database's clock, whatever this host's clock says.
async fn half_a_minute_ago(world: &World) -> String {
    let now = world.open().repo.now().await.unwrap();
    (now - Duration::from_secs(30)).format("%Y-%m-%d %H:%M:%S.000000").to_string()
}

async fn refusal(world: &World) -> NotPending {
    match world.revert("a").await {
        Err(RevertError::NotPending(_, reason)) => reason,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// MariaDB's comparison ignores case.
async fn words_that_differ_in_case_alone_are_different_words(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    world.rows().property("a", "OS_GLANCE_x", Some("1"), Some(DELETE_BEGAN)).await;
    world.rows().tag("a", "Blue", None).await;
    world.rows().member("a", "FRIEND", None).await;
    world.db.execute("UPDATE images SET status = 'active', deleted = FALSE").await;
    let reverted = world.revert("a").await.unwrap();
    let restored = reverted.restored;
    assert_eq!((restored.properties, restored.tags, restored.members), (3, 1, 1));
    let tags = world.db.rows("SELECT value FROM image_tags WHERE deleted = FALSE").await;
    assert_eq!(tags.len(), 2);
}

/// `deleted_at` is still that of the delete which upstream's --restore undid.
async fn a_delete_of_a_repaired_image_is_left_alone_until_it_counts_as_dead(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    world
        .db
        .execute(&format!(
            "UPDATE images SET status = 'active', deleted = FALSE; \
             UPDATE image_locations SET deleted_at = '{}'",
            half_a_minute_ago(&world).await
        ))
        .await;
    let refused = world.revert("a").await.unwrap_err();
    let RevertError::NotPending(_, NotPending::DeleteInProgress { .. }) = refused else {
        panic!("{refused}")
    };
    world.db.earlier("image_locations", "TRUE", 40).await;
    let restored = world.revert("a").await.unwrap().restored;
    assert_eq!((restored.locations, restored.properties), (1, 2));
}

async fn an_active_image_is_a_conflict(kind: Kind) {
    let world = World::new(kind).await;
    world.live_image("a").await;
    assert_eq!(refusal(&world).await, NotPending::AlreadyActive);
}

async fn a_claimed_image_is_a_conflict(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    world.claim(&["a"]).await;
    assert_eq!(refusal(&world).await, NotPending::ScrubInProgress);
}

async fn a_scrubbed_image_is_a_conflict(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    world.db.execute("UPDATE images SET status = 'deleted'").await;
    world.db.execute("UPDATE image_locations SET status = 'deleted'").await;
    // its data exists, but nobody has compared the hash
    let refused = world.revert("a").await.unwrap_err();
    assert!(matches!(refused, RevertError::Scrubbed { chance: true, .. }), "{refused:?}");
    assert_eq!(refused.reason(), "image.already_scrubbed");
}

async fn an_image_without_locations_is_a_conflict(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    world.db.execute("DELETE FROM image_locations").await;
    assert_eq!(refusal(&world).await, NotPending::NoLocations);
}

async fn an_image_of_another_status_is_a_conflict(kind: Kind) {
    let world = World::new(kind).await;
    world.rows().image("a", "queued", 8, None).await;
    assert!(matches!(refusal(&world).await, NotPending::OtherStatus(_)));
}

async fn an_unknown_image_is_not_found(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    for id in ["b", "A", "a%", "' OR 1=1 --"] {
        if glance_revert::domain::image::ImageId::parse(id).is_ok() {
            assert!(matches!(world.revert(id).await, Err(RevertError::NotFound(_))), "{id}");
        }
    }
    assert_eq!(world.status("a").await, "pending_delete deleted time");
}

async fn the_second_of_two_reverts_finds_the_image_active(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    let (one, two) = tokio::join!(world.revert("a"), world.revert("a"));
    let refused = match (one, two) {
        (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
        other => panic!("one of the two must win: {other:?}"),
    };
    assert!(matches!(refused, RevertError::NotPending(_, NotPending::AlreadyActive)), "{refused}");
    assert_eq!(world.status("a").await, LIVE);
}

async fn an_image_with_hundreds_of_children_comes_back_whole(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    for number in 0..150 {
        world.rows().property("a", &format!("p{number}"), Some("v"), Some(DELETED)).await;
        world.rows().tag("a", &format!("t{number}"), Some(DELETED)).await;
        world.rows().member("a", &format!("m{number}"), Some(DELETED)).await;
    }
    let restored = world.revert("a").await.unwrap().restored;
    assert_eq!((restored.properties, restored.tags, restored.members), (152, 151, 151));
}

/// A revert tries only three times: concurrent reverts of other images must not use up these
/// attempts.
async fn reverts_of_many_images_at_once_do_not_stand_in_each_others_way(kind: Kind) {
    const AT_ONCE: u32 = 12;
    let world = World::new(kind).await;
    let ids: Vec<_> = (0..600).map(|number| format!("i{number:03}")).collect();
    for some in ids.chunks(100) {
        world.rows().deleted_images(some, &world.uri(""), 8).await;
    }
    let reverter = world.reverter(&world.open_many(AT_ONCE));
    let request = RevertRequest::whole(Verify::None);
    let admin = Admin::local_operator();
    let reverts = ids.iter().take(240).map(async |id| {
        let id = ImageId::parse(id).unwrap();
        reverter.revert(&admin, &id, &request).await.map(|reverted| reverted.restored.properties)
    });
    let results: Vec<_> = stream::iter(reverts).buffer_unordered(AT_ONCE as usize).collect().await;
    for result in results {
        assert_eq!(result.unwrap(), 4);
    }
}
