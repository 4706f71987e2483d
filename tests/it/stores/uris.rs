//! Random locations for the grammar of every store: no value in a row causes a panic, acceptable
//! locations are claimed, and two spellings name the same object exactly if Glance opens the same
//! one.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use glance_revert::config::{
    FileConfig, HttpConfig, RbdConfig, S3Config, S3Endpoint, S3Keys, StoreConfig, StoreKind,
    UrlFormat,
};
use glance_revert::domain::image::ImageId;
use glance_revert::domain::store::{Store, StoreUri, Stores};
use glance_revert::store::{ConfiguredStores, StoreOptions};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::support::chance::Chance;
use crate::support::clock;
use crate::support::{cinder, swift};

const IMAGE: &str = "0a1b2c3d-0000-4000-8000-000000000001";
const FSID: &str = "4f2b8f0e-0000-4000-8000-00000000cafe";

/// One store of each kind, by its type.
fn all(any_file_name: bool) -> HashMap<String, Arc<dyn Store>> {
    let swift = swift::config("k.example:5000", "glance");
    let kinds = [
        (
            "file",
            StoreKind::File(FileConfig {
                datadirs: vec![PathBuf::from("/srv/images")],
                timeout: None,
            }),
        ),
        ("http", StoreKind::Http(HttpConfig::default())),
        (
            "rbd",
            StoreKind::Rbd(RbdConfig {
                pool: "images".to_owned(),
                user: None,
                ceph_conf: None,
                connect_timeout: None,
            }),
        ),
        (
            "s3",
            StoreKind::S3(S3Config {
                endpoint: S3Endpoint {
                    https: true,
                    authority: "s3.example.org".to_owned(),
                    prefix: "below/a".to_owned(),
                },
                region: "us-east-1".to_owned(),
                keys: Some(S3Keys { access: "AK".into(), secret: "SK".into() }),
                bucket: "images".to_owned(),
                url_format: UrlFormat::Path,
                ca_file: None,
            }),
        ),
        ("swift", StoreKind::Swift(swift)),
        ("cinder", StoreKind::Cinder(cinder::config("k.example:5000"))),
    ];
    let configs = kinds.map(|(id, kind)| StoreConfig { id: id.to_owned(), kind });
    let options = StoreOptions { any_file_name, ..StoreOptions::default() };
    let stores = ConfiguredStores::new(&configs, &options, &clock::machine(), None).unwrap();
    stores.all().into_iter().map(|store| (store.id().0.clone(), store)).collect()
}

/// Pieces of locations, valid and invalid.
const PIECES: [&str; 54] = [
    "/",
    "/",
    "/",
    "//",
    ":",
    "@",
    "%",
    "%2F",
    "%2f",
    "%00",
    "%C3",
    "%3A",
    "?",
    "#",
    ".",
    "..",
    " ",
    "\u{fc}",
    "\u{2603}",
    "\0",
    "\n",
    "\u{202e}",
    "\\",
    "[",
    "]",
    "[::1]",
    "::1",
    "=",
    "&",
    "+",
    "a",
    "A",
    "k.example",
    ":5000",
    ":443",
    ":80",
    "s3.example.org",
    "below",
    "images",
    "glance",
    "srv",
    "srv/images",
    "v3",
    "v2.0",
    "ref1",
    "auth/v1.0",
    "test%3Au:k",
    "snap",
    IMAGE,
    FSID,
    "cinder",
    "://",
    "-00001",
    "x",
];
const SCHEMES: [&str; 14] = [
    "file",
    "filesystem",
    "http",
    "https",
    "rbd",
    "s3",
    "s3+http",
    "s3+https",
    "swift",
    "swift+http",
    "swift+https",
    "swift+config",
    "cinder",
    "FILE",
];

fn any<'a, T: ?Sized>(chance: &mut Chance, all: &[&'a T]) -> &'a T {
    all[chance.below(all.len())]
}

#[test]
fn nothing_that_a_row_can_hold_makes_a_store_panic_and_what_is_accepted_is_claimed() {
    let image = ImageId::parse(IMAGE).unwrap();
    let mut chance = Chance(7);
    let (strict, lax) = (all(false), all(true));
    let (mut accepted, mut claimed) = (0, 0);
    for _ in 0..60_000 {
        let pieces = chance.below(12);
        let scheme = any(&mut chance, &SCHEMES);
        let rest: String = (0..pieces).map(|_| any(&mut chance, &PIECES)).collect();
        let Some(uri) = StoreUri::parse(&format!("{scheme}://{rest}")) else { continue };
        for store in strict.values().chain(lax.values()) {
            let claims = store.claims(&uri);
            let (object, _) = (store.objects(&uri), (store.part(&uri), store.tells_apart(&uri)));
            assert_eq!(object, store.objects(&uri));
            claimed += usize::from(claims.is_some());
            if store.accepts(&image, &uri).is_ok() && store.id().0 != "http" {
                accepted += 1;
                assert!(claims.is_some(), "{} would touch {}", store.id(), uri.as_str());
            }
        }
    }
    assert!(claimed > 10_000 && accepted > 10, "chance came to {claimed} and {accepted}");
}

/// A name that any store accepts, different from all others.
fn name(chance: &mut Chance, at: usize) -> String {
    const LETTERS: [&str; 14] =
        ["a", "B", "0", "-", "_", ".", "~", "+", "\u{fc}", "%", "%41", " ", ",", "'"];
    let length = 1 + chance.below(6);
    let odd: String = (0..length).map(|_| any(chance, &LETTERS)).collect();
    format!("n{at}{odd}n")
}

/// The same with `%c3` for `%C3`.
fn lower(quoted: &str) -> String {
    let mut parts = quoted.split('%').map(str::to_owned);
    let first = parts.next().unwrap();
    let rest = parts.map(|part| format!("%{}{}", part[..2].to_lowercase(), &part[2..]));
    first + &rest.collect::<String>()
}

/// Every spelling of one object in each kind of store.
fn spellings(kind: &str, name: &str) -> Vec<String> {
    let quoted = utf8_percent_encode(name, NON_ALPHANUMERIC).to_string();
    match kind {
        "file" => vec![format!("file:///srv/images/{name}")],
        "rbd" => vec![
            format!("rbd://{FSID}/images/{quoted}/snap"),
            format!("rbd://{}/images/{}/snap", FSID.to_uppercase(), lower(&quoted)),
            format!("rbd://{FSID}/%69mages/{quoted}/%73nap"),
        ],
        "s3" => ["s3", "s3+https", "s3+http"]
            .iter()
            .flat_map(|scheme| {
                ["", "AK:S/K+@:x@"].iter().flat_map(move |keys| {
                    ["s3.example.org", "S3.Example.ORG:443"]
                        .map(move |host| format!("{scheme}://{keys}{host}/below/a/images/{name}"))
                })
            })
            .collect(),
        "swift" => vec![
            format!("swift+http://test%3Au:k@k.example:5000/auth/v1.0/glance/{name}"),
            format!("swift+http://test:u:o/l@d@K.Example:5000/auth/v1.0/glance/{name}"),
            format!("swift+https://test%3Aother:k%2F@k.example:5000/auth/glance/{name}"),
            format!("swift+config://ref1/glance/{name}"),
        ],
        other => panic!("{other}"),
    }
}

#[test]
fn an_object_is_the_same_however_it_is_spelled_and_two_are_never_one() {
    let stores = all(true);
    let image = ImageId::parse(IMAGE).unwrap();
    let mut chance = Chance(11);
    for kind in ["file", "rbd", "s3", "swift"] {
        let store = &stores[kind];
        let mut known: HashMap<String, String> = HashMap::new();
        for at in 0..500 {
            let name = name(&mut chance, at);
            for text in spellings(kind, &name) {
                let uri = StoreUri::parse(&text).unwrap();
                assert!(store.claims(&uri).is_some(), "{kind} does not know {text}");
                assert_eq!(store.accepts(&image, &uri), Ok(()), "{text}");
                // the name within the store
                let object = store.objects(&uri).names.pop().unwrap();
                let first = known.entry(object.clone()).or_insert_with(|| name.clone());
                assert_eq!(*first, name, "{text} and {first} are both {object}");
            }
            assert_eq!(known.len(), at + 1, "{kind} has several objects of one name: {name}");
        }
    }
}
