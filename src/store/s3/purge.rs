//! Permanently removes what a versioned bucket kept of a deleted object: first its noncurrent versions,
//! then its delete markers. A delete marker is never removed while a version is left under it, because
//! that version would become current.

use super::versions::Kept;
use super::{Object, S3Store};
use crate::domain::store::{Keeps, Purged, Remains};
use crate::net::header;
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
            if let Err(fault) = self.client.remove_version(&object.key, version, &call).await
                && why.is_none()
            {
                let lock = self.lock_of(object, version).await;
                why = Some(format!("{}{}", fault.message(), lock.unwrap_or_default()));
            }
        }
        why
    }

    /// What object lock says about a version, as the end of a sentence.
    async fn lock_of(&self, object: &Object, version: &str) -> Option<String> {
        let call = self.renewed(object).call;
        let head = self.client.head_version(&object.key, version, &call).await.ok()?;
        let of = |name| header(head.headers(), name).map(time_or_word);
        let mode = of("x-amz-object-lock-mode").unwrap_or_default();
        let until = of("x-amz-object-lock-retain-until-date");
        let until = until.map(|until| format!("; it is locked until {until} ({mode})"));
        let hold = of("x-amz-object-lock-legal-hold").is_some_and(|hold| hold == "ON");
        let hold = hold.then(|| "; it has a legal hold".to_owned());
        until.into_iter().chain(hold).reduce(|until, hold| until + &hold)
    }

    async fn seen_again(&self, object: &Object) -> Result<Vec<Kept>, Fault> {
        self.client.history(&object.key, &self.renewed(object).call).await
    }
}

/// Sanitizes a service's text for display.
fn time_or_word(text: &str) -> String {
    let is_shown = |c: &char| c.is_ascii_alphanumeric() || "-:.,+ ".contains(*c);
    text.chars().filter(is_shown).take(40).collect()
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
