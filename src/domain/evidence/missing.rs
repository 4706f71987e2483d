//! Whether "missing" is credible.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::Evidence;
use super::canary;
use super::choice::Judged;
use super::verify::Finding;
use crate::domain::repo::RepoError;
use crate::domain::store::StoreId;

/// Why an absence is not credible, per part of a store; `None` if it is proved. Valid only for
/// absences found before the check.
pub(in crate::domain) type Doubts = HashMap<(StoreId, String), Option<String>>;

impl Evidence<'_> {
    /// Accepts "missing" only if the store still has a living image's data. Otherwise the share may
    /// be unmounted, and a location left out of an active image now would be scrubbed later.
    pub(in crate::domain) async fn prove_absences(
        &self,
        judged: &mut [Judged],
        doubts: &mut Doubts,
    ) -> Result<(), RepoError> {
        for Judged { location, finding, .. } in judged {
            if *finding != Finding::Missing {
                continue;
            }
            let Ok(placed) = self.stores.place(location) else { continue };
            let doubt = match doubts.entry(placed.part()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let seen = canary::look(&placed, self.repo, self.stores).await?;
                    unknown.insert(seen.err())
                }
            };
            if let Some(why) = doubt {
                let (id, store) = (location.id, placed.store.id());
                let text = format!("store {store} does not have location {id}, and {why}");
                *finding = Finding::Unknown(text);
            }
        }
        Ok(())
    }
}
