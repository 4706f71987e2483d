//! Containers that keep deleted data, in the three ways that Swift has had.

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};

use super::client::{Listed, SwiftClient, Target, answered, named};
use crate::domain::store::Deletion;
use crate::store::http_fault::Fault;

/// The content type of an entry that marks a deletion; it has no data.
const MARK: &str = "swift_versions_deleted=1";

/// How a container keeps deleted data, according to its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Keeping {
    Nothing,
    /// In the same container (`X-Versions-Enabled`). If disabled later, it keeps existing versions.
    Versions,
    /// In another container, under other names.
    Archive {
        container: String,
        /// Whether a deletion restores the newest version (`X-Versions-Location`).
        pops: bool,
    },
}

impl Keeping {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Fault> {
        if headers.contains_key("x-versions-enabled") {
            return Ok(Self::Versions);
        }
        for (header, pops) in [("x-history-location", false), ("x-versions-location", true)] {
            if let Some(container) = named(headers, header)? {
                return Ok(Self::Archive { container, pops });
            }
        }
        Ok(Self::Nothing)
    }

    /// How the container keeps the data of a deleted object; `None` if it does not.
    pub(super) async fn kept(
        &self,
        client: &SwiftClient,
        target: &Target,
    ) -> Result<Option<String>, Fault> {
        let (versions, how) = self.versions(client, target).await?;
        Ok(versions.iter().any(|one| !is_mark(one)).then_some(how))
    }

    /// The kept versions of an object, including delete markers, and how they are kept.
    pub(super) async fn versions(
        &self,
        client: &SwiftClient,
        target: &Target,
    ) -> Result<(Vec<Listed>, String), Fault> {
        let object = &target.object;
        Ok(match self {
            Self::Nothing => (Vec::new(), String::new()),
            Self::Versions => {
                let mut versions = client.list(target, &target.container, object, true).await?;
                versions.retain(|version| version.name == *object);
                let how = "the container has versions (X-Versions-Enabled) and keeps older ones";
                (versions, format!("{how} of it"))
            }
            Self::Archive { container, .. } => {
                // The names that `swift.common.middleware.versioned_writes` uses.
                let prefix = format!("{:03x}{object}/", object.len());
                let versions = client.list(target, container, &prefix, false).await?;
                (versions, format!("the container keeps older versions in {container}"))
            }
        })
    }

    /// The state after a confirmed deletion.
    pub(super) async fn look_after(
        &self,
        client: &SwiftClient,
        target: &Target,
    ) -> Result<Deletion, Fault> {
        if let Self::Archive { container, pops: true } = self {
            let answer = client.ask(Method::HEAD, target, target.path()).await?;
            match answer.status() {
                StatusCode::NOT_FOUND => {}
                status if status.is_success() => {
                    return Ok(Deletion::Retained(format!(
                        "with the deletion Swift put an older version in its place, from \
                         {container} (X-Versions-Location)"
                    )));
                }
                _ => return Err(answered(&answer)),
            }
        }
        let kept = self.kept(client, target).await?;
        Ok(kept.map_or(Deletion::Deleted, Deletion::Retained))
    }
}

/// Whether this version marks a deletion.
pub(super) fn is_mark(version: &Listed) -> bool {
    version.content_type.contains(MARK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    fn of(name: &'static str, value: &[u8]) -> Result<Keeping, Fault> {
        let value = HeaderValue::from_bytes(value).unwrap();
        Keeping::of(&HeaderMap::from_iter([(HeaderName::from_static(name), value)]))
    }

    #[test]
    fn each_way_of_keeping_versions_is_recognised_by_its_header() {
        assert_eq!(Keeping::of(&HeaderMap::new()), Ok(Keeping::Nothing));
        for value in ["True", "False"] {
            assert_eq!(of("x-versions-enabled", value.as_bytes()), Ok(Keeping::Versions));
        }
        for (header, pops) in [("x-history-location", false), ("x-versions-location", true)] {
            for value in ["\u{fc}b", "%C3%BCb"] {
                let container = "\u{fc}b".to_owned();
                let expected = Ok(Keeping::Archive { container, pops });
                assert_eq!(of(header, value.as_bytes()), expected, "{value}");
            }
            assert!(matches!(of(header, b"\xfcb"), Err(Fault::Unclear(_))));
        }
    }
}
