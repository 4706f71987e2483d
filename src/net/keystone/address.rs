//! Keystone's URL, in all the ways that deployers write it.

use std::fmt;

use reqwest::Url;

/// The base of a Keystone's v3 API.
#[derive(Clone, PartialEq, Eq)]
pub struct KeystoneUrl(String);

/// Why an address cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a URL, or of another scheme.
    #[error("must be an http or https URL, such as https://keystone.example.org/v3")]
    NotHttp,
    /// Logs would show it, and Keystone ignores it.
    #[error("must not contain a user or a password: they have their own options")]
    Userinfo,
    /// Paths cannot be appended to it.
    #[error("must not have a query or a fragment")]
    Query,
}

impl KeystoneUrl {
    /// Parses an `auth_url` with or without a version. `/v2.0`, still found in old rows and files,
    /// becomes `/v3`: Keystone has had no other version since 2017.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text.trim()).map_err(|_| AddressError::NotHttp)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(AddressError::NotHttp);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::Userinfo);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(AddressError::Query);
        }
        let base = url.as_str().trim_end_matches('/');
        let versions = ["/v3", "/v2.0"];
        let base = versions.iter().find_map(|version| base.strip_suffix(version)).unwrap_or(base);
        Ok(Self(format!("{}/v3", base.trim_end_matches('/'))))
    }

    pub(super) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl fmt::Display for KeystoneUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeystoneUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeystoneUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_leads_to_version_3() {
        for (written, base) in [
            ("http://k:5000", "http://k:5000/v3"),
            ("http://k:5000/", "http://k:5000/v3"),
            ("http://k:5000/v3", "http://k:5000/v3"),
            ("http://k:5000/v3/", "http://k:5000/v3"),
            (" http://k:5000/v2.0 ", "http://k:5000/v3"),
            ("https://cloud.example/identity", "https://cloud.example/identity/v3"),
            ("https://cloud.example/identity/v3/", "https://cloud.example/identity/v3"),
            ("https://cloud.example/identity//v2.0/", "https://cloud.example/identity/v3"),
            ("http://[::1]:5000", "http://[::1]:5000/v3"),
        ] {
            assert_eq!(KeystoneUrl::parse(written).unwrap().to_string(), base, "{written}");
        }
    }

    #[test]
    fn an_invalid_address_is_refused() {
        for (written, error) in [
            ("", AddressError::NotHttp),
            ("keystone:5000", AddressError::NotHttp),
            ("ftp://k/", AddressError::NotHttp),
            ("/v3", AddressError::NotHttp),
            ("http://", AddressError::NotHttp),
            ("http://glance:secret@k:5000", AddressError::Userinfo),
            ("http://k:5000/?a=b", AddressError::Query),
            ("http://k:5000/#v3", AddressError::Query),
        ] {
            assert_eq!(KeystoneUrl::parse(written), Err(error), "{written}");
        }
    }
}
