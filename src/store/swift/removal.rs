//! Deletes an object with everything that belongs to it.

use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::client::{Path, Target, answered, json, success};
use super::segments::{self, AT_A_TIME, Segment};
use super::versions::Keeping;
use super::{Shape, SwiftStore, shape};
use crate::domain::image::ImageId;
use crate::domain::store::{Deletion, Presence};
use crate::store::http_fault::Fault;

/// The body of a `?multipart-manifest=delete` or `?bulk-delete` response. Swift sends its status,
/// 200, before it deletes anything.
#[derive(Debug, Deserialize)]
pub(super) struct BulkReport {
    #[serde(rename = "Number Deleted", default)]
    pub(super) deleted: usize,
    #[serde(rename = "Number Not Found", default)]
    pub(super) not_found: usize,
    #[serde(rename = "Response Status", default)]
    status: String,
    /// Paths, and the status of each.
    #[serde(rename = "Errors", default)]
    pub(super) errors: Vec<(String, String)>,
}

/// The state before the deletion.
enum Seen {
    Absent(Presence),
    There { shape: Shape, keeping: Keeping },
}

impl SwiftStore {
    pub(super) async fn remove(&self, image: &ImageId, target: &Target) -> Deletion {
        let seen = match self.see(target).await {
            Ok(seen) => seen,
            Err(fault) => return fault.before_deletion(),
        };
        let (shape, keeping) = match seen {
            Seen::Absent(Presence::Hidden(how)) => return Deletion::Retained(how),
            // Without a manifest, only a name that no other object has proves whose segments these
            // are.
            Seen::Absent(_) if target.object != image.as_str() => return Deletion::Gone,
            Seen::Absent(_) => return self.remove_left_segments(target).await,
            Seen::There { shape, keeping } => (shape, keeping),
        };
        let mut segments = 0;
        let removed = match shape {
            Shape::Plain { .. } => self.remove_object(target).await,
            Shape::Fixed { .. } => self.remove_fixed(target).await,
            Shape::Dynamic => match self.remove_parts(target).await {
                Ok(count) => {
                    segments = count;
                    self.remove_object(target).await
                }
                Err(deletion) => return deletion,
            },
        };
        match removed {
            Ok(Deletion::Deleted) => {
                let left = keeping.look_after(&self.client, target).await;
                left.unwrap_or_else(Fault::after_deletion)
            }
            Ok(other) => other,
            // The segments are deleted, so the data has changed whatever happened to the manifest.
            Err(fault) if segments > 0 => {
                Deletion::Partial(format!("the segments are deleted: {}", fault.message()))
            }
            Err(fault) => fault.of_deletion(),
        }
    }

    async fn see(&self, target: &Target) -> Result<Seen, Fault> {
        let answer = self.client.ask(Method::HEAD, target, target.path()).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => self.absence(target).await.map(Seen::Absent),
            status if status.is_success() => {
                let shape = shape(&answer, target)?;
                let container = success(self.head_container(target).await?)?;
                Ok(Seen::There { shape, keeping: Keeping::of(container.headers())? })
            }
            _ => Err(answered(&answer)),
        }
    }

    /// Deletes segments that remain without a manifest: Glance deletes the manifest even if
    /// deleting segments failed, and never tries again.
    async fn remove_left_segments(&self, target: &Target) -> Deletion {
        let parts = match segments::parts(&self.client, target).await {
            Ok(parts) => parts,
            // The image's own container is gone, with everything in it.
            Err(Fault::Answered(StatusCode::NOT_FOUND, _)) if self.multi_tenant => {
                return Deletion::Gone;
            }
            Err(fault) => return fault.before_deletion(),
        };
        let (listed, container) = (parts.segments.len(), &target.container);
        let strangers = usize::from(parts.stranger.is_some());
        let run = parts.run(target);
        if run.len() < listed + strangers {
            let (object, segments) = (&target.object, run.len());
            tracing::warn!(
                container,
                object,
                segments,
                "other objects that begin with its name are left"
            );
        }
        // One by one, so that the segments of an interrupted deletion remain consecutive.
        match self.remove_segments(target, run, 1).await {
            Ok(0) => Deletion::Gone,
            Ok(_) => Deletion::Deleted,
            Err(deletion) => deletion,
        }
    }

    pub(super) async fn remove_object(&self, target: &Target) -> Result<Deletion, Fault> {
        let answer = self.client.send(Method::DELETE, target, target.path()).await?;
        match answer.status() {
            // Somebody else deleted it: it existed a moment ago.
            StatusCode::NOT_FOUND => Ok(Deletion::Deleted),
            status if status.is_success() => Ok(Deletion::Deleted),
            _ => Err(answered(&answer)),
        }
    }

    /// Deletes the segments of a manifest, if it covers nothing but segments.
    async fn remove_parts(&self, target: &Target) -> Result<usize, Deletion> {
        let parts = segments::parts(&self.client, target).await.map_err(Fault::before_deletion)?;
        if let Some(stranger) = parts.stranger {
            let text = format!("{stranger:?} is not one of its segments");
            return Err(Fault::Location(text).before_deletion());
        }
        self.remove_segments(target, parts.segments, AT_A_TIME).await
    }

    /// Deletes segments, the last one first, until none is listed; returns their number. Stops at
    /// the first segment that cannot be deleted: the manifest then remains, and with it the way to
    /// find the segments again.
    async fn remove_segments(
        &self,
        target: &Target,
        mut segments: Vec<Segment>,
        at_a_time: usize,
    ) -> Result<usize, Deletion> {
        let count = segments.len();
        if count == 0 {
            return Ok(0);
        }
        segments.reverse();
        let mut deleted = 0;
        for some in segments.chunks(at_a_time) {
            let deletions = some.iter().map(|segment| self.remove_segment(target, segment));
            let outcomes = join_all(deletions).await;
            let faults: Vec<Fault> = outcomes.into_iter().filter_map(Result::err).collect();
            deleted += some.len() - faults.len();
            if let Some(fault) = faults.first() {
                let text = fault.message();
                let did_nothing =
                    |fault: &Fault| matches!(fault.clone().of_deletion(), Deletion::Refused(_));
                return Err(if deleted == 0 && faults.iter().all(did_nothing) {
                    Deletion::Refused(format!("no segment was deleted: {text}"))
                } else {
                    let left = count - deleted;
                    Deletion::Partial(format!("{left} of {count} segments are left: {text}"))
                });
            }
        }
        let is_ours = |left: &Segment| segments.iter().any(|ours| ours.object == left.object);
        match segments::parts(&self.client, target).await {
            Ok(left) if !left.segments.iter().any(is_ours) => Ok(count),
            Ok(_) => Err(Deletion::Partial("segments are still listed".to_owned())),
            Err(fault) => Err(Deletion::Partial(fault.message().to_owned())),
        }
    }

    async fn remove_segment(&self, target: &Target, segment: &Segment) -> Result<(), Fault> {
        let path = Path { container: &segment.container, object: Some(&segment.object), query: "" };
        let answer = self.client.send(Method::DELETE, target, path).await?;
        if answer.status() == StatusCode::NOT_FOUND || answer.status().is_success() {
            Ok(())
        } else {
            Err(answered(&answer))
        }
    }

    /// Deletes the manifest and segments of a static large object; Swift does both.
    async fn remove_fixed(&self, target: &Target) -> Result<Deletion, Fault> {
        let path = Path { query: "multipart-manifest=delete", ..target.path() };
        let answer = success(self.client.send(Method::DELETE, target, path).await?)?;
        // Swift sends blanks while it works, for at most a thousand deletions.
        let report: BulkReport = json(answer, self.client.limit * 20).await?;
        Ok(report.deletion())
    }

    /// Removes the container that a multi-tenant Glance made for this image alone.
    pub(super) async fn remove_container(&self, target: &Target) {
        let path = Path { container: &target.container, object: None, query: "" };
        let outcome = match self.client.send(Method::DELETE, target, path).await {
            Ok(answer) if answer.status() == StatusCode::NOT_FOUND => Ok(()),
            Ok(answer) => success(answer).map(|_| ()),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = outcome {
            let (container, cause) = (&target.container, fault.message());
            tracing::warn!(container, cause, "an image's empty container is left in Swift");
        }
    }
}

impl BulkReport {
    fn deletion(self) -> Deletion {
        let Some((_, first)) = self.errors.first() else {
            return if self.status.starts_with("200") {
                Deletion::Deleted
            } else {
                Deletion::Uncertain(format!("Swift answers {} to the deletion", self.status))
            };
        };
        let text = format!("Swift left {} segments, the first with {first}", self.errors.len());
        let is_refusal = |status: &str| status.starts_with("403") || status.starts_with("401");
        if self.deleted > 0 {
            Deletion::Partial(text)
        } else if self.errors.iter().all(|(_, status)| is_refusal(status)) {
            Deletion::Refused(text)
        } else {
            Deletion::Uncertain(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deletion(body: &str) -> Deletion {
        serde_json::from_str::<BulkReport>(body).unwrap().deletion()
    }

    #[test]
    fn a_200_is_a_deletion_only_if_its_body_says_so() {
        let done = r#"{"Number Deleted": 4, "Number Not Found": 0, "Response Status": "200 OK",
                       "Response Body": "", "Errors": []}"#;
        assert_eq!(deletion(done), Deletion::Deleted);
        let forbidden = r#"{"Number Deleted": 0, "Response Status": "400 Bad Request",
                            "Errors": [["/c/a", "403 Forbidden"], ["/c/b", "403 Forbidden"]]}"#;
        assert!(matches!(deletion(forbidden), Deletion::Refused(_)));
        let some = r#"{"Number Deleted": 1, "Response Status": "400 Bad Request",
                       "Errors": [["/c/a", "403 Forbidden"]]}"#;
        assert!(matches!(deletion(some), Deletion::Partial(_)));
        let failed = r#"{"Number Deleted": 0, "Response Status": "400 Bad Request",
                         "Errors": [["/c/a", "503 Service Unavailable"]]}"#;
        assert!(matches!(deletion(failed), Deletion::Uncertain(_)));
        let no_manifest = r#"{"Response Status": "502 Bad Gateway", "Errors": []}"#;
        assert!(matches!(deletion(no_manifest), Deletion::Uncertain(_)));
        assert!(matches!(deletion("{}"), Deletion::Uncertain(_)));
    }
}
