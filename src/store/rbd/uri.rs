//! The grammar of `rbd://` locations.

use percent_encoding::percent_decode_str;

use super::protocol::Target;
use crate::domain::store::StoreUri;

const PREFIX: &str = "rbd://";

/// Parses `rbd://FSID/POOL/IMAGE/SNAP`, each part quoted, or the oldest form `rbd://IMAGE`, which
/// is not quoted and is in the configured pool. The error is the end of a sentence.
pub(super) fn parse(uri: &StoreUri, pool: &str) -> Result<Target, &'static str> {
    let path = uri.as_str().strip_prefix(PREFIX).ok_or("does not begin with rbd://")?;
    let parts: Vec<&str> = path.split('/').collect();
    let target = match parts[..] {
        [image] => {
            Target { fsid: None, pool: pool.to_owned(), image: image.to_owned(), snap: None }
        }
        [fsid, pool, image, snap] => Target {
            fsid: Some(unquoted(fsid)?),
            pool: unquoted(pool)?,
            image: unquoted(image)?,
            snap: Some(unquoted(snap)?),
        },
        _ => return Err("is neither rbd://FSID/POOL/IMAGE/SNAP nor rbd://IMAGE"),
    };
    let names =
        [target.fsid.as_deref(), Some(&target.pool), Some(&target.image), target.snap.as_deref()];
    for name in names.into_iter().flatten() {
        if name.is_empty() {
            return Err("has an empty part");
        }
        if name.contains(|c: char| c.is_control()) {
            return Err("has a control character in a name");
        }
    }
    Ok(target)
}

/// The cluster, pool and image as `glance_store` reads them, in any spelling.
pub(super) fn image(uri: &StoreUri, pool: &str) -> Option<(Option<String>, String)> {
    let plain = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let parts: Vec<&str> = uri.as_str().strip_prefix(PREFIX)?.split('/').collect();
    match parts[..] {
        _ if parts.contains(&"") => None,
        [image] => Some((None, format!("{pool}/{image}"))),
        [fsid, pool, image, _] => {
            Some((Some(plain(fsid)), format!("{}/{}", plain(pool), plain(image))))
        }
        _ => None,
    }
}

/// Length of the part of the URI that names the pool.
pub(super) fn claimed(uri: &StoreUri, pool: &str) -> Option<usize> {
    let target = parse(uri, pool).ok()?;
    let text = uri.as_str();
    let of_pool = match target.fsid {
        None => PREFIX.len(),
        Some(_) => text.match_indices('/').nth(3).map_or(PREFIX.len(), |(at, _)| at),
    };
    (target.pool == pool).then_some(of_pool)
}

fn unquoted(part: &str) -> Result<String, &'static str> {
    let text = percent_decode_str(part).decode_utf8();
    text.map(std::borrow::Cow::into_owned).map_err(|_| "is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Target, &'static str> {
        parse(&StoreUri::parse(text).unwrap(), "images")
    }

    #[test]
    fn both_forms_are_read() {
        let target = read("rbd://f-1/po%20ol/im%25age/snap").unwrap();
        assert_eq!(
            (target.fsid.as_deref(), &*target.pool, &*target.image, target.snap.as_deref()),
            (Some("f-1"), "po ol", "im%age", Some("snap"))
        );
        let target = read("rbd://im%20age").unwrap();
        assert_eq!(
            (target.fsid, &*target.pool, &*target.image, target.snap),
            (None, "images", "im%20age", None)
        );
        assert_eq!(read("rbd://f/p/%C3%BC%E2%98%83/s").unwrap().image, "ü☃");
        assert_eq!(read("rbd://f/p/a%zz/s").unwrap().image, "a%zz", "as Python unquotes it");
        assert_eq!(read("rbd://f/p/a%2Fb%40c/s").unwrap().image, "a/b@c", "a name, no path");
    }

    #[test]
    fn every_other_form_is_refused() {
        for text in [
            "rbd://",
            "rbd://a/b",
            "rbd://a/b/c",
            "rbd://a/b/c/d/e",
            "rbd:///p/i/s",
            "rbd://f//i/s",
            "rbd://f/p//s",
            "rbd://f/p/i/",
            "RBD://f/p/i/s",
            "rbd://f/p/%ff/s",
            "rbd://f/p/i%00/s",
            "rbd://f/p/i%0a/s",
            "rbds://f/p/i/s",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_the_configured_pool_is_claimed_and_by_its_whole_name() {
        let claims = |text: &str| claimed(&StoreUri::parse(text).unwrap(), "images");
        assert_eq!(claims("rbd://f-1/images/i/snap"), Some("rbd://f-1/images".len()));
        assert_eq!(claims("rbd://f-1/%69mages/i/snap"), Some("rbd://f-1/%69mages".len()));
        assert_eq!(claims("rbd://i"), Some("rbd://".len()));
        for other in ["rbd://f-1/images2/i/snap", "rbd://f-1/volumes/i/snap", "rbd://f/images/i"] {
            assert_eq!(claims(other), None, "{other}");
        }
    }
}
