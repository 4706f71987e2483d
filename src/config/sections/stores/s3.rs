//! The type `s3`.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::config::declare::options;
use crate::config::options::{
    Choice, Opt, choice, nonempty, parsed, path_or, secret_text, text_or,
};
use crate::config::reader::Section;

options! {
    /// The type `s3`, without options for writing.
    #[expect(clippy::struct_field_names, reason = "they are Glance's names")]
    S3_STORE: S3Options {
        /// URL of the S3 service, with its base path if it has one.
        s3_store_host: S3Endpoint = host().required().example("https://s3.example.org");
        /// The region for signatures; default: from Amazon's host names, or us-east-1.
        s3_store_region_name: Option<String> = text_or("text", "");
        /// The access key.
        s3_store_access_key: Option<SecretString> = secret_text();
        /// The secret key.
        s3_store_secret_key: Option<SecretString> = secret_text();
        /// The bucket with the data.
        s3_store_bucket: String =
            parsed("text", None, bucket, String::new).required().example("glance");
        /// Where URLs carry the bucket's name; auto means in the path.
        s3_store_bucket_url_format: UrlFormat = choice("auto");
        /// CA certificates for the service, instead of the system's.
        s3_store_cacert: Option<PathBuf> = path_or("");
    }
}

/// `s3`: one bucket of an S3 service.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// `s3_store_host`.
    pub endpoint: S3Endpoint,
    /// `s3_store_region_name`; if empty, the region in Amazon's host names, else `us-east-1`, as
    /// boto signs.
    pub region: String,
    /// `s3_store_access_key` and `s3_store_secret_key`.
    pub keys: Option<S3Keys>,
    /// `s3_store_bucket`.
    pub bucket: String,
    /// `s3_store_bucket_url_format`.
    pub url_format: UrlFormat,
    /// `s3_store_cacert`.
    pub ca_file: Option<PathBuf>,
}

/// The keys that requests are signed with.
#[derive(Debug, Clone)]
pub struct S3Keys {
    /// The access key.
    pub access: SecretString,
    /// The secret key.
    pub secret: SecretString,
}

/// Where an S3 service listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Endpoint {
    /// Whether to use TLS.
    pub https: bool,
    /// `host` or `host:port`, in lower case.
    pub authority: String,
    /// The path before the bucket, without outer slashes; usually empty.
    pub prefix: String,
}

/// Where URLs carry the bucket's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UrlFormat {
    /// In the path. boto's `auto` means this for a custom endpoint.
    #[default]
    Path,
    /// In front of the host.
    Virtual,
}

impl Choice for UrlFormat {
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", Self::Path), ("path", Self::Path), ("virtual", Self::Virtual)];
}

pub(super) fn read(section: &mut Section<'_, '_>) -> S3Config {
    let endpoint = section.get(&S3_STORE.s3_store_host);
    let region = section.get(&S3_STORE.s3_store_region_name);
    let region = region.or_else(|| region_of_amazon(&endpoint.authority).map(str::to_owned));
    S3Config {
        endpoint,
        region: region.unwrap_or_else(|| "us-east-1".to_owned()),
        keys: keys(section),
        bucket: section.get(&S3_STORE.s3_store_bucket),
        url_format: section.get(&S3_STORE.s3_store_bucket_url_format),
        ca_file: section.get(&S3_STORE.s3_store_cacert),
    }
}

fn keys(section: &mut Section<'_, '_>) -> Option<S3Keys> {
    let (access, secret) = (&S3_STORE.s3_store_access_key, &S3_STORE.s3_store_secret_key);
    match (section.get(access), section.get(secret)) {
        (Some(access), Some(secret)) => Some(S3Keys { access, secret }),
        (None, None) => None,
        (Some(_), None) => {
            section.problem(secret, "must be set together with s3_store_access_key");
            None
        }
        (None, Some(_)) => {
            section.problem(access, "must be set together with s3_store_secret_key");
            None
        }
    }
}

fn bucket(text: &str) -> Result<String, String> {
    let name = nonempty(text)?;
    if name.contains(['/', '?', '#']) || name.contains(char::is_whitespace) {
        return Err("must be the name of one bucket".to_owned());
    }
    Ok(name)
}

const fn host() -> Opt<S3Endpoint> {
    let parse = |text: &str| nonempty(text).and_then(|text| endpoint(&text).map_err(str::to_owned));
    let nowhere = || S3Endpoint { https: true, authority: String::new(), prefix: String::new() };
    parsed("URL", None, parse, nowhere)
}

/// A URL. boto refuses a bare host, except the names by which Glance knows Amazon's regions.
fn endpoint(text: &str) -> Result<S3Endpoint, &'static str> {
    let (https, rest) = match text.split_once("://") {
        Some(("https", rest)) => (true, rest),
        Some(("http", rest)) => (false, rest),
        None if region_of_amazon(text).is_some() => (true, text),
        Some(_) | None => return Err("must begin with https:// or http://"),
    };
    if rest.contains(['@', '?', '#', '\\']) || rest.contains(char::is_whitespace) {
        return Err("must be a URL of a host, with no user, password, query or fragment");
    }
    let (authority, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.is_empty() || authority.starts_with(':') {
        return Err("names no host");
    }
    let prefix = prefix.trim_matches('/').to_owned();
    Ok(S3Endpoint { https, authority: authority.to_lowercase(), prefix })
}

/// The region in `s3-eu-west-1.amazonaws.com` and `s3.eu-west-1.amazonaws.com`; other names have
/// `dualstack` or `fips` before it.
fn region_of_amazon(authority: &str) -> Option<&str> {
    let host = authority.split(':').next()?;
    let name = host.strip_suffix(".amazonaws.com").or(host.strip_suffix(".amazonaws.com.cn"))?;
    let name = name.strip_prefix("s3-").or(name.strip_prefix("s3."))?;
    name.rsplit('.').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url_or_a_name_of_amazons() {
        let own = endpoint("http://S3.example.org:8080/base/").unwrap();
        assert_eq!(
            (own.https, own.authority.as_str(), own.prefix.as_str()),
            (false, "s3.example.org:8080", "base")
        );
        assert!(endpoint("https://s3.example.org").unwrap().https);
        assert!(endpoint("s3-eu-west-1.amazonaws.com").unwrap().https);
        for bad in
            ["s3.example.org", "ftp://h", "https://", "https://:1", "https://u:p@h", "http://h?x"]
        {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn amazons_names_tell_their_region() {
        for host in [
            "s3-eu-west-1.amazonaws.com",
            "s3.dualstack.eu-west-1.amazonaws.com",
            "s3-fips.dualstack.eu-west-1.amazonaws.com",
            "s3-fips.eu-west-1.amazonaws.com",
        ] {
            assert_eq!(region_of_amazon(host), Some("eu-west-1"), "{host}");
        }
        assert_eq!(region_of_amazon("s3.cn-north-1.amazonaws.com.cn:443"), Some("cn-north-1"));
        for other in ["s3.amazonaws.com", "s3.example.org"] {
            assert_eq!(region_of_amazon(other), None, "{other}");
        }
    }
}
