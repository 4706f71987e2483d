//! The client's address: the connection's peer, or what a trusted proxy reports.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::FORWARDED;
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The peer of the connection.
    pub peer: IpAddr,
    /// The client according to `peer`, if that is a trusted proxy.
    pub forwarded: Option<IpAddr>,
}

impl Client {
    /// Trusts forwarding headers only from a trusted proxy, and in them only what trusted proxies
    /// wrote: every proxy appends the address it sees, so the list is read from its end up to the
    /// first address that is not a trusted proxy.
    ///
    /// A proxy writes one of the two headers and forwards the other as the client sent it. If they
    /// disagree, neither is trusted.
    #[must_use]
    pub fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let peer = peer.to_canonical();
        if !is_trusted(peer, trusted) {
            return Self { peer, forwarded: None };
        }
        let found = [x_forwarded_for(headers), forwarded(headers)];
        let mut claims = found.iter().filter(|list| !list.is_empty()).map(|l| walk(l, trusted));
        let forwarded = match (claims.next(), claims.next()) {
            (Some(one), None) => one,
            (Some(one), Some(other)) if one == other => one,
            (Some(_), Some(_)) | (None, _) => None,
        };
        Self { peer, forwarded }
    }

    /// The address that failed authentications are counted for.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.forwarded.unwrap_or(self.peer)
    }
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

/// The last address that is not a trusted proxy, or the first if all are. If an entry that is not
/// an address (`unknown`, `_hidden`) comes first, the client is unknown and the peer is used.
fn walk(list: &[Option<IpAddr>], trusted: &[IpNet]) -> Option<IpAddr> {
    let mut nearest = None;
    for entry in list.iter().rev() {
        let address = (*entry)?;
        nearest = Some(address);
        if !is_trusted(address, trusted) {
            break;
        }
    }
    nearest
}

fn x_forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    elements(headers, &X_FORWARDED_FOR)
        .map(|element| element.and_then(|text| address(&text)))
        .collect()
}

/// RFC 7239: `for=192.0.2.60;proto=http;by=203.0.113.43`, or `for="[2001:db8::17]:4711"`.
fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let client = |element: String| {
        element.split(';').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let value = value.trim();
            let unquoted = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
            name.trim().eq_ignore_ascii_case("for").then(|| address(unquoted.unwrap_or(value)))?
        })
    };
    elements(headers, &FORWARDED).map(|element| element.and_then(client)).collect()
}

/// All elements of a header's lines, in order; `None` for one that is not ASCII.
fn elements(headers: &HeaderMap, name: &HeaderName) -> impl Iterator<Item = Option<String>> {
    headers.get_all(name).iter().flat_map(|line| match line.to_str() {
        Ok(line) => line.split(',').map(|element| Some(element.trim().to_owned())).collect(),
        Err(_) => vec![None],
    })
}

/// An address, with or without a port, with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let parsed = text.parse().ok().or_else(bare);
    let parsed = parsed.or_else(|| text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()));
    parsed.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn client(peer: &str, headers: &[(&'static str, &str)]) -> Client {
        let trusted = ["10.0.0.0/24".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Client::of(peer.parse().unwrap(), &map, &trusted)
    }

    fn told(peer: &str, headers: &[(&'static str, &str)]) -> Option<String> {
        client(peer, headers).forwarded.map(|address| address.to_string())
    }

    #[test]
    fn forwarding_headers_of_an_untrusted_peer_are_ignored() {
        let headers = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1")];
        assert_eq!(told("198.51.100.7", &headers).as_deref(), None);
        assert_eq!(client("198.51.100.7", &headers).address().to_string(), "198.51.100.7");
    }

    #[test]
    fn the_last_address_that_is_not_a_trusted_proxy_is_the_client() {
        for (list, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("203.0.113.9, 192.0.2.1", "192.0.2.1"),
            ("192.0.2.1,10.0.0.7 , 10.0.0.8", "192.0.2.1"),
            ("10.0.0.9, 10.0.0.8", "10.0.0.9"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(
                told(PROXY, &[("x-forwarded-for", list)]).as_deref(),
                Some(expected),
                "{list}"
            );
        }
    }

    #[test]
    fn lines_of_one_header_are_one_list() {
        let lines = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(told(PROXY, &lines).as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn rfc_7239_is_understood() {
        for (list, expected) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("for=203.0.113.9, For=192.0.2.1;proto=https;by=10.0.0.1", "192.0.2.1"),
            ("by=10.0.0.1;for=\"[2001:db8::17]:4711\"", "2001:db8::17"),
            ("for=\"192.0.2.1:80\"", "192.0.2.1"),
        ] {
            assert_eq!(told(PROXY, &[("forwarded", list)]).as_deref(), Some(expected), "{list}");
        }
    }

    #[test]
    fn an_entry_that_is_not_an_address_ends_the_walk() {
        for list in ["unknown", "192.0.2.1, unknown", "192.0.2.1, _hidden", "", "192.0.2.1,,"] {
            assert_eq!(told(PROXY, &[("x-forwarded-for", list)]).as_deref(), None, "{list:?}");
        }
        let behind = [("x-forwarded-for", "192.0.2.1, unknown, 10.0.0.8")];
        assert_eq!(told(PROXY, &behind).as_deref(), None);
        assert_eq!(told(PROXY, &[("forwarded", "proto=https")]).as_deref(), None);
    }

    #[test]
    fn two_contradictory_headers_are_both_ignored() {
        let agree = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1")];
        assert_eq!(told(PROXY, &agree).as_deref(), Some("192.0.2.1"));
        let disagree = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.2")];
        assert_eq!(told(PROXY, &disagree).as_deref(), None);
    }

    #[test]
    fn a_mapped_peer_is_its_ipv4_self() {
        let headers = [("x-forwarded-for", "192.0.2.1")];
        assert_eq!(told("::ffff:10.0.0.1", &headers).as_deref(), Some("192.0.2.1"));
    }
}
