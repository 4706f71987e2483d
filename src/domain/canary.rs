//! What a living image shows of its store: an unmounted share is an empty folder, in which
//! everything is absent.

use super::repo::{ImageRepo, RepoError};
use super::store::{Placed, Presence, Stores};

/// Live images asked for before a store's word "absent" is believed.
const CANARIES: usize = 3;
/// Rows read in search of them, a page and in all.
const PAGE: u32 = 500;
const PAGES: usize = 20;

/// What the part of the store that says "absent" could show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Canary {
    /// A live image's data is there.
    Seen,
    /// No live image has its data in this store: nothing to ask for.
    NoneKnown,
}

/// Asks for the data of living images. The inner error says that there are some and that their
/// data is not there either.
pub(super) async fn look(
    absent: &Placed,
    repo: &dyn ImageRepo,
    stores: &dyn Stores,
) -> Result<Result<Canary, String>, RepoError> {
    let (mut asked, mut after) = (0, 0);
    for _ in 0..PAGES {
        let page = repo.live_locations(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.location.id;
        for held in &page {
            let Some(image) = &held.image else { continue };
            let Ok(alive) = stores.place(&held.location) else { continue };
            if alive.part() != absent.part() {
                continue;
            }
            asked += 1;
            if matches!(
                alive.store.stat(image, &alive.uri).await,
                Ok(Presence::Present { .. } | Presence::Mendable { .. })
            ) {
                return Ok(Ok(Canary::Seen));
            }
            if asked == CANARIES {
                return Ok(Err(missing(asked)));
            }
        }
    }
    Ok(if asked == 0 { Ok(Canary::NoneKnown) } else { Err(missing(asked)) })
}

/// Live images have their data in this store, and it is not there.
fn missing(asked: usize) -> String {
    format!("the data of {asked} live images is not there either; is it mounted?")
}
