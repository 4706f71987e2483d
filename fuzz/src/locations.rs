//! Values in `image_locations`.

use aes::Aes128;
use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeEncrypt, KeyIvInit};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::location::{Location, LocationMetadata, LocationStatus, LocationValue};
use glance_revert::domain::store::Stores;

use super::world::{KEY, with};
use super::{first_line, text};

const IMAGE: &str = "0a1b2c3d-0000-4000-8000-000000000001";

/// On the first line the name of a store, as in the row's metadata, and on the next one the value.
pub(super) fn uri(data: &[u8]) {
    let (store, value) = first_line(data);
    let store = serde_json::json!({ "store": text(store) }).to_string();
    ask_of(&text(value), Some(store));
    ask_of(&text(value), None);
}

/// Cipher text as it is; bytes encoded as base64; and the plain text of a row.
pub(super) fn encrypted(data: &[u8]) {
    ask_of(&text(data), None);
    ask_of(&URL_SAFE.encode(data), None);
    let Some((iv, plain)) = data.split_first_chunk::<16>() else { return };
    let mut buffer = plain.to_vec();
    buffer.push(0);
    buffer.resize(buffer.len().next_multiple_of(16), b'x');
    let length = buffer.len();
    let cipher = cbc::Encryptor::<Aes128>::new_from_slices(KEY.as_bytes(), iv).unwrap();
    cipher.encrypt_padded::<NoPadding>(&mut buffer, length).unwrap();
    let stored = URL_SAFE.encode([&iv[..], &buffer[..]].concat());
    let read = with(|world| world.stores.uri(&LocationValue::new(stored)));
    let is_plain = std::str::from_utf8(plain).is_ok_and(|plain| plain.starts_with("file://"));
    assert!(read.is_some() || !is_plain, "what was encrypted is not read");
}

/// The column `meta_data`.
pub(super) fn metadata(data: &[u8]) {
    let read = LocationMetadata::read(Some(text(data)));
    drop(read.shown());
    ask_of("file:///var/lib/glance/images/x", Some(text(data)));
}

fn ask_of(value: &str, metadata: Option<String>) {
    let location = Location {
        id: 1,
        value: LocationValue::new(value.to_owned()),
        metadata: LocationMetadata::read(metadata),
        status: LocationStatus::PendingDelete,
        deleted: true,
        deleted_at: None,
    };
    let image = ImageId::parse(IMAGE).unwrap();
    with(|world| {
        let placed = world.stores.place(&location);
        let objects = world.stores.objects(&location);
        assert_eq!(objects, world.stores.objects(&location));
        if let Err(why) = &placed {
            assert!(!why.to_string().is_empty());
        }
        let Some(uri) = world.stores.uri(&location.value) else {
            assert!(placed.is_err() && objects.is_empty());
            return;
        };
        for store in world.stores.all() {
            let (claimed, accepted) = (store.claims(&uri), store.accepts(&image, &uri));
            let length = uri.as_str().len();
            assert!(claimed.is_none_or(|claimed| claimed <= length), "claims more than there is");
            assert!(store.id().0 == "web" || claimed.is_some() || accepted.is_err());
            let _ = (store.objects(&uri), store.part(&uri), store.tells_apart(&uri));
        }
    });
}
