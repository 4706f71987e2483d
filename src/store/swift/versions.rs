//! Containers that keep deleted data, in three ways that Swift has had over the years.

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};

use super::client::{Listed, SwiftClient, Target, answered, named};
use crate::domain::store::Deletion;
use crate::store::http_fault::Fault;

/// Marks a deletion in a listing: it holds no data.
const MARK: &str = "swift_versions_deleted=1";

/// How a container keeps deleted data, according to its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Keeping {
    Nothing,
    /// Beside the objects (`X-Versions-Enabled`). Turned off, it keeps what it has.
    Versions,
    /// In another container, under names of their own.
    Archive {
        container: String,
        /// Whether a deletion takes the newest one back out (`X-Versions-Location`).
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

    /// Where the data of a deleted object is kept, if it is.
    pub(super) async fn kept(
        &self,
        client: &SwiftClient,
        target: &Target,
    ) -> Result<Option<String>, Fault> {
        let (versions, how) = self.versions(client, target).await?;
        Ok(versions.iter().any(|one| !is_mark(one)).then_some(how))
    }

    /// What is kept of an object, marks of its deletions included, and as what.
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
                // As `swift.common.middleware.versioned_writes` names them.
                let prefix = format!("{:03x}{object}/", object.len());
                let versions = client.list(target, container, &prefix, false).await?;
                (versions, format!("the container keeps older versions in {container}"))
            }
        })
    }

    /// What a confirmed deletion has left.
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

/// Whether it stands for a deletion.
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
    fn each_way_of_keeping_is_told_by_its_header() {
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
