//! The Cinder store: volumes with an image's size, in a stub of Cinder's API.

use std::sync::Arc;

use async_trait::async_trait;
use glance_revert::config::{CinderConfig, StoreKind};
use glance_revert::domain::revert::Verify;
use glance_revert::domain::store::Stores;
use uuid::Uuid;

use super::cases::{self, LIMIT};
use super::stand::{Held, only, options};
use super::{Stand, store_suite};
use crate::support::cinder::{self, Listening, Mood, Shared, Use, Volume};
use crate::support::proxy::Proxy;

struct Volumes {
    cinder: Shared,
    proxy: Proxy,
    stores: Arc<dyn Stores>,
    /// How [`Stand::hold`] uses a volume.
    held_by: Use,
    /// The part of a location before the volume's id.
    prefix: &'static str,
}

async fn start() -> Volumes {
    let listening = Listening::start().await;
    let proxy = Proxy::before(&listening.authority()).await;
    let cinder = listening.serve(&proxy.address());
    let config = CinderConfig { transition_timeout: LIMIT, ..cinder::config(&proxy.address()) };
    let stores = only("volumes", StoreKind::Cinder(config), &options());
    Volumes { cinder, proxy, stores, held_by: Use::Attached, prefix: "cinder://" }
}

/// Cinder chooses a volume's id; here it is the image's id reversed.
fn volume_of(image: &str) -> String {
    Uuid::from_u128(!Uuid::parse_str(image).unwrap().as_u128()).to_string()
}

fn set_used(cinder: &Shared, volume: &str, used: Option<Use>) {
    let mut cinder = cinder.lock().unwrap();
    let volume = cinder.volumes.get_mut(volume).unwrap();
    volume.status = if used == Some(Use::Attached) { "in-use" } else { "available" };
    volume.used = used;
}

/// Releases the volume when dropped.
struct User(Shared, String);

impl Drop for User {
    fn drop(&mut self) {
        set_used(&self.0, &self.1, None);
    }
}

#[async_trait]
impl Stand for Volumes {
    fn stores(&self) -> Arc<dyn Stores> {
        Arc::clone(&self.stores)
    }

    fn proof(&self) -> Verify {
        Verify::Exists
    }

    fn uri(&self, name: &str) -> String {
        format!("{}{}", self.prefix, volume_of(name))
    }

    async fn put(&self, name: &str, data: &[u8]) {
        let volume = Volume {
            name: format!("image-{name}"),
            status: "available",
            data: data.to_vec(),
            used: None,
            foreign: false,
            tells_size: true,
        };
        self.cinder.lock().unwrap().volumes.insert(volume_of(name), volume);
    }

    async fn look(&self, name: &str) -> Option<Vec<u8>> {
        let cinder = self.cinder.lock().unwrap();
        let volume = cinder.volumes.get(&volume_of(name))?;
        let whole = volume.status != "deleting";
        Some(if whole { volume.data.clone() } else { b"nobody knows how much".to_vec() })
    }

    async fn count(&self) -> usize {
        self.cinder.lock().unwrap().volumes.len()
    }

    async fn take_root_away(&self) {
        self.cinder.lock().unwrap().mood = Mood::Lost;
    }

    async fn set_allowed(&self, allowed: bool) {
        self.cinder.lock().unwrap().mood = if allowed { Mood::Kind } else { Mood::Forbids };
    }

    async fn hold(&self, name: &str) -> Held {
        set_used(&self.cinder, &volume_of(name), Some(self.held_by));
        Box::new(User(Arc::clone(&self.cinder), volume_of(name)))
    }

    fn network(&self) -> &Proxy {
        &self.proxy
    }

    fn odd_names(&self) -> &'static [&'static str] {
        &[]
    }

    fn elsewhere(&self, name: &str) -> Vec<String> {
        let volume = volume_of(name);
        vec![
            format!("cinder://other/{volume}"),
            format!("cinder://volumes2/{volume}"),
            format!("cinder://Volumes/{volume}"),
            format!("cinder:///{volume}"),
            format!("cinder://volumes/p/{volume}"),
            format!("cinder://volumes/{volume}/.."),
            format!("cinder://{volume}/"),
            format!("cinder://{volume}?x"),
            format!("cinder://{volume}#x"),
            format!("cinder://{}", volume.replace('-', "")),
            format!("cinder://volumes/image-{name}"),
        ]
    }
}

store_suite! {
    [] start;
    runs
        an_object_is_seen_and_read,
        an_object_is_destroyed,
        several_objects_go_as_each_does_alone,
        an_absent_object_is_proved_absent,
        absence_is_not_believed_where_the_root_is_missing,
        what_is_forbidden_stays,
        what_is_in_use_stays,
        a_server_that_is_down_is_said_to_be,
        a_connection_that_fails_at_any_moment_tells_no_lie,
        a_server_lost_from_any_moment_on_tells_no_lie,
        a_server_that_hangs_at_any_moment_is_given_up,
        a_slow_server_is_waited_for,
        an_answer_cut_short_is_no_answer,
        another_size_is_found_out,
        a_store_without_a_name_or_renamed_is_found,
        what_lies_elsewhere_is_not_touched,
        a_thousand_objects_go_and_nothing_is_left;
    lacks
        a_large_object_is_read_and_destroyed_whole = "a volume has no parts",
        a_body_cut_short_is_no_body = "Cinder's API reads no data",
        another_content_is_found_out = "as above",
        odd_names_are_taken_literally = "a volume is a UUID; `cinder/uri.rs` has the grammar",
        what_the_store_keeps_hidden_is_said_to_be = "Cinder keeps nothing of a deleted volume";
}

#[tokio::test]
async fn what_has_snapshots_stays() {
    let stand = Volumes { held_by: Use::Snapshots, ..start().await };
    cases::what_is_in_use_stays(&stand).await;
}

#[tokio::test]
async fn a_volume_that_only_the_driver_knows_to_be_in_use_stays() {
    let stand = Volumes { held_by: Use::Clones, ..start().await };
    cases::what_is_in_use_stays(&stand).await;
}

#[tokio::test]
async fn a_location_may_name_its_store() {
    let stand = Volumes { prefix: "cinder://volumes/", ..start().await };
    cases::a_store_without_a_name_or_renamed_is_found(&stand).await;
    cases::an_object_is_destroyed(&stand).await;
}
