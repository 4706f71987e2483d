//! Whether "missing" is credible.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::Evidence;
use super::canary::{self, Canary};
use super::choice::Judged;
use super::verify::Finding;
use crate::domain::image::ImageId;
use crate::domain::repo::RepoError;
use crate::domain::store::{Placed, StoreId};

/// Data that a request has seen, in each part of a store.
pub(in crate::domain) type Shown = HashMap<(StoreId, String), (ImageId, Placed)>;

impl Evidence<'_> {
    /// Accepts "missing" only if the store still has a living image's data or, if no living image
    /// is known, what this request has `shown`. Otherwise the share may be unmounted, and a
    /// location left out of an active image now would be scrubbed later.
    pub(in crate::domain) async fn prove_absences(
        &self,
        images: &mut [(&ImageId, &mut Vec<Judged>)],
        shown: &mut Shown,
    ) -> Result<(), RepoError> {
        for (image, judged) in &*images {
            self.note_shown(image, judged, shown);
        }
        // A doubt is settled only for absences found before.
        let mut doubts = HashMap::new();
        for Judged { location, finding, .. } in images.iter_mut().flat_map(|(_, all)| &mut **all) {
            if *finding != Finding::Missing {
                continue;
            }
            let Ok(placed) = self.stores.place(location) else { continue };
            let doubt = match doubts.entry(placed.part()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let shown = shown.get(unknown.key());
                    unknown.insert(self.doubt(&placed, shown).await?)
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

    fn note_shown(&self, image: &ImageId, judged: &[Judged], shown: &mut Shown) {
        for Judged { location, finding, .. } in judged {
            let is_seen = matches!(finding, Finding::Present | Finding::Repaired(_));
            if let Ok(placed) = self.stores.place(location)
                && is_seen
            {
                shown.insert(placed.part(), (image.clone(), placed));
            }
        }
    }

    /// Why a store's absences are not credible now; `None` if they are.
    async fn doubt(
        &self,
        absent: &Placed,
        shown: Option<&(ImageId, Placed)>,
    ) -> Result<Option<String>, RepoError> {
        Ok(match canary::look(absent, self.repo, self.stores).await? {
            Ok(Canary::Seen(..)) => None,
            Ok(Canary::NoneKnown) => match shown {
                Some((image, placed)) if canary::is_there(image, placed).await => None,
                Some(_) | None => Some(
                    "no active image has data there, which would show that the store is mounted: \
                     mount it, or upload an image there"
                        .to_owned(),
                ),
            },
            Err(why) => Some(why),
        })
    }
}
