//! What holds for all rules: random ones, each with every image of a small world.

use std::collections::{HashMap, HashSet};

use chrono::DateTime;

use super::*;

/// Sets of rules for each property.
const ROUNDS: u64 = 60;

/// A linear congruential generator, so that every run has the same rules.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// One of these, or nothing in most cases.
    fn some<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        (self.below(3) == 0).then(|| self.one(of))
    }

    fn hours(&mut self) -> Duration {
        HOUR * u32::try_from(self.below(50)).unwrap()
    }

    fn conditions(&mut self) -> Conditions {
        let texts = |of: &[&str]| of.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let globs = ["*", "golden*", "?", "x"].map(|text| Glob::parse(text).unwrap());
        let properties = ["1", "2"].map(|value| ("k".to_owned(), value.to_owned()));
        Conditions {
            owner: self.some(&texts(&["p1", "p2", "p3"])),
            visibility: self.some(&texts(&["private", "public"])),
            name: self.some(&globs),
            tag: self.some(&texts(&["a", "b", "c"])),
            property: self.some(&properties),
            min_size: self.some(&[0, 1, 5]),
            max_size: self.some(&[1, 5, 9]),
        }
    }

    fn rule(&mut self) -> Rule {
        let (name, conditions) = (format!("r{}", self.below(1000)), self.conditions());
        Rule { name, conditions, scrub_time: self.hours() }
    }

    fn retention(&mut self) -> Retention {
        let rules: Vec<_> = (0..self.below(6)).map(|_| self.rule()).collect();
        Retention { scrub_time: self.hours(), rules: rules.into() }
    }
}

/// Images that differ in everything that a rule can ask for.
fn images() -> Vec<Facts> {
    let text = |text: Option<&str>| text.map(str::to_owned);
    let mut images = vec![Facts::default()];
    let mut vary = |change: &[&dyn Fn(&mut Facts)]| {
        let all = std::mem::take(&mut images).into_iter();
        images = all
            .flat_map(|image| {
                change.iter().map(move |change| {
                    let mut image = image.clone();
                    change(&mut image);
                    image
                })
            })
            .collect();
    };
    vary(&[&|i| i.owner = None, &|i| i.owner = text(Some("p1")), &|i| i.owner = text(Some("p2"))]);
    vary(&[&|i| i.visibility = "private".into(), &|i| i.visibility = "public".into()]);
    vary(&[&|i| i.name = None, &|i| i.name = text(Some("golden")), &|i| i.name = text(Some("x"))]);
    vary(&[&|i| i.size = None, &|i| i.size = Some(0), &|i| i.size = Some(5), &|i| {
        i.size = Some(i64::MAX);
    }]);
    vary(&[&|i| i.tags = HashSet::new(), &|i| i.tags = ["a".into()].into(), &|i| {
        i.tags = ["b".into(), "a".into()].into();
    }]);
    vary(&[&|i| i.properties = HashMap::new(), &|i| {
        i.properties = [("k".into(), "1".into())].into();
    }]);
    images
}

/// Calls this with random rules and every image.
fn for_all(mut check: impl FnMut(&mut Chance, &Retention, &[Facts])) {
    let images = images();
    for seed in 0..ROUNDS {
        let mut chance = Chance(seed);
        let retention = chance.retention();
        check(&mut chance, &retention, &images);
    }
}

fn with(retention: &Retention, change: impl FnOnce(&mut Vec<Rule>)) -> Retention {
    let mut rules = Vec::from(retention.rules.clone());
    change(&mut rules);
    Retention { scrub_time: retention.scrub_time, rules: rules.into() }
}

fn noon() -> Timestamp {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap().naive_utc()
}

#[test]
fn a_later_delete_is_due_later_by_just_as_much_and_always_within_the_bounds() {
    for_all(|chance, retention, images| {
        let more = TimeDelta::microseconds(1 + i64::try_from(chance.below(1 << 30)).unwrap());
        for image in images {
            let due = retention.due_at(image, noon());
            assert_eq!(
                retention.due_at(image, noon() + more),
                due + more,
                "{retention:?} {image:?}"
            );
            assert!(due >= later(noon(), retention.shortest()), "{retention:?} {image:?}");
            assert!(due <= later(noon(), retention.longest()), "{retention:?} {image:?}");
        }
    });
}

/// Of any one rule, or of all images that no rule matches.
#[test]
fn a_longer_time_makes_its_own_images_due_later_and_changes_no_other() {
    for_all(|chance, retention, images| {
        let more = HOUR + chance.hours();
        let count = retention.rules.iter().count();
        for longer in 0..=count {
            let mut after = with(retention, |rules| {
                rules.iter_mut().skip(longer).take(1).for_each(|rule| rule.scrub_time += more);
            });
            if longer == count {
                after.scrub_time += more;
            }
            for image in images {
                let place = retention.rules.iter().position(|rule| rule.conditions.fit(image));
                let is_its_own = place.unwrap_or(count) == longer;
                let more = if is_its_own { more } else { Duration::ZERO };
                let due = later(retention.due_at(image, noon()), more);
                assert_eq!(after.due_at(image, noon()), due, "{retention:?} {longer} {image:?}");
            }
            assert!(after.covers(retention), "{retention:?} {longer}");
        }
    });
}

#[test]
fn a_rule_changes_nothing_for_images_that_an_earlier_one_decides_or_that_it_does_not_match() {
    for_all(|chance, retention, images| {
        let (rule, count) = (chance.rule(), retention.rules.iter().count());
        let place = chance.below(count + 1);
        let after = with(retention, |rules| rules.insert(place, rule.clone()));
        for image in images {
            let first = retention.rules.iter().position(|rule| rule.conditions.fit(image));
            let decides = rule.conditions.fit(image) && first.is_none_or(|first| first >= place);
            let wait = if decides { rule.scrub_time } else { retention.wait(image) };
            assert_eq!(after.wait(image), wait, "{retention:?} {place} {rule:?} {image:?}");
        }
    });
}

#[test]
fn one_more_condition_never_makes_a_rule_match_more() {
    let images = images();
    for seed in 0..ROUNDS {
        let mut chance = Chance(seed);
        let (wide, more) = (chance.conditions(), chance.conditions());
        let narrow = Conditions {
            owner: wide.owner.clone().or(more.owner),
            visibility: wide.visibility.clone().or(more.visibility),
            name: wide.name.clone().or(more.name),
            tag: wide.tag.clone().or(more.tag),
            property: wide.property.clone().or(more.property),
            min_size: wide.min_size.max(more.min_size),
            max_size: wide.max_size.map_or(more.max_size, |most| {
                Some(more.max_size.map_or(most, |other| other.min(most)))
            }),
        };
        for image in &images {
            assert!(wide.fit(image) || !narrow.fit(image), "{wide:?} {narrow:?} {image:?}");
        }
    }
}

/// A pass reads only these of the database.
#[test]
fn tags_and_properties_that_no_rule_names_change_nothing() {
    for_all(|_, retention, images| {
        let labels = retention.rules.labels();
        for image in images {
            let mut kept = image.clone();
            kept.keep(&labels);
            assert_eq!(retention.wait(&kept), retention.wait(image), "{retention:?} {image:?}");
        }
    });
}

#[test]
fn rules_that_cover_others_never_make_an_image_due_earlier() {
    let mut covered = 0;
    for_all(|chance, before, images| {
        let mut after = if chance.below(2) == 0 {
            chance.retention()
        } else {
            let longer = with(before, |rules| {
                for rule in rules {
                    rule.scrub_time += chance.hours();
                }
            });
            Retention { scrub_time: before.scrub_time + HOUR, ..longer }
        };
        if chance.below(3) == 0 {
            after.scrub_time = chance.hours();
        }
        if after.covers(before) {
            covered += 1;
            for image in images {
                assert!(after.wait(image) >= before.wait(image), "{before:?} {after:?} {image:?}");
            }
        }
    });
    assert!(covered > 3, "{covered}");
}

/// However often rules change without somebody's consent.
#[test]
fn what_is_in_force_never_lets_an_image_be_due_earlier_than_any_rules_before() {
    for_all(|chance, retention, images| {
        let mut all = vec![retention.clone()];
        let mut in_force = InForce::of(retention, &[]);
        for _ in 0..chance.below(12) {
            let next = chance.retention();
            in_force = InForce::of(&next, in_force.all());
            all.push(next);
        }
        // not every image, because each needs all rules
        for image in images.iter().step_by(7) {
            let longest = all.iter().map(|one| one.wait(image)).max().unwrap();
            let wait = in_force.wait(Some(image));
            assert!(wait >= longest && wait <= in_force.wait(None), "{all:?} {image:?}");
        }
    });
}
