//! Rules and what they decide.

mod properties;

use std::collections::HashSet;

use chrono::TimeDelta;

use super::*;
use crate::domain::image::{ImageStatus, Property, Tag};
use crate::domain::pending::ImageDeletion;
use crate::domain::time::Clock;

const HOUR: Duration = Duration::from_hours(1);
const WEEK: Duration = Duration::from_hours(7 * 24);

fn rule(name: &str, hours: u64, conditions: Conditions) -> Rule {
    Rule { name: name.to_owned(), conditions, scrub_time: HOUR * u32::try_from(hours).unwrap() }
}

fn tag(tag: &str) -> Conditions {
    Conditions { tag: Some(tag.to_owned()), ..Conditions::default() }
}

fn tagged(tags: &[&str]) -> Facts {
    Facts { tags: tags.iter().map(|&tag| tag.to_owned()).collect(), ..Facts::default() }
}

fn retention(rules: Vec<Rule>) -> Retention {
    Retention { scrub_time: WEEK, rules: rules.into() }
}

#[test]
fn the_first_rule_that_fits_decides_and_scrub_time_for_the_rest() {
    let both =
        retention(vec![rule("ci", 2, tag("ephemeral")), rule("golden", 2160, tag("golden"))]);
    for (tags, hours) in [
        (&["ephemeral"] as &[_], 2),
        (&["golden"], 2160),
        (&["golden", "ephemeral"], 2),
        (&["Golden"], 168),
        (&[], 168),
    ] {
        assert_eq!(both.wait(&tagged(tags)), HOUR * hours, "{tags:?}");
    }
    let since = crate::domain::time::SystemClock.now();
    let due = both.due_at(&tagged(&["ephemeral"]), since);
    assert_eq!(due, since + TimeDelta::hours(2));
    assert_eq!((both.shortest(), both.longest()), (HOUR * 2, HOUR * 2160));
    let never = Retention::plain(Duration::MAX);
    assert_eq!(never.due_at(&Facts::default(), since), Timestamp::MAX);
}

#[test]
fn an_image_must_have_all_that_a_rule_names() {
    let facts = Facts {
        owner: Some("p1".to_owned()),
        visibility: "private".to_owned(),
        name: Some("golden-debian".to_owned()),
        size: Some(100),
        tags: ["t".to_owned()].into(),
        properties: [("k".to_owned(), "v".to_owned())].into(),
    };
    let all = Conditions {
        owner: Some("p1".to_owned()),
        visibility: Some("private".to_owned()),
        name: Some(Glob::parse("golden-*").unwrap()),
        tag: Some("t".to_owned()),
        property: Some(("k".to_owned(), "v".to_owned())),
        min_size: Some(100),
        max_size: Some(100),
    };
    assert!(all.fit(&facts));
    let text = |text: &str| Some(text.to_owned());
    for other in [
        Facts { owner: text("P1"), ..facts.clone() },
        Facts { owner: None, ..facts.clone() },
        Facts { visibility: "shared".to_owned(), ..facts.clone() },
        Facts { name: text("silver-debian"), ..facts.clone() },
        Facts { name: None, ..facts.clone() },
        Facts { size: Some(99), ..facts.clone() },
        Facts { size: Some(101), ..facts.clone() },
        Facts { size: None, ..facts.clone() },
        Facts { tags: HashSet::new(), ..facts.clone() },
        Facts { properties: [("k".to_owned(), "V".to_owned())].into(), ..facts.clone() },
    ] {
        assert!(!all.fit(&other), "{other:?}");
    }
}

#[test]
fn tags_and_properties_count_as_they_were_when_the_image_was_deleted() {
    let at = |hour| chrono::NaiveDate::from_ymd_opt(2026, 11, 22)?.and_hms_opt(hour, 0, 0);
    let deletion =
        ImageDeletion { status: ImageStatus::PendingDelete, deleted: true, deleted_at: at(12) };
    let mut facts = Facts::default();
    for (value, deleted_at) in [("with", at(12)), ("before", at(11)), ("never", None)] {
        let value = value.to_owned();
        facts.add_tag(deletion, &Tag { value, deleted: true, deleted_at });
    }
    for (name, value, deleted, deleted_at) in [
        ("with", Some("1"), true, at(12)),
        ("late", Some("1"), true, at(13)),
        ("os_glance_x", Some("1"), true, at(12)),
        ("null", None, true, at(12)),
        ("twice", Some("old"), true, at(12)),
        ("twice", Some("live"), false, None),
        ("twice", Some("older"), true, at(11)),
    ] {
        let (name, value) = (name.to_owned(), value.map(str::to_owned));
        facts.add_property(deletion, &Property { name, value, deleted, deleted_at });
    }
    assert_eq!(facts.tags, HashSet::from(["with".to_owned()]));
    let mut properties: Vec<_> = facts.properties.iter().collect();
    properties.sort();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let (with, twice) = (pair("with", "1"), pair("twice", "live"));
    assert_eq!(properties, [(&twice.0, &twice.1), (&with.0, &with.1)]);
}

#[test]
fn rules_that_let_some_image_wait_less_cover_nothing_before_them() {
    let plain = Retention::plain(WEEK);
    let golden = retention(vec![rule("golden", 2160, tag("golden"))]);
    let shorter = retention(vec![rule("golden", 720, tag("golden"))]);
    let ci = retention(vec![rule("ci", 2, tag("ephemeral"))]);
    assert!(golden.covers(&plain) && golden.covers(&shorter) && plain.covers(&plain));
    assert!(!plain.covers(&golden) && !shorter.covers(&golden));
    assert!(!ci.covers(&plain) && plain.covers(&ci) && !ci.covers(&golden));
    let renamed = retention(vec![rule("other", 2160, tag("golden"))]);
    assert!(renamed.covers(&golden) && golden.covers(&renamed));
}

#[test]
fn an_image_waits_for_all_that_was_in_force() {
    let plain = Retention::plain(WEEK);
    let golden = retention(vec![rule("golden", 2160, tag("golden"))]);
    let ci = retention(vec![rule("ci", 2, tag("ephemeral"))]);
    let wait = |own: &Retention, kept: &[Retention], tags: &[&str]| {
        InForce::of(own, kept).wait(Some(&tagged(tags)))
    };
    assert_eq!(wait(&ci, &[], &["ephemeral"]), HOUR * 2, "there was nothing before");
    assert_eq!(wait(&ci, std::slice::from_ref(&plain), &["ephemeral"]), WEEK);
    let kept = InForce::of(&ci, &[plain.clone(), golden.clone()]);
    assert_eq!(kept.wait(Some(&tagged(&["golden"]))), HOUR * 2160);
    assert_eq!(kept.wait(Some(&tagged(&["ephemeral"]))), WEEK);
    assert_eq!(kept.wait(None), HOUR * 2160, "nothing is known of it");
    // equal retentions are stored once
    let same = InForce::of(&plain, std::slice::from_ref(&plain));
    assert_eq!(same, InForce::from(plain.clone()));
    assert_eq!(InForce::of(&golden, &[plain, golden.clone()]).all(), [golden]);
}

#[test]
fn stored_rules_are_bounded_and_never_become_shorter() {
    let many: Vec<_> = (1..30)
        .map(|number| retention(vec![rule("r", number, tag(&format!("t{number}")))]))
        .collect();
    let rules = vec![rule("r", 900, tag("own"))].into();
    let own = Retention { scrub_time: HOUR, rules };
    let kept = InForce::of(&own, &many);
    assert_eq!(kept.all(), [Retention::plain(HOUR * 900)]);
    let again = InForce::of(&own, kept.all());
    assert_eq!(again, kept);
}

#[test]
fn stored_text_is_parsed_and_other_text_is_refused() {
    let name = Some(Glob::parse("ci-[*]-?").unwrap());
    let conditions = Conditions { name, min_size: Some(7), ..tag("ä\"\\") };
    let kept = KeptText { change: 7, all: vec![retention(vec![rule("r", 3, conditions)])] };
    assert_eq!(KeptText::parse(&kept.text()), Some(kept.clone()));
    let unknown = kept.text().replace("\"min_size\"", "\"color\"");
    assert_eq!(KeptText::parse(&unknown), None, "a condition of a later version");
    assert_eq!(KeptText::parse("{"), None);
}

/// Longer times, and later deletions, never make an image due earlier.
#[test]
fn due_at_is_monotone_in_every_time() {
    let since = crate::domain::time::SystemClock.now();
    let hours = [0, 1, 5, 200];
    for (ci, golden, rest) in
        hours.iter().flat_map(|a| hours.iter().map(move |b| (*a, *b, 150))).chain([(3, 2, 1)])
    {
        let of = |ci, golden, rest: u32| Retention {
            scrub_time: HOUR * rest,
            rules: vec![rule("ci", ci, tag("ci")), rule("golden", golden, tag("golden"))].into(),
        };
        let before = of(ci, golden, rest);
        for tags in [&["ci"] as &[_], &["golden"], &["ci", "golden"], &[]] {
            let facts = tagged(tags);
            for after in
                [of(ci + 1, golden, rest), of(ci, golden + 1, rest), of(ci, golden, rest + 1)]
            {
                assert!(after.due_at(&facts, since) >= before.due_at(&facts, since));
                assert!(after.covers(&before) && !before.covers(&after) || after == before);
                let in_force = InForce::of(&before, std::slice::from_ref(&after));
                assert_eq!(later(since, in_force.wait(Some(&facts))), after.due_at(&facts, since));
            }
            let later = since + TimeDelta::microseconds(1);
            assert!(before.due_at(&facts, later) > before.due_at(&facts, since));
            let due = before.due_at(&facts, since);
            assert!(due >= super::later(since, before.shortest()));
            assert!(due <= super::later(since, before.longest()));
        }
    }
}
