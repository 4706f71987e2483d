//! The service catalog: the URLs of a cloud's other services.

use serde::Deserialize;

/// The services that a token's scope can reach.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Catalog(Vec<Service>);

#[derive(Debug, Clone, Deserialize)]
struct Service {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone, Deserialize)]
struct Endpoint {
    #[serde(default)]
    interface: String,
    /// Older Keystones call it `region`.
    #[serde(default)]
    region_id: Option<String>,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    url: String,
}

/// The audience of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// For users.
    Public,
    /// For the cloud's own services.
    Internal,
    /// For operators.
    Admin,
}

impl Interface {
    /// Parses both spellings: `public`, and `publicURL` of v2 catalogs.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix("URL").unwrap_or(text) {
            "public" => Some(Self::Public),
            "internal" => Some(Self::Internal),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

impl Catalog {
    /// The URL of a service without trailing slash: the first in catalog order, in `region` if one
    /// is given.
    pub fn endpoint(
        &self,
        service_type: &str,
        interface: Interface,
        region: Option<&str>,
    ) -> Option<&str> {
        let endpoints = self.0.iter().filter(|service| service.kind == service_type);
        endpoints
            .flat_map(|service| &service.endpoints)
            .filter(|endpoint| Interface::parse(&endpoint.interface) == Some(interface))
            .find(|endpoint| region.is_none_or(|region| endpoint.is_in(region)))
            .map(|endpoint| endpoint.url.trim_end_matches('/'))
    }

    /// Whether it is empty: `?nocatalog`, or an unscoped token.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Endpoint {
    fn is_in(&self, region: &str) -> bool {
        [&self.region_id, &self.region].into_iter().flatten().any(|known| known == region)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn catalog() -> Catalog {
        let endpoint = |interface: &str, region: &str, url: &str| {
            json!({ "interface": interface, "region": region, "region_id": region, "url": url,
                    "id": "x" })
        };
        let catalog = json!([
            { "type": "identity", "name": "keystone", "id": "1", "endpoints": [] },
            { "type": "object-store", "name": "swift", "id": "2", "endpoints": [
                endpoint("admin", "one", "http://swift-admin/v1"),
                endpoint("public", "one", "http://swift-one/v1/AUTH_p/"),
                endpoint("public", "two", "http://swift-two/v1/AUTH_p"),
                { "interface": "internal", "region": "old", "url": "http://old" },
            ]},
        ]);
        serde_json::from_value(catalog).unwrap()
    }

    #[test]
    fn an_endpoint_is_found_by_type_interface_and_region() {
        let catalog = catalog();
        let find = |interface, region| {
            let interface = Interface::parse(interface).unwrap();
            catalog.endpoint("object-store", interface, region)
        };
        assert_eq!(find("publicURL", None), Some("http://swift-one/v1/AUTH_p"));
        assert_eq!(find("public", Some("two")), Some("http://swift-two/v1/AUTH_p"));
        assert_eq!(find("public", Some("three")), None);
        assert_eq!(find("adminURL", Some("one")), Some("http://swift-admin/v1"));
        assert_eq!(find("internal", Some("old")), Some("http://old"));
        assert_eq!(catalog.endpoint("identity", Interface::Public, None), None);
        assert_eq!(catalog.endpoint("volumev3", Interface::Public, None), None);
    }

    #[test]
    fn other_words_are_not_an_interface() {
        for word in ["", "URL", "Public", "publicurl", "private"] {
            assert_eq!(Interface::parse(word), None, "{word}");
        }
    }
}
