//! The grammar of `swift://`, `swift+http://`, `swift+https://` and `swift+config://` URIs, in all
//! forms that `glance_store` has written, and how a URI is matched to a configured store.
//!
//! ```text
//! swift+config://<reference>/<container>/<object>
//! swift+https://[<project>%3A<user>:<key>@]<auth host>/<path>/<container>/<object>
//! swift+https://<storage host>/v1/<account>/<container>_<object>/<object>      (multi-tenant)
//! ```
//!
//! Users and keys are quoted, containers and objects are not. A key may contain a raw `/`.

use percent_encoding::percent_decode_str;

use crate::domain::store::StoreUri;
use crate::store::as_python_reads;

/// A parsed URI.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SwiftUri<'u> {
    pub(super) place: Place<'u>,
    pub(super) container: &'u str,
    pub(super) object: &'u str,
    /// Characters before the object's name.
    pub(super) length: usize,
}

/// Where the container is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place<'u> {
    /// In the account of this reference.
    Reference(&'u str),
    /// At this login address, in the account of this project if one is named.
    Login(Address, Option<String>),
}

/// Host, port and path, normalized so that equivalent addresses are equal. It lacks the scheme and
/// the version of Keystone's API: the configuration, not a row, says how to reach a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address(String);

impl Address {
    /// Takes the part after `://`.
    pub(super) fn new(https: bool, text: &str) -> Self {
        let text = text.trim_matches('/');
        let (authority, path) = text.split_once('/').unwrap_or((text, ""));
        let authority = authority.to_ascii_lowercase();
        let default_port = if https { ":443" } else { ":80" };
        let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
        let path = format!("/{path}");
        let versions = ["/v3", "/v2.0", "/v1.0"];
        let path = versions.iter().find_map(|version| path.strip_suffix(version)).unwrap_or(&path);
        Self(format!("{authority}{}", path.trim_end_matches('/')))
    }

    /// Takes a URL.
    pub(super) fn of_url(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
        Self::new(scheme.eq_ignore_ascii_case("https"), rest)
    }

    /// Splits at the last `/`.
    pub(super) fn split_account(&self) -> Option<(&str, &str)> {
        self.0.rsplit_once('/').filter(|(_, account)| !account.is_empty())
    }
}

impl<'u> SwiftUri<'u> {
    /// `None` if this is not a Swift URI, or if it cannot be sent unchanged.
    pub(super) fn parse(uri: &'u StoreUri) -> Option<Self> {
        let text = uri.as_str();
        // Python cuts a URI at `?` and `#`, and removes control characters.
        if text.contains(['?', '#']) || text.contains(char::is_control) {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        if rest.contains("://") {
            return None;
        }
        let (rest, object) = rest.rsplit_once('/')?;
        let (rest, container) = rest.rsplit_once('/')?;
        // In a URL, these would change the path.
        if [container, object].iter().any(|name| ["", ".", ".."].contains(name)) {
            return None;
        }
        let place = match scheme {
            "swift+config" => Place::Reference(rest),
            "swift" | "swift+https" => login(true, rest)?,
            "swift+http" => login(false, rest)?,
            _ => return None,
        };
        Some(Self { place, container, object, length: text.len() - object.len() })
    }

    /// Whether the container has this name, or this name with a suffix from the object's name:
    /// `swift_store_multiple_containers_seed`, and always in multi-tenant mode.
    pub(super) fn is_in_container(&self, name: &str, multi_tenant: bool) -> bool {
        let Some(suffix) = self.container.strip_prefix(name) else { return false };
        let object = self.object.to_ascii_lowercase();
        match suffix.strip_prefix('_') {
            Some(suffix) if multi_tenant => suffix == self.object,
            Some(suffix) => !suffix.is_empty() && object.starts_with(suffix),
            None => suffix.is_empty() && !multi_tenant,
        }
    }
}

fn login(https: bool, text: &str) -> Option<Place<'_>> {
    let (credentials, address) = match text.rsplit_once('@') {
        Some((credentials, address)) => (Some(credentials), address),
        None => (None, text),
    };
    let project = credentials.map(|credentials| {
        // Older rows have three parts: `project:user:key`.
        let user = credentials.rsplit_once(':').map_or(credentials, |(user, _)| user);
        let user = percent_decode_str(user).decode_utf8_lossy();
        user.split(':').next().unwrap_or_default().to_owned()
    });
    let has_host = !address.is_empty() && !address.starts_with(['/', ':']);
    has_host.then(|| Place::Login(Address::new(https, address), project))
}

/// The container and object that `glance_store` requests: the last two parts.
pub(super) fn opened(uri: &StoreUri) -> Option<String> {
    let (scheme, rest) = uri.as_str().split_once("://")?;
    if !["swift", "swift+http", "swift+https", "swift+config"].contains(&scheme) {
        return None;
    }
    let path = as_python_reads(rest);
    let (before, object) = path.rsplit_once('/')?;
    let container = before.rsplit('/').next()?;
    Some(format!("{container}/{object}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(Option<String>, String, String, String)> {
        let uri = StoreUri::parse(text)?;
        let uri = SwiftUri::parse(&uri)?;
        let (project, place) = match uri.place {
            Place::Reference(reference) => (None, format!("ref {reference}")),
            Place::Login(address, project) => (project, address.0),
        };
        Some((project, place, uri.container.to_owned(), uri.object.to_owned()))
    }

    fn of(project: Option<&str>, place: &str) -> (Option<String>, String, String, String) {
        (project.map(str::to_owned), place.to_owned(), "c".to_owned(), "o".to_owned())
    }

    #[test]
    fn every_form_that_glance_has_written_is_read() {
        let service = Some("service");
        for (text, expected) in [
            ("swift+http://service%3Aglance:pw@k:5000/v3/c/o", of(service, "k:5000")),
            ("swift+https://service%3Aglance:pw@k/identity/v3/c/o", of(service, "k/identity")),
            ("swift://service:glance:pw@k:5000/v2.0/c/o", of(service, "k:5000")),
            ("swift+http://service%3Aglance:a/b@k:5000/v3/c/o", of(service, "k:5000")),
            ("swift+http://service%3Aglance:a@b@k:5000/v3/c/o", of(service, "k:5000")),
            ("swift+http://service%3Aglance:a%3Ab@k:5000/v3/c/o", of(service, "k:5000")),
            ("swift+http://my%20project%3Ag:pw@K:80/v3/c/o", of(Some("my project"), "k")),
            ("swift+https://k:443/v3/c/o", of(None, "k")),
            ("swift+http://[::1]:8080/auth/v1.0/c/o", of(None, "[::1]:8080/auth")),
            ("swift+https://s/v1/AUTH_p/c/o", of(None, "s/v1/AUTH_p")),
            ("swift+config://ref1/c/o", of(None, "ref ref1")),
        ] {
            assert_eq!(parsed(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn uris_that_name_no_object_are_not_parsed() {
        for text in [
            "swift+http://u%3Au:pw@http://k/v3/c/o",
            "swift+http://k/v3/c/o?x",
            "swift+http://k/v3/c/o#x",
            "swift+http://k/v3/c/",
            "swift+http://k/v3/c/..",
            "swift+http://k/v3/./o",
            "swift+http:///v3/c/o",
            "swift+http://c/o",
            "swift+config://ref1/o",
            "swift+ftp://k/v3/c/o",
            "SWIFT://k/v3/c/o",
            "swift+http://k/v3/c/o\n",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn a_container_is_the_configured_one_or_named_after_the_object_too() {
        let is_in = |container: &str, multi_tenant| {
            let uri = format!("swift+https://s/v1/AUTH_p/{container}/3A1-b");
            let uri = StoreUri::parse(&uri).unwrap();
            SwiftUri::parse(&uri).unwrap().is_in_container("glance", multi_tenant)
        };
        for container in ["glance", "glance_3a", "glance_3a1-b"] {
            assert!(is_in(container, false), "{container}");
        }
        for container in ["glance2", "glance_", "glance_4a", "glanc", "other"] {
            assert!(!is_in(container, false), "{container}");
        }
        assert!(is_in("glance_3A1-b", true));
        assert!(!is_in("glance", true) && !is_in("glance_3a", true));
    }
}
