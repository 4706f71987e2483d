//! `glance-revert scrub --dry-run`: prints the plan.

use super::super::CliError;
use super::super::output::{bytes, complain, line, size};
use super::super::table::{Fit, Table};
use super::go_on;
use crate::domain::scrub::Plan;
use crate::domain::time::isotime;

pub(super) fn tell(plan: &Plan) -> Result<(), CliError> {
    let (total, until) = (plan.total, isotime(plan.until));
    line(format!("{} images, {}: due by {until}", total.images, bytes(total.bytes)))?;
    if !plan.groups.is_empty() {
        line("")?;
        let mut groups = Table::new([
            ("PROJECT", Fit::Whole),
            ("STORE", Fit::Whole),
            ("IMAGES", Fit::Whole),
            ("SIZE", Fit::Optional),
            ("FIRST SCRUBBED FROM", Fit::Whole),
        ]);
        for group in &plan.groups {
            groups.row([
                group.project.clone().unwrap_or_default(),
                group.store.clone().unwrap_or_else(|| "-".to_owned()),
                group.tally.images.to_string(),
                bytes(group.tally.bytes),
                isotime(group.first_at),
            ]);
        }
        groups.print(false)?;
    }
    if plan.other_groups.images > 0 {
        line(format!("and {} more images of other projects", plan.other_groups.images))?;
    }
    next(plan)?;
    for stopped in &plan.stopped {
        let (reason, count) = (stopped.obstacle.word(), stopped.tally.images);
        line("")?;
        line(format!("left alone, {reason}: {count} images"))?;
        for (id, why) in &stopped.examples {
            line(format!("  {id}: {why}"))?;
        }
    }
    if !plan.is_complete {
        complain(
            &"The tables are so large that some leftovers of interrupted deletions were not searched for \
             in time. Passes find them later, a few at a time.",
        );
    }
    if let Some(limited) = plan.limited {
        complain(&limited);
        complain(&go_on(limited.due.images));
    }
    Ok(())
}

fn next(plan: &Plan) -> Result<(), CliError> {
    if plan.next.is_empty() {
        return Ok(());
    }
    line("")?;
    let mut images = Table::new([
        ("ID", Fit::Whole),
        ("NAME", Fit::Cut),
        ("PROJECT", Fit::Optional),
        ("STORES", Fit::Optional),
        ("SIZE", Fit::Optional),
        ("SCRUBBED FROM", Fit::Whole),
    ]);
    for image in &plan.next {
        images.row([
            image.id.clone(),
            image.name.clone().unwrap_or_default(),
            image.project.clone().unwrap_or_default(),
            image.stores.join(" "),
            size(image.size),
            isotime(image.scrub_at),
        ]);
    }
    images.print(false)?;
    let rest = plan.total.images.saturating_sub(plan.next.len() as u64);
    if rest > 0 {
        line(format!("and {rest} more images"))?;
    }
    Ok(())
}
