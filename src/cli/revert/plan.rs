//! Prints what would be reverted, before asking.

use std::collections::{BTreeMap, HashMap};

use crate::api::state::View;
use crate::cli::CliError;
use crate::cli::output::{bytes, left, line, size};
use crate::cli::table::{Fit, Table};
use crate::domain::image::ImageId;
use crate::domain::retention::Rule;
use crate::domain::revert::Selected;
use crate::domain::scrub::Tally;
use crate::domain::time::isotime;

/// Images listed one by one.
pub(super) const SHOWN: usize = 10;

pub(super) fn tell(
    chosen: &Selected,
    rules: &HashMap<ImageId, Rule>,
    view: &View,
) -> Result<(), CliError> {
    let Tally { images, bytes: all } = chosen.tally;
    line(format_args!("{images} images, {}", bytes(all)))?;
    let mut owners: BTreeMap<&str, u64> = BTreeMap::new();
    for one in &chosen.first {
        *owners.entry(one.owner.as_deref().unwrap_or("(no project)")).or_default() += 1;
    }
    if owners.len() > 1 {
        let mut table = Table::new([("PROJECT", Fit::Whole), ("IMAGES", Fit::Whole)]);
        for (owner, images) in owners.into_iter().take(SHOWN) {
            table.row([owner.to_owned(), images.to_string()]);
        }
        table.print(false)?;
    }
    let mut table = Table::new([
        ("ID", Fit::Whole),
        ("NAME", Fit::Cut),
        ("SIZE", Fit::Whole),
        ("DELETED AT", Fit::Optional),
        ("LEFT", Fit::Whole),
    ]);
    for one in chosen.first.iter().take(SHOWN) {
        let due = |at| view.scrub_at(at, rules.get(&one.id));
        let seconds = one.deleted_at.and_then(due).map(|(_, seconds)| seconds);
        table.row([
            one.id.to_string(),
            one.name.clone().unwrap_or_default(),
            size(one.size),
            one.deleted_at.map(isotime).unwrap_or_default(),
            left(seconds),
        ]);
    }
    table.print(false)?;
    let more = images.saturating_sub(SHOWN.min(chosen.first.len()) as u64);
    if more > 0 {
        line(format_args!("and {more} more"))?;
    }
    Ok(())
}
