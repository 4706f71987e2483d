//! Every statement with its name, for log lines and rehearsals.

use super::{backlog, lists, orders, own, statements, whole};

macro_rules! named {
    ($($module:ident: $($name:ident)*;)*) => {
        [$($((stringify!($name), $module::$name)),*),*]
    };
}

/// The name of a statement's constant.
pub(super) fn of(sql: &str) -> &'static str {
    ALL.iter().find(|(_, text)| *text == sql).map_or("another", |(name, _)| name)
}

/// Names and texts.
pub(super) const ALL: &[(&str, &str)] = &named![
    statements: IMAGE IMAGES LIVE_LOCATIONS_OF REVERT_IMAGE REVERT_LOCATIONS
        LEAVE_LOCATIONS_OUT REVERT_PROPERTIES REVERT_TAGS REVERT_MORE_TAGS REVERT_MEMBERS
        REVERT_MORE_MEMBERS CLAIM_IMAGE CLAIM_UNHELD_IMAGE CLAIM_IMAGES CLAIM_UNHELD_IMAGES
        CLAIM_LOCATION CLAIM_UNHELD_LOCATION CLAIM_LOCATIONS LOCATIONS_DELETED STILL_WAITING
        RELEASE_IMAGE RELEASE_LOCATION LOCATIONS_OF NEEDED_LOCATIONS LIVE_LOCATIONS PING;
    lists: LIST_PENDING_NEWEST LIST_PENDING_OLDEST LIST_RECENT_NEWEST LIST_RECENT_OLDEST
        LIST_HELD_NEWEST LIST_HELD_OLDEST LIST_UNHELD_NEWEST LIST_UNHELD_OLDEST END_OF_NEWEST END_OF_OLDEST
        SAMPLE_OF_NEWEST SAMPLE_OF_OLDEST SUM_WAITING SUM_RECENT SUM_HELD SUM_UNHELD WAITING_LOCATIONS
        RECENT_LOCATIONS HELD_LOCATIONS UNHELD_LOCATIONS CANDIDATES RECENT_CANDIDATES CANDIDATES_OF_OWNER LIST_SCRUBBED DELETED_AT;
    backlog: LIST_DUE COUNT_DUE OUTLOOK OUTLOOK_OF_OTHERS END_OF_STRETCH REMNANTS_UNTIL REMNANTS;
    orders: ORDERS IS_PAUSED BEGIN_ORDER BEGIN_CLAIMS PAUSE RESUME ACCEPT USE_UP
        KEEP_SCRUB_TIME SHORTEN_SCRUB_TIME KEEP_RETENTION PASS_BEGAN PASS_ENDED LOCK_IMAGES
        HOLDABLE LENGTHEN_HOLDS ADD_HOLDS END_HOLDS HOLDS_OF HELD NAMES HOLDS COUNT_CLAIMED;
    own: VERSION SEE_SCRUBBER UNRECORDED_SCRUBS TAKEN_AFTER_REVERT INSERT_AUDIT INSERT_AUDIT_8 INSERT_AUDIT_64 LIST_AUDIT
        LIST_AUDIT_I LIST_AUDIT_A LIST_AUDIT_O LIST_AUDIT_IA LIST_AUDIT_IO LIST_AUDIT_AO
        LIST_AUDIT_IAO LAST_AUDIT_OF TRIM_AUDIT;
    whole: WHOLE_IMAGES CANDIDATES_BY_ID FACTS FACTS_AND_LABELS LIVE_LOCATIONS_OF_ALL
        REVERT_IMAGES REVERT_LOCATIONS_OF_ALL REVERT_PROPERTIES_OF_ALL REVERT_TAGS_OF_ALL
        REVERT_MEMBERS_OF_ALL;
];

#[cfg(test)]
mod tests {
    #[test]
    fn every_statement_has_its_name_in_the_log() {
        let source = [
            include_str!("statements.rs"),
            include_str!("lists.rs"),
            include_str!("backlog.rs"),
            include_str!("orders.rs"),
            include_str!("own.rs"),
            include_str!("whole.rs"),
        ];
        let source = source.concat();
        let constants = source.split("pub(super) const ").skip(1);
        let texts = constants.filter_map(|rest| rest.split_once(": &str =").map(|(name, _)| name));
        let names: Vec<_> = texts.filter(|name| name.len() < 40).collect();
        let list = include_str!("names.rs").split_once("&named![").unwrap().1;
        let words = list.split("];").next().unwrap().split([' ', '\n', ';']);
        let listed: Vec<_> =
            words.filter(|word| !word.is_empty() && !word.ends_with(':')).collect();
        assert_eq!(names, listed, "in the order of their definitions");
    }
}
