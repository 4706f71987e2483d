//! The cases. Each has its own stand, and uses the product only through `Stores`.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use glance_revert::domain::evidence::{Finding, verify};
use glance_revert::domain::image::{Image, ImageId};
use glance_revert::domain::location::{Location, LocationMetadata, LocationStatus, LocationValue};
use glance_revert::domain::revert::Verify;
use glance_revert::domain::store::{Deletion, Placed, Presence, StoreError};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::stand::{Stand, new_image};
use crate::support::images;
use crate::support::proxy::Fault;

/// `store_timeout` of every stand: long enough for a loaded machine, short enough to wait for.
pub(super) const LIMIT: Duration = Duration::from_secs(3);

const DATA: &[u8] = b"every bit of an image";
/// More requests than any store sends in one call.
const MOMENTS: usize = 40;

fn location(value: &str, store: Option<&str>) -> Location {
    let metadata = store.map_or(json!({}), |store| json!({ "store": store }));
    Location {
        id: 7,
        value: LocationValue::new(value.to_owned()),
        metadata: LocationMetadata::read(Some(metadata.to_string())),
        status: LocationStatus::PendingDelete,
        deleted: true,
        deleted_at: None,
    }
}

fn placed(stand: &dyn Stand, name: &str) -> Placed {
    stand.stores().place(&location(&stand.uri(name), None)).unwrap()
}

/// Stores a new image, and resolves its location.
async fn stored(stand: &dyn Stand, data: &[u8]) -> (ImageId, Placed) {
    let id = new_image();
    stand.put(id.as_str(), data).await;
    let placed = placed(stand, id.as_str());
    placed.store.accepts(&id, &placed.uri).unwrap();
    (id, placed)
}

async fn stat(id: &ImageId, placed: &Placed) -> Result<Presence, StoreError> {
    placed.store.stat(id, &placed.uri).await
}

async fn delete(id: &ImageId, placed: &Placed) -> Deletion {
    placed.store.delete(id, &placed.uri).await
}

async fn read(id: &ImageId, placed: &Placed) -> Result<Option<Vec<u8>>, StoreError> {
    match placed.store.read(id, &placed.uri).await? {
        Some(stream) => Ok(Some(stream.try_collect::<Vec<_>>().await?.concat())),
        None => Ok(None),
    }
}

/// Checks that reading returns `expected`, or that the store says that it cannot read.
async fn assert_read(stand: &dyn Stand, id: &ImageId, placed: &Placed, expected: Option<&[u8]>) {
    let found = read(id, placed).await;
    if stand.proof() == Verify::Checksum {
        assert_eq!(found.as_ref().map(Option::as_deref), Ok(expected));
    } else {
        assert!(matches!(found, Err(StoreError::NotVerifiable(_))), "{found:?}");
    }
}

fn present(data: &[u8]) -> Presence {
    Presence::Present { size: u64::try_from(data.len()).unwrap() }
}

/// The image as in Glance's database, with the size and the hash of `data`.
fn image_of(id: &ImageId, data: &[u8]) -> Image {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, data);
    Image {
        id: id.clone(),
        size: Some(i64::try_from(data.len()).unwrap()),
        os_hash_algo: Some("sha512".to_owned()),
        os_hash_value: Some(hex::encode(hash)),
        ..images::seed()
    }
}

async fn finding(stand: &dyn Stand, id: &ImageId, expected: &[u8]) -> Finding {
    let location = location(&stand.uri(id.as_str()), None);
    verify(&*stand.stores(), &image_of(id, expected), &location, stand.proof()).await
}

pub(super) async fn an_object_is_seen_and_read(stand: &dyn Stand) {
    for data in [DATA, b""] {
        let (id, placed) = stored(stand, data).await;
        assert_eq!(placed.store.health().await, Ok(()));
        assert_eq!(stat(&id, &placed).await, Ok(present(data)));
        assert_read(stand, &id, &placed, Some(data)).await;
        assert_eq!(finding(stand, &id, data).await, Finding::Present);
    }
}

pub(super) async fn an_object_is_destroyed(stand: &dyn Stand) {
    let empty = stand.count().await;
    let (kept, _) = stored(stand, DATA).await;
    let (id, placed) = stored(stand, DATA).await;
    assert_eq!(delete(&id, &placed).await, Deletion::Deleted);
    assert_eq!(stand.look(id.as_str()).await, None);
    assert_eq!(stat(&id, &placed).await, Ok(Presence::Absent));
    assert_eq!(delete(&id, &placed).await, Deletion::Gone);
    assert_eq!(stand.look(kept.as_str()).await.as_deref(), Some(DATA));
    assert_eq!(stand.count().await, empty + 1);
}

async fn delete_all(
    several: &[(ImageId, Placed)],
    stop: &CancellationToken,
) -> Vec<Option<Deletion>> {
    let (_, first) = several.first().unwrap();
    let wanted: Vec<_> = several.iter().map(|(id, placed)| (id, &placed.uri)).collect();
    first.store.delete_all(&wanted, stop).await
}

pub(super) async fn several_objects_go_as_each_does_alone(stand: &dyn Stand) {
    let (empty, go) = (stand.count().await, CancellationToken::new());
    let (kept, _) = stored(stand, DATA).await;
    let mut several = Vec::new();
    for _ in 0..5 {
        several.push(stored(stand, DATA).await);
    }
    let absent = new_image();
    several.insert(2, (absent.clone(), placed(stand, absent.as_str())));

    let stopped = CancellationToken::new();
    stopped.cancel();
    assert_eq!(delete_all(&several, &stopped).await, vec![None; 6]);
    assert_eq!(stand.count().await, empty + 6, "nothing was touched");

    for ((id, _), deletion) in several.iter().zip(delete_all(&several, &go).await) {
        let expected = if *id == absent { Deletion::Gone } else { Deletion::Deleted };
        assert_eq!(deletion, Some(expected));
        assert_eq!(stand.look(id.as_str()).await, None);
    }
    assert_eq!(delete_all(&several, &go).await, vec![Some(Deletion::Gone); 6]);
    assert_eq!(stand.look(kept.as_str()).await.as_deref(), Some(DATA));
    assert_eq!(stand.count().await, empty + 1);
}

pub(super) async fn a_large_object_is_read_and_destroyed_whole(stand: &dyn Stand) {
    let empty = stand.count().await;
    let id = new_image();
    let data = stand.put_large(id.as_str()).await;
    let placed = placed(stand, id.as_str());
    assert_eq!(stat(&id, &placed).await, Ok(present(&data)));
    assert_eq!(finding(stand, &id, &data).await, Finding::Present);
    assert_eq!(delete(&id, &placed).await, Deletion::Deleted);
    assert_eq!(stand.count().await, empty, "no part is left");
    assert_eq!(delete(&id, &placed).await, Deletion::Gone);
}

pub(super) async fn an_absent_object_is_proved_absent(stand: &dyn Stand) {
    let id = new_image();
    let placed = placed(stand, id.as_str());
    assert_eq!(stat(&id, &placed).await, Ok(Presence::Absent));
    assert_read(stand, &id, &placed, None).await;
    assert!(matches!(delete(&id, &placed).await, Deletion::Gone | Deletion::NotOurs));
}

pub(super) async fn absence_is_not_believed_where_the_root_is_missing(stand: &dyn Stand) {
    let (id, placed) = stored(stand, DATA).await;
    stand.take_root_away().await;
    assert!(placed.store.health().await.is_err());
    let seen = stat(&id, &placed).await;
    assert!(matches!(seen, Err(StoreError::Unreachable(_) | StoreError::Refused(_))), "{seen:?}");
    assert!(read(&id, &placed).await.is_err());
    let deletion = delete(&id, &placed).await;
    assert!(matches!(deletion, Deletion::Refused(_) | Deletion::Uncertain(_)), "{deletion:?}");
}

pub(super) async fn what_is_forbidden_stays(stand: &dyn Stand) {
    let (id, placed) = stored(stand, DATA).await;
    stand.set_allowed(false).await;
    let deletion = delete(&id, &placed).await;
    assert!(matches!(deletion, Deletion::Refused(_)), "{deletion:?}");
    let absent = new_image();
    let there = super::cases::placed(stand, absent.as_str());
    let deletion = delete(&absent, &there).await;
    assert!(!matches!(deletion, Deletion::Gone | Deletion::Deleted), "{deletion:?}");
    stand.set_allowed(true).await;
    assert_eq!(stand.look(id.as_str()).await.as_deref(), Some(DATA));
    assert_eq!(delete(&id, &placed).await, Deletion::Deleted);
}

pub(super) async fn what_is_in_use_stays(stand: &dyn Stand) {
    let (id, placed) = stored(stand, DATA).await;
    let held = stand.hold(id.as_str()).await;
    for _ in 0..2 {
        let deletion = delete(&id, &placed).await;
        assert!(matches!(deletion, Deletion::Held(_)), "{deletion:?}");
        assert_eq!(finding(stand, &id, DATA).await, Finding::Present, "it can be reverted");
    }
    drop(held);
    assert_eq!(delete(&id, &placed).await, Deletion::Deleted);
}

pub(super) async fn a_server_that_is_down_is_said_to_be(stand: &dyn Stand) {
    let (id, placed) = stored(stand, DATA).await;
    stand.network().go_down();
    let unreachable = |error| matches!(error, Err(StoreError::Unreachable(_)));
    assert!(unreachable(stat(&id, &placed).await.map(|_| ())));
    if stand.proof() == Verify::Checksum {
        assert!(unreachable(read(&id, &placed).await.map(|_| ())));
    }
    let deletion = delete(&id, &placed).await;
    if deletion != Deletion::NotOurs {
        assert!(unreachable(placed.store.health().await));
        assert!(matches!(deletion, Deletion::Refused(_)), "nothing was asked for: {deletion:?}");
    }
    stand.network().heal();
    assert_eq!(finding(stand, &id, DATA).await, Finding::Present);
}

/// Whether the store's result matches the actual data.
async fn is_true(stand: &dyn Stand, id: &ImageId, data: &[u8], deletion: &Deletion) -> bool {
    let left = stand.look(id.as_str()).await;
    match deletion {
        Deletion::Deleted | Deletion::Gone => left.is_none(),
        Deletion::Held(_) | Deletion::Refused(_) => left.as_deref() == Some(data),
        Deletion::Retained(_) | Deletion::NotOurs => false,
        Deletion::Partial(_) | Deletion::Uncertain(_) => true,
    }
}

/// Lets the same deletion fail at its first message, then at its second, and so on.
async fn at_each_moment(stand: &dyn Stand, fault: impl Fn(usize) -> Fault) {
    at_each_moment_of(stand, fault, Size::Small).await;
}

/// The size of the deleted object.
#[derive(Clone, Copy)]
enum Size {
    Small,
    /// As [`Stand::put_large`] writes it.
    Large,
}

async fn at_each_moment_of(stand: &dyn Stand, fault: impl Fn(usize) -> Fault, size: Size) {
    for moment in 0..MOMENTS {
        let id = new_image();
        let data = match size {
            Size::Small => {
                stand.put(id.as_str(), DATA).await;
                DATA.to_vec()
            }
            Size::Large => stand.put_large(id.as_str()).await,
        };
        let placed = placed(stand, id.as_str());
        stand.network().fail(fault(moment));
        let deletion = delete(&id, &placed).await;
        let had_come = stand.network().heal();
        let is_true = is_true(stand, &id, &data, &deletion).await;
        assert!(is_true, "{:?}: {deletion:?}", fault(moment));
        if !had_come {
            assert_eq!(deletion, Deletion::Deleted);
            return;
        }
        let again = delete(&id, &placed).await;
        assert!(matches!(again, Deletion::Deleted | Deletion::Gone), "{moment}: {again:?}");
        assert_eq!(stand.look(id.as_str()).await, None);
    }
    panic!("a deletion of more than {MOMENTS} messages");
}

pub(super) async fn a_connection_that_fails_at_any_moment_tells_no_lie(stand: &dyn Stand) {
    at_each_moment(stand, Fault::Unsent).await;
    at_each_moment(stand, Fault::Unanswered).await;
}

/// A server that disappears, or forbids everything, between two messages of one deletion, and stays
/// that way.
pub(super) async fn a_server_lost_from_any_moment_on_tells_no_lie(stand: &dyn Stand) {
    at_each_moment(stand, Fault::Closed).await;
    at_each_moment(stand, Fault::Forbidden).await;
}

/// Lets a deletion of several objects fail at its first message, then at its second, and so on;
/// each time with a store without knowledge of the last one.
pub(super) async fn several_objects_fail_at_any_moment_and_no_lie_is_told<S: Stand>(
    start: impl AsyncFn() -> S,
) {
    let faults = [Fault::Unsent, Fault::Unanswered, Fault::Frozen, Fault::Closed, Fault::Forbidden];
    for fault in faults {
        let mut moments = 0..MOMENTS;
        while several_fail(&start().await, fault(moments.next().unwrap())).await {}
    }
}

/// Returns whether the fault occurred.
async fn several_fail(stand: &dyn Stand, fault: Fault) -> bool {
    let mut several = Vec::new();
    for _ in 0..3 {
        several.push(stored(stand, DATA).await);
    }
    stand.network().fail(fault);
    let deletions = delete_all(&several, &CancellationToken::new()).await;
    let had_come = stand.network().heal();
    assert_eq!(deletions.len(), several.len());
    for ((id, placed), deletion) in several.iter().zip(deletions) {
        let deletion = deletion.unwrap();
        assert!(is_true(stand, id, DATA, &deletion).await, "{fault:?}: {deletion:?}");
        assert!(had_come || deletion == Deletion::Deleted, "{fault:?}: {deletion:?}");
        // a request that hung may continue at this moment
        let began = Instant::now();
        let mut again = delete(id, placed).await;
        while !matches!(again, Deletion::Deleted | Deletion::Gone) {
            assert!(began.elapsed() < 3 * LIMIT, "{fault:?}: {again:?}");
            again = delete(id, placed).await;
        }
        assert_eq!(stand.look(id.as_str()).await, None);
    }
    had_come
}

/// The same for an object of several parts, each of which has its own message.
pub(super) async fn a_large_object_fails_at_any_moment_and_no_lie_is_told(stand: &dyn Stand) {
    for fault in [Fault::Unsent, Fault::Unanswered, Fault::Closed, Fault::Forbidden] {
        at_each_moment_of(stand, fault, Size::Large).await;
    }
}

pub(super) async fn a_server_that_hangs_at_any_moment_is_given_up(stand: &dyn Stand) {
    at_each_moment(stand, Fault::Frozen).await;
}

pub(super) async fn a_slow_server_is_waited_for(stand: &dyn Stand) {
    let (id, placed) = stored(stand, DATA).await;
    stand.network().slow_down(Duration::from_millis(100));
    assert_eq!(finding(stand, &id, DATA).await, Finding::Present);
    let deletion = delete(&id, &placed).await;
    assert!(matches!(deletion, Deletion::Deleted | Deletion::NotOurs), "{deletion:?}");
}

/// Cuts the responses to the same read, and then to the same deletion, a bit later each time.
pub(super) async fn an_answer_cut_short_is_no_answer(stand: &dyn Stand) {
    let (id, placed) = stored(stand, DATA).await;
    assert_eq!(stat(&id, &placed).await, Ok(present(DATA)));
    let mut lengths = (0..MOMENTS).map(|step| step * 100);
    let whole = async |bytes: usize| {
        stand.network().cut_answers_after(bytes);
        let seen = stat(&id, &placed).await;
        stand.network().heal();
        let cut = matches!(seen, Err(StoreError::Unreachable(_)));
        assert!(cut || seen == Ok(present(DATA)), "{bytes}: {seen:?}");
        !cut
    };
    let gone = async |bytes: usize| {
        let (id, placed) = stored(stand, DATA).await;
        stand.network().cut_answers_after(bytes);
        let deletion = delete(&id, &placed).await;
        stand.network().heal();
        assert!(is_true(stand, &id, DATA, &deletion).await, "{bytes}: {deletion:?}");
        deletion == Deletion::Deleted
    };
    while !whole(lengths.next().unwrap()).await {}
    while !gone(lengths.next().unwrap()).await {}
}

pub(super) async fn a_body_cut_short_is_no_body(stand: &dyn Stand) {
    let data = vec![7; 1 << 20];
    let (id, placed) = stored(stand, &data).await;
    stand.network().cut_answers_after(data.len() / 2);
    let cut = read(&id, &placed).await;
    assert!(matches!(cut, Err(StoreError::Unreachable(_))), "{:?}", cut.map(|_| "a body"));
    stand.network().heal();
    assert_eq!(finding(stand, &id, &data).await, Finding::Present);
}

pub(super) async fn another_size_is_found_out(stand: &dyn Stand) {
    let (id, _) = stored(stand, DATA).await;
    let found = u64::try_from(DATA.len()).unwrap();
    for expected in [&DATA[1..], b"", &[DATA, b"!"].concat()] {
        let wrong = Finding::WrongSize { found, expected: u64::try_from(expected.len()).unwrap() };
        assert_eq!(finding(stand, &id, expected).await, wrong);
    }
}

pub(super) async fn another_content_is_found_out(stand: &dyn Stand) {
    let (id, _) = stored(stand, DATA).await;
    let mut other = DATA.to_vec();
    other[0] ^= 1;
    assert_eq!(finding(stand, &id, &other).await, Finding::WrongChecksum);
}

pub(super) async fn odd_names_are_taken_literally(stand: &dyn Stand) {
    let names = stand.odd_names();
    for name in names {
        stand.put(name, name.as_bytes()).await;
    }
    let id = new_image();
    for (at, name) in names.iter().enumerate() {
        let placed = placed(stand, name);
        assert_eq!(placed.store.accepts(&id, &placed.uri), Ok(()), "{name}");
        assert_eq!(stat(&id, &placed).await, Ok(present(name.as_bytes())), "{name}");
        assert_eq!(read(&id, &placed).await, Ok(Some(name.as_bytes().to_vec())), "{name}");
        let deletion = delete(&id, &placed).await;
        assert!(matches!(deletion, Deletion::Deleted | Deletion::NotOurs), "{name}: {deletion:?}");
        if deletion == Deletion::Deleted {
            assert_eq!(stand.look(name).await, None, "{name}");
        }
        for other in &names[at + 1..] {
            assert!(stand.look(other).await.is_some(), "{other} went with {name}");
        }
    }
}

pub(super) async fn a_store_without_a_name_or_renamed_is_found(stand: &dyn Stand) {
    let (id, placed) = stored(stand, DATA).await;
    let own = placed.store.id().0.clone();
    for store in [None, Some("renamed"), Some(own.as_str())] {
        let location = location(&stand.uri(id.as_str()), store);
        let found = stand.stores().place(&location).unwrap();
        assert_eq!(found.store.id().0, own, "{store:?}");
        assert_eq!(stat(&id, &found).await, Ok(present(DATA)));
    }
}

pub(super) async fn what_lies_elsewhere_is_not_touched(stand: &dyn Stand) {
    let (id, placed) = stored(stand, DATA).await;
    let own = placed.store.id().0.as_str();
    for uri in stand.elsewhere(id.as_str()) {
        for store in [None, Some(own)] {
            let Ok(placed) = stand.stores().place(&location(&uri, store)) else { continue };
            let refused = placed.store.accepts(&id, &placed.uri);
            assert!(refused.is_err(), "{uri} is in {}", placed.store.id());
        }
    }
    assert_eq!(stand.look(id.as_str()).await.as_deref(), Some(DATA));
}

pub(super) async fn a_thousand_objects_go_and_nothing_is_left(stand: &dyn Stand) {
    let empty = stand.count().await;
    let ids: Vec<_> = (0..1000).map(|_| new_image()).collect();
    let writes = ids.iter().map(|id| stand.put(id.as_str(), DATA));
    stream::iter(writes.collect::<Vec<_>>()).buffer_unordered(16).collect::<Vec<()>>().await;
    for id in [&ids[0], &ids[999]] {
        assert_eq!(stand.look(id.as_str()).await.as_deref(), Some(DATA));
    }
    let deletions = ids.iter().map(|id| async move {
        let placed = placed(stand, id.as_str());
        let mut deletion = delete(id, &placed).await;
        // a server under load may answer too late: the next pass tries again
        if matches!(deletion, Deletion::Uncertain(_)) {
            deletion = delete(id, &placed).await;
        }
        assert!(matches!(deletion, Deletion::Deleted | Deletion::Gone), "{id}: {deletion:?}");
    });
    stream::iter(deletions.collect::<Vec<_>>()).buffer_unordered(16).collect::<Vec<()>>().await;
    assert_eq!(stand.count().await, empty);
}

pub(super) async fn what_the_store_keeps_hidden_is_said_to_be(stand: &dyn Stand) {
    stand.keep_versions().await;
    let (id, placed) = stored(stand, DATA).await;
    let deletion = delete(&id, &placed).await;
    assert!(matches!(deletion, Deletion::Retained(_)), "{deletion:?}");
    let seen = stat(&id, &placed).await;
    assert!(matches!(seen, Ok(Presence::Hidden(_))), "{seen:?}");
    let kept = finding(stand, &id, DATA).await;
    let is_told = matches!(kept, Finding::Hidden(_) | Finding::Kept(_) | Finding::Recoverable(_));
    assert!(is_told, "{kept:?}");
    let again = delete(&id, &placed).await;
    assert!(matches!(again, Deletion::Retained(_)), "{again:?}");
    let never = new_image();
    let nowhere = super::cases::placed(stand, never.as_str());
    assert_eq!(stat(&never, &nowhere).await, Ok(Presence::Absent), "what never was is not hidden");
}
