//! `[revert_retention:<name>]`.

use std::time::Duration;

use super::{DATABASE, load, load_with, refused};

const GOLDEN: &str = "[revert_retention:golden]\norder = 10\nscrub_time = 7776000\ntag = golden\n";

#[test]
fn rules_are_tried_in_their_order_and_not_in_that_of_the_file() {
    let first = "[revert_retention:ci]\norder = -1\nscrub_time = 7200\nname = ci-*\nowner = p\n\
                 visibility = shared\nproperty = stage=build=2\nmin_size = 0\nmax_size = 5\n";
    let rules: Vec<_> = load(&format!("{GOLDEN}{first}")).retention.into();
    let names: Vec<_> = rules.iter().map(|rule| (&*rule.name, rule.scrub_time)).collect();
    assert_eq!(names, [("ci", Duration::from_hours(2)), ("golden", Duration::from_hours(90 * 24))]);
    let property = Some(("stage".to_owned(), "build=2".to_owned()));
    assert_eq!(rules[0].conditions.property, property);
    assert_eq!((rules[0].conditions.min_size, rules[0].conditions.max_size), (Some(0), Some(5)));
    assert_eq!(rules[1].conditions.tag.as_deref(), Some("golden"));
    assert!(load("").retention.is_empty());
}

#[test]
fn a_rule_may_come_from_the_environment_alone() {
    let variables = [
        ("OS_REVERT_RETENTION_BIG__ORDER", "1"),
        ("OS_REVERT_RETENTION_BIG__SCRUB_TIME", "3600"),
        ("OS_REVERT_RETENTION_BIG__MIN_SIZE", "1099511627776"),
        ("OS_REVERT_RETENTION_GOLDEN__ORDER", "2"),
    ];
    let rules: Vec<_> = load_with(&[DATABASE, GOLDEN], &variables).unwrap().retention.into();
    let names: Vec<_> = rules.iter().map(|rule| &*rule.name).collect();
    assert_eq!(names, ["big", "golden"]);
}

#[test]
fn an_invalid_rule_is_refused() {
    let rule = |options: &str| format!("[revert_retention:r]\n{options}\n");
    let whole = "order = 1\nscrub_time = 7200\n";
    for (text, part) in [
        (rule("scrub_time = 7200\ntag = t"), "[revert_retention:r] order"),
        (rule("order = 1\ntag = t"), "[revert_retention:r] scrub_time"),
        (rule(whole), "says nothing about which images"),
        (rule(&format!("{whole}tag =\nname =")), "says nothing about which images"),
        (rule(&format!("{whole}visibility = secret")), "\"secret\" is none of public, private"),
        (rule(&format!("{whole}min_size = 2\nmax_size = 1")), "is greater than max_size"),
        (rule(&format!("{whole}min_size = -1")), "min_size"),
        (rule(&format!("{whole}min_size = big")), "min_size"),
        (rule(&format!("{whole}property = os_distro")), "must be key=value"),
        (rule(&format!("{whole}property = =x")), "names no property"),
        (rule(&format!("{whole}property = os_glance_x=1")), "never come back"),
        (rule(&format!("{whole}name = a\\")), "escapes nothing"),
        (rule(&format!("{whole}name = {}", "n".repeat(256))), "more than 255 characters"),
        (rule(&format!("{whole}tag = {}", "n".repeat(256))), "more than 255 characters"),
        (rule("order = 1\nscrub_time = -1\ntag = t"), "[revert_retention:r] scrub_time"),
        (rule("order = 1\nscrub_time = soon\ntag = t"), "[revert_retention:r] scrub_time"),
        (rule("order = 1\nscrub_time = 60\ntag = t"), "less than [revert] min_scrub_time = 3600"),
        (rule("order = first\nscrub_time = 7200\ntag = t"), "[revert_retention:r] order"),
        (rule(&format!("{whole}tags = t")), "unknown option; the nearest known one is tag"),
        (
            format!("{GOLDEN}[revert_retention:b]\norder = 10\nscrub_time = 7200\ntag = t\n"),
            "is also the order of \"golden\"",
        ),
        (format!("[revert_retention:]\n{whole}tag = t\n"), "name the rule with letters"),
        (format!("[revert_retention]\n{whole}tag = t\n"), "unknown section; ours are"),
    ] {
        let told = refused(&text);
        assert!(told.contains(part), "{text}: {told}");
    }
}

#[test]
fn more_rules_than_can_be_stored_are_refused() {
    let rule = |number| {
        let tag = "ä".repeat(255);
        format!("[revert_retention:r{number}]\norder = {number}\nscrub_time = 7200\ntag = {tag}\n")
    };
    let rules = |count| (0..count).map(rule).collect::<String>();
    assert_eq!(load(&rules(50)).retention.iter().count(), 50);
    let told = refused(&rules(200));
    assert!(told.contains("longer than can be remembered"), "{told}");
}
