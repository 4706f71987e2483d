//! Whether containers keep what is deleted from now on, in words.

use std::collections::BTreeMap;

use futures::stream::{StreamExt, TryStreamExt, iter};
use reqwest::Method;

use super::SwiftStore;
use super::client::{Path, Target, quoted, success};
use super::versions::Keeping;
use crate::store::http_fault::Fault;

/// Containers that are looked at: as many as a seed of two characters makes.
const CONTAINERS: usize = 256;
/// How many of them in parallel.
const PARALLEL: usize = 16;

impl SwiftStore {
    /// Whether the store's containers keep versions of what is deleted from now on.
    pub(super) async fn chance(&self) -> Result<Option<String>, Fault> {
        if self.multi_tenant {
            let text = "none, unless somebody turned versions on for an image's container: Glance \
                        creates one for each image, without versions (swift_store_multi_tenant)";
            return Ok(Some(text.to_owned()));
        }
        let target = self.whole()?;
        if self.is_one_container {
            return self.how_long(&target).await;
        }
        let prefix = format!("{}_", self.container);
        let query = format!("format=json&limit={CONTAINERS}&prefix={}", quoted(&prefix));
        let path = Path { container: "", object: None, query: &query };
        let answer = success(self.client.ask(Method::GET, &target, path).await?)?;
        let listed = self.client.page(answer).await?;
        let looks = listed.into_iter().map(|listed| {
            let target = Target { container: listed.name, ..target.clone() };
            async move { self.how_long(&target).await }
        });
        let found: Vec<_> = iter(looks).buffered(PARALLEL).try_collect().await?;
        Ok(of_all(&prefix, found))
    }

    async fn how_long(&self, target: &Target) -> Result<Option<String>, Fault> {
        let answer = success(self.head_container(target).await?)?;
        let is_on = |value: &str| value.eq_ignore_ascii_case("true");
        let on = answer.headers().get("x-versions-enabled").and_then(|value| value.to_str().ok());
        Ok(match Keeping::of(answer.headers())? {
            Keeping::Nothing => None,
            Keeping::Versions if on.is_some_and(is_on) => Some(
                "versioned (X-Versions-Enabled): what is deleted is kept until somebody removes it"
                    .to_owned(),
            ),
            Keeping::Versions => {
                Some("versions are off: only what was uploaded before is kept".to_owned())
            }
            Keeping::Archive { container, pops: false } => Some(format!(
                "what is deleted is kept in {container} (X-History-Location) until somebody removes it"
            )),
            Keeping::Archive { pops: true, .. } => Some(
                "none: X-Versions-Location keeps what is overwritten, not what is deleted"
                    .to_owned(),
            ),
        })
    }
}

/// How many of the containers keep data in which way; `None` if none does.
fn of_all(prefix: &str, found: Vec<Option<String>>) -> Option<String> {
    let all = found.len();
    let mut ways: BTreeMap<String, usize> = BTreeMap::new();
    for way in found.into_iter().flatten() {
        *ways.entry(way).or_default() += 1;
    }
    if ways.is_empty() {
        return None;
    }
    let ways: Vec<_> = ways.iter().map(|(way, count)| format!("{count} {way}")).collect();
    Some(format!(
        "of {all} containers {prefix}..: {}; new ones are created without versions",
        ways.join("; ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_containers_are_counted_by_what_they_keep() {
        let way = |text: &str| Some(text.to_owned());
        assert_eq!(of_all("glance_", vec![]), None);
        assert_eq!(of_all("glance_", vec![None, None]), None);
        assert_eq!(
            of_all("glance_", vec![way("b"), None, way("a"), way("b")]).as_deref(),
            Some("of 4 containers glance_..: 1 a; 2 b; new ones are created without versions")
        );
    }
}
