//! Retained data of a versioned bucket: the version under the delete markers, and restoring it.
//!
//! Data is restored by removing the delete markers above it, never by writing. So an object that
//! was created meanwhile is not overwritten, and the restored version is the one that was read.

use super::client::Call;
use super::versions::{Ends, Versioned, end};
use super::{Object, S3Store};
use crate::domain::store::Retained;
use crate::store::http_fault::Fault;

/// Each DELETE of a deleted object adds a delete marker.
const MOST_MARKS: usize = 100;

impl S3Store {
    /// The newest version under the delete markers, unless it is in an archive.
    pub(super) async fn kept(&self, object: &Object) -> Result<Option<Retained>, Fault> {
        let newest = self.client.newest(&object.key, &object.call).await?;
        let hidden = newest.filter(|newest| newest.mark.is_some() && !newest.is_archived);
        let Some(newest) = hidden else { return Ok(None) };
        let since = newest.hidden_since;
        let (until, end) = match self.client.ends(&object.key, &object.call).await? {
            Ends::After(days) => {
                let until = since.and_then(|since| end(since, days));
                (until, format!("a rule of the bucket removes it after {days} days"))
            }
            Ends::Never => (None, "no rule of the bucket ends that".to_owned()),
            Ends::Unseen => {
                let text = "whether a rule ends that cannot be seen: allow \
                            s3:GetLifecycleConfiguration";
                (None, text.to_owned())
            }
        };
        let how = format!("as an older version, behind a delete marker ({end})");
        Ok(Some(Retained { version: newest.version, size: newest.size, since, until, how }))
    }

    /// Removes delete markers, newest first, until this version is the latest. No marker is removed
    /// from above another version, which nobody has compared with the image.
    pub(super) async fn uncover(&self, object: &Object, version: &str) -> Result<(), Fault> {
        let unclear = |text: &str| Err(Fault::Unclear(text.to_owned()));
        for _ in 0..MOST_MARKS {
            let newest = self.client.newest(&object.key, &object.call).await?;
            let Some(newest) = newest else {
                return unclear("the bucket does not keep it any more");
            };
            match newest.mark {
                None if newest.version == version => return Ok(()),
                None => return unclear("another object came to its place"),
                Some(_) if newest.version != version => {
                    return unclear(
                        "the bucket keeps another version now than the one that was read, and it \
                         stays hidden",
                    );
                }
                Some(mark) => {
                    self.client.remove_version(&object.key, &mark, &object.call).await?;
                }
            }
        }
        unclear("more than 100 delete markers hide it: remove them")
    }

    /// Whether the bucket keeps versions of what is deleted from now on, and for how long.
    pub(super) async fn how_long(&self, call: &Call) -> Result<Option<String>, Fault> {
        let kept = match self.client.versioning(call).await? {
            Versioned::Never => return Ok(None),
            Versioned::Suspended => {
                let text = "versions are suspended: only what was uploaded before is kept";
                return Ok(Some(text.to_owned()));
            }
            Versioned::On => "versioned: what is deleted is kept",
        };
        Ok(Some(match self.client.ends("", call).await? {
            Ends::After(days) => format!("{kept} for {days} days"),
            Ends::Never => format!("{kept} until somebody removes it"),
            Ends::Unseen => {
                format!("{kept}; for how long cannot be seen: allow s3:GetLifecycleConfiguration")
            }
        }))
    }
}
