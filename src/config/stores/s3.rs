//! The type `s3`.

use std::path::PathBuf;

use secrecy::SecretString;

use super::super::reader::Section;

/// `s3`: one bucket of an S3 service.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// `s3_store_host`.
    pub endpoint: S3Endpoint,
    /// `s3_store_region_name`; where it is empty, the region in Amazon's host names, else
    /// `us-east-1`, as boto signs.
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

/// What requests are signed with.
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
    /// Whether TLS is spoken.
    pub https: bool,
    /// `host` or `host:port`, in lower case.
    pub authority: String,
    /// What stands before the bucket in a path, without outer slashes; empty as a rule.
    pub prefix: String,
}

/// Where the bucket's name stands in URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UrlFormat {
    /// In the path. What boto's `auto` means for an endpoint of one's own.
    #[default]
    Path,
    /// In front of the host.
    Virtual,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> S3Config {
    let host = section.required_text("s3_store_host");
    let endpoint = endpoint(&host).unwrap_or_else(|message| {
        if !host.is_empty() {
            section.problem("s3_store_host", message);
        }
        S3Endpoint { https: true, authority: String::new(), prefix: String::new() }
    });
    let region = section.text("s3_store_region_name").filter(|region| !region.is_empty());
    let region = region.or_else(|| region_of_amazon(&endpoint.authority).map(str::to_owned));
    let bucket = section.required_text("s3_store_bucket");
    if bucket.contains(['/', '?', '#']) || bucket.contains(char::is_whitespace) {
        section.problem("s3_store_bucket", "must be the name of one bucket");
    }
    S3Config {
        endpoint,
        region: region.unwrap_or_else(|| "us-east-1".to_owned()),
        keys: keys(section),
        bucket,
        url_format: section.read("s3_store_bucket_url_format", url_format).unwrap_or_default(),
        ca_file: section.path("s3_store_cacert"),
    }
}

fn keys(section: &mut Section<'_, '_>) -> Option<S3Keys> {
    let mut key = |option| section.text(option).filter(|key| !key.is_empty());
    match (key("s3_store_access_key"), key("s3_store_secret_key")) {
        (Some(access), Some(secret)) => {
            Some(S3Keys { access: access.into(), secret: secret.into() })
        }
        (None, None) => None,
        (Some(_), None) => {
            section.problem("s3_store_secret_key", "must be set beside s3_store_access_key");
            None
        }
        (None, Some(_)) => {
            section.problem("s3_store_access_key", "must be set beside s3_store_secret_key");
            None
        }
    }
}

/// A URL. boto refuses a bare host, but for the names by which Glance knows Amazon's regions.
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

fn url_format(text: &str) -> Result<UrlFormat, String> {
    match text {
        "auto" | "path" => Ok(UrlFormat::Path),
        "virtual" => Ok(UrlFormat::Virtual),
        _ => Err(format!("{text:?} is none of auto, path, virtual")),
    }
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
