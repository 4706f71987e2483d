//! The grammar of `cinder://` URIs: `cinder://<volume>`, and `cinder://<store>/<volume>` of the
//! multi-store form.

use crate::domain::store::StoreUri;

/// A URI, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CinderUri<'u> {
    pub(super) store: Option<&'u str>,
    /// A UUID.
    pub(super) volume: &'u str,
    /// Characters before the volume.
    pub(super) length: usize,
}

impl<'u> CinderUri<'u> {
    /// `None` if it is not such a URI.
    pub(super) fn parse(uri: &'u StoreUri) -> Option<Self> {
        let rest = uri.as_str().strip_prefix("cinder://")?;
        let (store, volume) = match rest.split_once('/') {
            Some((store, volume)) => (Some(store), volume),
            None => (None, rest),
        };
        let hyphenated = volume.len() == uuid::fmt::Hyphenated::LENGTH;
        let is_uuid = hyphenated && uuid::Uuid::try_parse(volume).is_ok();
        let length = uri.as_str().len() - volume.len();
        (is_uuid && store != Some("")).then_some(Self { store, volume, length })
    }
}

/// The volume that `glance_store` uses: the text after the last `/`, in each spelling of a UUID
/// that Python's `uuid.UUID` accepts.
pub(super) fn volume(uri: &StoreUri) -> Option<String> {
    let rest = uri.as_str().strip_prefix("cinder://")?;
    let last = rest.rsplit('/').next()?.replace("urn:", "").replace("uuid:", "");
    let hex = last.trim_matches(['{', '}']).replace('-', "").to_ascii_lowercase();
    (hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOLUME: &str = "0a1b2c3d-0000-4000-8000-000000000001";

    #[test]
    fn a_volume_is_a_uuid_in_no_store_or_in_one() {
        let parsed = |text: &str| {
            let uri = StoreUri::parse(text)?;
            let uri = CinderUri::parse(&uri)?;
            Some((uri.store.map(str::to_owned), uri.volume.to_owned()))
        };
        let of = |store: Option<&str>| (store.map(str::to_owned), VOLUME.to_owned());
        assert_eq!(parsed(&format!("cinder://{VOLUME}")), Some(of(None)));
        assert_eq!(parsed(&format!("cinder://fast/{VOLUME}")), Some(of(Some("fast"))));
        for text in [
            "cinder://fast/x",
            "cinder://fast",
            &format!("cinder:///{VOLUME}"),
            &format!("cinder://a/b/{VOLUME}"),
            &format!("cinder://{VOLUME}?x"),
            &format!("cinder://{}", VOLUME.replace('-', "")),
            &format!("rbd://{VOLUME}"),
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
