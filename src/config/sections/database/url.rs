//! Parses database URLs as SQLAlchemy does, unlike a URL parser: the password ends at the first `@`
//! and may hold `/ # ? :`, `+` in it stays, the host may be empty.

use std::fmt;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use crate::config::oslo::types;

/// The parts of a URL, as `sqlalchemy.engine.make_url` gives them.
#[derive(Clone)]
pub struct DatabaseUrl {
    /// `mysql+pymysql`.
    pub scheme: String,
    /// Percent-decoded.
    pub user: Option<String>,
    /// Percent-decoded.
    pub password: Option<SecretString>,
    /// Without the brackets of an IPv6 address.
    pub host: Option<String>,
    /// Unchecked: may exceed 65535.
    pub port: Option<i64>,
    /// Percent-decoded.
    pub database: Option<String>,
    query: Vec<(String, String)>,
}

/// Why a text is not a database URL. Shows none of it: any part may be the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// No `scheme://`.
    #[error("is no database URL; write mysql+pymysql://user:password@host/glance")]
    Scheme,
    /// Letters, or nothing, after the host's colon.
    #[error("the port is not a number; a `/` or `:` in a user's name must be percent-encoded")]
    Port,
}

impl DatabaseUrl {
    /// Parses a URL. What follows a complete URL is dropped, as in SQLAlchemy.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let in_scheme = |c: char| c.is_alphanumeric() || c == '_' || c == '+';
        let end = text.find(|c| !in_scheme(c)).ok_or(UrlError::Scheme)?;
        let (scheme, rest) = text.split_at(end);
        let rest = rest.strip_prefix("://").filter(|_| end > 0).ok_or(UrlError::Scheme)?;
        let (credentials, rest) = split_credentials(rest);
        let (user, password) = credentials.unzip();
        let (host, rest) = split_host(rest);
        let (port, rest) = split_part(rest, ':', &['/', '?']);
        let (database, rest) = split_part(rest, '/', &['?']);
        let (query, _) = split_part(rest, '?', &['\n']);
        let mut url = Self {
            scheme: scheme.to_owned(),
            user: user.map(decode),
            password: password.flatten().map(|password| decode(password).into()),
            host: host.map(str::to_owned),
            port: port.map(|port| types::integer(port).map_err(|_| UrlError::Port)).transpose()?,
            database: database.map(decode),
            query: Vec::new(),
        };
        url.add_query(query.unwrap_or_default());
        Ok(url)
    }

    /// Appends `a=b&c=d`; parameters without a value are dropped.
    pub fn add_query(&mut self, query: &str) {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let decoded = |text: &str| decode(&text.replace('+', " "));
        let pairs = pairs.filter(|(_, value)| !value.is_empty());
        self.query.extend(pairs.map(|(name, value)| (decoded(name), decoded(value))));
    }

    /// The last value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters(name).last().map(str::to_owned)
    }

    /// Every parameter, in order.
    pub fn all_parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// All values of a parameter, in order.
    pub fn parameters(&self, name: &str) -> impl Iterator<Item = &str> {
        self.query.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Splits `user[:password]` off, up to their `@`. The name has no `:` or `/`; the password ends at
/// the first `@`. Without a password the name ends at the last `@`.
fn split_credentials(text: &str) -> (Option<(&str, Option<&str>)>, &str) {
    let end = text.find([':', '/']).unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    if let Some((password, rest)) = after.strip_prefix(':').and_then(|rest| rest.split_once('@')) {
        return (Some((name, Some(password))), rest);
    }
    match name.rfind('@') {
        Some(at) => (Some((&text[..at], None)), &text[at + 1..]),
        None => (None, text),
    }
}

/// Splits off an address in brackets, or everything before the port, database or parameters.
fn split_host(text: &str) -> (Option<&str>, &str) {
    if let Some(inner) = text.strip_prefix('[') {
        let end = inner.find(['/', '?']).unwrap_or(inner.len());
        if let Some(bracket) = inner[..end].rfind(']').filter(|&bracket| bracket > 0) {
            return (Some(&inner[..bracket]), &inner[bracket + 1..]);
        }
    }
    let (host, rest) = text.split_at(text.find(['/', ':', '?']).unwrap_or(text.len()));
    ((!host.is_empty()).then_some(host), rest)
}

/// If the text starts with `mark`, what follows it up to one of `ends`.
fn split_part<'t>(text: &'t str, mark: char, ends: &[char]) -> (Option<&'t str>, &'t str) {
    match text.strip_prefix(mark) {
        Some(inner) => {
            let (part, rest) = inner.split_at(inner.find(ends).unwrap_or(inner.len()));
            (Some(part), rest)
        }
        None => (None, text),
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Omits password and parameters.
impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseUrl")
            .field("scheme", &self.scheme)
            .field("host", &self.host)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn password(text: &str) -> String {
        let url = DatabaseUrl::parse(text).unwrap();
        url.password.unwrap().expose_secret().to_owned()
    }

    #[test]
    fn a_password_may_hold_what_ends_other_parts() {
        assert_eq!(password("mysql://u:a/b#c?d:e@h/glance"), "a/b#c?d:e");
        assert_eq!(password("mysql://u:a+b%40c%2Bd@h/glance"), "a+b@c+d");
    }

    #[test]
    fn every_part_is_found() {
        let url =
            DatabaseUrl::parse("mysql+pymysql://g%40x:p@[fe80::1]:33/glance?charset=utf8").unwrap();
        assert_eq!(url.scheme, "mysql+pymysql");
        assert_eq!(url.user.as_deref(), Some("g@x"));
        assert_eq!(url.host.as_deref(), Some("fe80::1"));
        assert_eq!(url.port, Some(33));
        assert_eq!(url.database.as_deref(), Some("glance"));
        assert_eq!(url.parameter("charset").as_deref(), Some("utf8"));
    }

    #[test]
    fn host_and_credentials_may_be_missing() {
        let url = DatabaseUrl::parse("mysql:///glance?unix_socket=/run/db.sock").unwrap();
        assert_eq!((url.user, url.host), (None, None));
        let url = DatabaseUrl::parse("postgresql://u@/glance").unwrap();
        assert_eq!((url.user.as_deref(), url.host), (Some("u"), None));
    }

    #[test]
    fn an_invalid_url_is_refused() {
        assert_eq!(DatabaseUrl::parse("glance").unwrap_err(), UrlError::Scheme);
        assert_eq!(DatabaseUrl::parse("://u@h/d").unwrap_err(), UrlError::Scheme);
        assert_eq!(DatabaseUrl::parse("mysql://h:word/d").unwrap_err(), UrlError::Port);
        assert_eq!(DatabaseUrl::parse("mysql://h:/d").unwrap_err(), UrlError::Port);
    }

    #[test]
    fn debug_shows_no_password() {
        let url = DatabaseUrl::parse("mysql://u:hidden@h/d?password=hidden").unwrap();
        assert!(!format!("{url:?}").contains("hidden"));
    }
}
