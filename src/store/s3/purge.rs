//! Permanently removes what a versioned bucket kept of a deleted object: first its noncurrent versions,
//! then its delete markers. A delete marker is never removed while a version is left under it, because
//! that version would become current.

use super::versions::Kept;
use super::{Object, S3Store};
use crate::domain::store::{Keeps, Purged, Remains};
use crate::store::http_fault::Fault;

impl S3Store {
    /// Everything the bucket keeps of an object that was deleted.
    pub(super) async fn all_kept(&self, object: &Object) -> Result<Keeps, Fault> {
        let all = self.client.history(&object.key, &object.call).await?;
        Ok(if is_there(&all) { Keeps::Current } else { Keeps::Remains(remains(&all)) })
    }

    /// Removes each version, then lists what is left.
    pub(super) async fn remove_for_good(&self, object: &Object) -> Result<Purged, Fault> {
        let before = self.client.history(&object.key, &object.call).await?;
        if is_there(&before) {
            return Err(Fault::Unclear("an object is in its place".to_owned()));
        }
        let mut why = self.remove_each(object, before.iter().filter(|one| !is_mark(one))).await;
        let mut after = self.seen_again(object).await?;
        if !after.iter().any(|one| !is_mark(one)) {
            why = self.remove_each(object, after.iter()).await;
            after = self.seen_again(object).await?;
        }
        let (had, left) = (remains(&before), remains(&after));
        let removed = Remains {
            pieces: had.pieces.saturating_sub(left.pieces),
            bytes: had.bytes.saturating_sub(left.bytes),
        };
        let why = why.filter(|_| !after.is_empty());
        let silent = || "the bucket still lists what it said to have removed".to_owned();
        let why = why.or_else(|| (!after.is_empty()).then(silent));
        Ok(Purged { removed, left, why })
    }

    /// Tries all of them; returns the first failure.
    async fn remove_each(
        &self,
        object: &Object,
        all: impl Iterator<Item = &Kept>,
    ) -> Option<String> {
        let mut why = None;
        for Kept { version, .. } in all {
            let call = self.renewed(object).call;
            if let Err(fault) = self.client.remove_version(&object.key, version, &call).await {
                why.get_or_insert_with(|| fault.message().to_owned());
            }
        }
        why
    }

    async fn seen_again(&self, object: &Object) -> Result<Vec<Kept>, Fault> {
        self.client.history(&object.key, &self.renewed(object).call).await
    }
}

fn is_mark(one: &Kept) -> bool {
    one.size.is_none()
}

fn is_there(all: &[Kept]) -> bool {
    all.iter().any(|one| one.is_latest && !is_mark(one))
}

fn remains(all: &[Kept]) -> Remains {
    let mut sum = Remains::default();
    for bytes in all.iter().filter_map(|one| one.size) {
        sum += Remains { pieces: 1, bytes };
    }
    sum
}
