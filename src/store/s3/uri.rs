//! The URI grammar of the S3 store: `s3://[ACCESS:SECRET@]host[:port][/prefix]/bucket/key`, in
//! which nothing is escaped.
//!
//! Glance takes the last two parts as bucket and key and sends the request to the configured host,
//! whatever host the URI names. This store requires that host, prefix and bucket are the configured
//! ones, so a row can only choose the key.

use rusty_s3::Credentials;

use crate::config::S3Endpoint;
use crate::domain::store::StoreUri;
use crate::store::as_python_reads;

const SCHEMES: [&str; 3] = ["s3://", "s3+http://", "s3+https://"];

/// The configured bucket, as written in URIs.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// `host[:port][/prefix]/bucket/`, with and without the scheme's default port.
    spellings: Vec<String>,
    /// `host[:port][/prefix]`, normalized.
    host: String,
}

/// The parts of a URI in this bucket.
#[derive(Debug)]
pub(super) struct Inside<'u> {
    /// Characters of the URI that name the bucket.
    pub(super) length: usize,
    /// `ACCESS:SECRET`, as Glance wrote it before 2026.
    userinfo: Option<&'u str>,
    key: &'u str,
}

impl Place {
    pub(super) fn new(endpoint: &S3Endpoint, bucket: &str) -> Self {
        let implied = if endpoint.https { ":443" } else { ":80" };
        let authority = endpoint.authority.as_str();
        let bare = authority.strip_suffix(implied).unwrap_or(authority);
        let authorities = if has_port(bare) {
            vec![bare.to_owned()]
        } else {
            vec![bare.to_owned(), format!("{bare}{implied}")]
        };
        let prefix = endpoint.prefix.as_str();
        let slash = if prefix.is_empty() { "" } else { "/" };
        let spell = |authority: String| format!("{authority}{slash}{prefix}/{bucket}/");
        let host = format!("{}{slash}{prefix}", bare.to_ascii_lowercase());
        Self { spellings: authorities.into_iter().map(spell).collect(), host }
    }

    /// The object that `glance_store` opens: the last two parts of the URI, in any bucket, at the
    /// configured host.
    pub(super) fn opened(&self, uri: &StoreUri) -> Option<String> {
        let rest = SCHEMES.iter().find_map(|scheme| uri.as_str().strip_prefix(scheme))?;
        let path = as_python_reads(rest);
        let (before, key) = path.trim_matches('/').rsplit_once('/')?;
        let bucket = before.rsplit('/').next()?;
        Some(format!("s3:{}:{bucket}/{key}", self.host))
    }

    /// Parses a URI in this bucket; `None` if it is elsewhere. The secret may contain any
    /// character, so the search starts at the end.
    pub(super) fn find<'u>(&self, uri: &'u StoreUri) -> Option<Inside<'u>> {
        let rest = SCHEMES.iter().find_map(|scheme| uri.as_str().strip_prefix(scheme))?;
        self.spellings.iter().find_map(|spelling| {
            let (before, key) = split_at_place(rest, spelling)?;
            let userinfo = match before.strip_suffix('@') {
                Some(userinfo) => Some(userinfo),
                None if before.is_empty() => None,
                None => return None,
            };
            Some(Inside { length: spelling.len(), userinfo, key })
        })
    }
}

/// Splits around `spelling`, in which the host is case-insensitive and the prefix and bucket are
/// not.
fn split_at_place<'u>(rest: &'u str, spelling: &str) -> Option<(&'u str, &'u str)> {
    let host = spelling.find('/')?;
    let matches = |found: &str| {
        found.is_char_boundary(host)
            && found[..host].eq_ignore_ascii_case(&spelling[..host])
            && found[host..] == spelling[host..]
    };
    // The key has no slash, so the bucket ends at the last one.
    let (head, key) = rest.rsplit_once('/')?;
    let head = &rest[..=head.len()];
    let start = head.len().checked_sub(spelling.len())?;
    let found = head.get(start..)?;
    matches(found).then(|| (&head[..start], key))
}

fn has_port(authority: &str) -> bool {
    let after_host = authority.rsplit(']').next().unwrap_or(authority);
    after_host.contains(':')
}

impl Inside<'_> {
    /// The object's key. Refuses doubtful forms, which Glance never writes.
    pub(super) fn key(&self) -> Result<&str, &'static str> {
        if self.key.is_empty() {
            return Err("it names no object");
        }
        if matches!(self.key, "." | "..") {
            return Err("its key is a path, not a name");
        }
        if self.key.contains(['?', '#']) {
            return Err("its key has a '?' or '#', which Glance would cut off");
        }
        if self.key.contains(|character: char| character.is_control()) {
            return Err("its key has a control character");
        }
        Ok(self.key)
    }

    /// The keys in the row, if it has any.
    pub(super) fn credentials(&self) -> Option<Credentials> {
        let (access, secret) = self.userinfo?.split_once(':')?;
        let whole = !access.is_empty() && !secret.is_empty();
        whole.then(|| Credentials::new(access, secret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(https: bool, authority: &str, prefix: &str) -> S3Endpoint {
        S3Endpoint { https, authority: authority.to_owned(), prefix: prefix.to_owned() }
    }

    fn key(place: &Place, text: &str) -> Option<String> {
        let uri = StoreUri::parse(text).unwrap();
        let key = place.find(&uri)?.key().unwrap().to_owned();
        Some(key)
    }

    #[test]
    fn every_form_that_glance_has_written_is_understood() {
        let place = Place::new(&endpoint(true, "s3.example.org", ""), "images");
        for text in [
            "s3://s3.example.org/images/x",
            "s3+https://S3.Example.org/images/x",
            "s3+https://s3.example.org:443/images/x",
            "s3+http://s3.example.org/images/x",
            "s3://AK:SE/CR+E@T:/@s3.example.org/images/x",
        ] {
            assert_eq!(key(&place, text).as_deref(), Some("x"), "{text}");
        }
        let deep = Place::new(&endpoint(false, "[::1]:8080", "a/b"), "images");
        assert_eq!(key(&deep, "s3://[::1]:8080/a/b/images/a%20b").as_deref(), Some("a%20b"));
    }

    #[test]
    fn a_row_can_choose_neither_host_nor_bucket() {
        let place = Place::new(&endpoint(true, "s3.example.org", ""), "images");
        for text in [
            "s3://evil.example.org/images/x",
            "s3://evils3.example.org/images/x",
            "s3://evil/s3.example.org/images/x",
            "s3://s3.example.org:8443/images/x",
            "s3://s3.example.org/images2/x",
            "s3://s3.example.org/Images/x",
            "s3://s3.example.org/other/images/x",
            "s3://s3.example.org/images",
            "s3://s3.example.org@evil/images/x",
            "s3://s3.example.org/images@evil/bucket/x",
            "S3://s3.example.org/images/x",
            "https://s3.example.org/images/x",
        ] {
            assert_eq!(key(&place, text), None, "{text}");
        }
    }

    #[test]
    fn keys_that_are_no_names_are_refused() {
        let place = Place::new(&endpoint(true, "h", ""), "b");
        for key in ["", ".", "..", "x?versionId=1", "x#y", "x\ny"] {
            let uri = StoreUri::parse(&format!("s3://h/b/{key}")).unwrap();
            assert!(place.find(&uri).unwrap().key().is_err(), "{key:?}");
        }
    }

    #[test]
    fn keys_in_a_row_are_taken_as_they_stand() {
        let place = Place::new(&endpoint(true, "h", ""), "b");
        let credentials = |text: &str| {
            let uri = StoreUri::parse(text).unwrap();
            let found = place.find(&uri).unwrap().credentials();
            found.map(|keys| (keys.key().to_owned(), keys.secret().to_owned()))
        };
        let keys = Some(("AK".to_owned(), "SE/C@R:ET+%2F".to_owned()));
        assert_eq!(credentials("s3://AK:SE/C@R:ET+%2F@h/b/x"), keys);
        for without in ["s3://h/b/x", "s3://@h/b/x", "s3://AK@h/b/x", "s3://AK:@h/b/x"] {
            assert_eq!(credentials(without), None, "{without}");
        }
    }
}
