//! What a pool's trash keeps, in words.

use chrono::DateTime;

use super::fault::Place;
use super::protocol::Trash;
use crate::domain::time::isotime;

const DAY: u64 = 24 * HOUR;
const HOUR: u64 = 60 * 60;

/// Which removed images the trash keeps and for how long, and what it has now.
pub(super) fn in_words(trash: &Trash, place: &Place) -> String {
    let Place { client, pool } = place;
    let keeps = match trash.takes_all {
        None => format!(
            "the trash of pool {pool} keeps only images with clones (v2) or other snapshots: \
             rbd_move_to_trash_on_remove is off for {client}"
        ),
        Some(0) => format!(
            "the trash of pool {pool} keeps each removed image until it is purged, which may be at \
             any time: rbd_move_to_trash_on_remove_expire_seconds is 0 for {client}"
        ),
        Some(seconds) => format!(
            "the trash of pool {pool} keeps each removed image for at least {} \
             (rbd_move_to_trash_on_remove, for {client})",
            period(seconds)
        ),
    };
    let until = trash.until.and_then(|until| DateTime::from_timestamp(until, 0));
    let until = until.map(|until| isotime(until.naive_utc()));
    match (trash.images, until) {
        (0, _) => format!("{keeps}; it is empty"),
        (images, None) => format!("{keeps}; images in it: {images}"),
        (images, Some(until)) => {
            format!("{keeps}; images in it: {images}, the first to be kept until {until}")
        }
    }
}

/// In whole days or hours if possible, else in seconds.
fn period(seconds: u64) -> String {
    let (number, unit) = match seconds {
        _ if seconds.is_multiple_of(DAY) => (seconds / DAY, "day"),
        _ if seconds.is_multiple_of(HOUR) => (seconds / HOUR, "hour"),
        _ => (seconds, "second"),
    };
    if number == 1 { format!("1 {unit}") } else { format!("{number} {unit}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(takes_all: Option<u64>, images: usize, until: Option<i64>) -> String {
        let place = Place { client: "client.glance".to_owned(), pool: "images".to_owned() };
        in_words(&Trash { takes_all, images, until }, &place)
    }

    #[test]
    fn a_trash_says_what_it_takes_and_for_how_long() {
        for (takes_all, keeps) in [
            (None, "only images with clones (v2) or other snapshots"),
            (Some(0), "each removed image until it is purged, which may be at any time"),
            (Some(7 * DAY), "each removed image for at least 7 days ("),
            (Some(HOUR), "each removed image for at least 1 hour ("),
            (Some(90), "each removed image for at least 90 seconds ("),
        ] {
            let told = told(takes_all, 0, None);
            let begins = format!("the trash of pool images keeps {keeps}");
            assert!(told.starts_with(&begins) && told.ends_with("; it is empty"), "{told}");
            assert!(told.contains("for client.glance"), "{told}");
        }
    }

    #[test]
    fn a_trash_says_what_it_has() {
        assert!(told(None, 2, None).ends_with("; images in it: 2"));
        let kept = told(Some(60), 2, Some(1_800_000_000));
        assert!(
            kept.ends_with("; images in it: 2, the first to be kept until 2027-01-15T08:00:00Z"),
            "{kept}"
        );
    }
}
