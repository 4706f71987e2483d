//! Canaries: a living image's data proves that its store is reachable. An unmounted share looks
//! like an empty folder, in which everything is absent.

use crate::domain::image::ImageId;
use crate::domain::location::Location;
use crate::domain::repo::{Handed, ImageRepo, RepoError};
use crate::domain::store::{Placed, Presence, Stores};

/// Living images checked before a store's "absent" is accepted.
const CANARIES: usize = 3;
/// Rows read to find canaries: per page, and in total.
const PAGE: u32 = 1000;
const PAGES: usize = 1000;

/// What a part of a store has of living images.
#[derive(Debug, Clone)]
pub(in crate::domain) enum Canary {
    /// This living image's data is there.
    Seen(ImageId, Placed),
    /// No living image has data in this store, so nothing can be checked.
    NoneKnown,
}

/// Checks living images' data. The inner error: some exist, but their data is missing too.
pub(in crate::domain) async fn look(
    absent: &Placed,
    repo: &dyn ImageRepo,
    stores: &dyn Stores,
) -> Result<Result<Canary, String>, RepoError> {
    let (mut asked, mut after) = (0, 0);
    for _ in 0..PAGES {
        let mut living = Vec::new();
        let take = &mut |image: Option<&ImageId>, location: &Location| {
            if asked + living.len() < CANARIES
                && let Some(image) = image
                && let Ok(alive) = stores.place(location)
                && alive.part() == absent.part()
            {
                living.push((image.clone(), alive));
            }
        };
        let page = repo
            .live_locations(after, PAGE, &mut |held| take(held.image.as_ref(), &held.location))
            .await?;
        for (image, alive) in living {
            asked += 1;
            if is_there(&image, &alive).await {
                return Ok(Ok(Canary::Seen(image, alive)));
            }
        }
        match page {
            Handed::Until(last) if asked < CANARIES => after = last,
            Handed::Until(_) | Handed::Nothing => break,
        }
    }
    Ok(if asked == 0 { Ok(Canary::NoneKnown) } else { Err(missing(asked)) })
}

/// Whether the store shows an image's data.
pub(in crate::domain) async fn is_there(image: &ImageId, placed: &Placed) -> bool {
    let seen = placed.store.stat(image, &placed.uri).await;
    matches!(seen, Ok(Presence::Present { .. } | Presence::Repairable { .. }))
}

/// Living images have their data in this store, and it is missing.
fn missing(asked: usize) -> String {
    format!("the data of {asked} active images is missing too; check that the store is mounted")
}
