//! `glance-revert list --group`: pending images in groups.

use super::super::CliError;
use super::super::output::{bytes, images, left, line};
use super::super::table::{Fit, Table};
use crate::api::pending_deletes::summary::{PendingDeletesGroup, PendingDeletesSummary};
use crate::domain::scrub::Tally;
use crate::domain::summary::GroupBy;

pub(super) fn tell(
    summary: PendingDeletesSummary,
    by: GroupBy,
    wide: bool,
) -> Result<(), CliError> {
    if summary.images == 0 {
        return line("no image is pending");
    }
    let all = Tally { images: summary.images, bytes: summary.bytes };
    let whose = by.project || by.burst;
    // omit columns with the same value in every group
    let fit = |is_wanted: bool| if is_wanted { Fit::Whole } else { Fit::Hidden };
    let mut table = Table::new([
        ("PROJECT", fit(whose)),
        ("STORE", fit(by.store)),
        ("FIRST DELETED", if by.burst && !by.store { Fit::Whole } else { Fit::Optional }),
        ("LAST DELETED", Fit::Optional),
        ("IMAGES", Fit::Whole),
        ("SIZE", Fit::Optional),
        ("LEFT", Fit::Whole),
    ]);
    for group in summary.groups {
        table.row(row(group));
    }
    table.print(wide)?;
    line("")?;
    line(images(all))?;
    let (groups, others) = (summary.other_groups, summary.other_images);
    if groups > 0 {
        line(format_args!("{others} of them are in {groups} smaller groups that are not shown"))?;
    }
    Ok(())
}

fn row(group: PendingDeletesGroup) -> [String; 7] {
    [
        group.project.unwrap_or_else(|| "-".to_owned()),
        group.store.unwrap_or_else(|| "-".to_owned()),
        group.first_deleted_at,
        group.last_deleted_at,
        group.images.to_string(),
        bytes(group.bytes),
        left(group.seconds_left),
    ]
}
