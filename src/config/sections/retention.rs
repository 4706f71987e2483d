//! `[revert_retention:<name>]`: how long some deleted images wait.

use std::collections::HashMap;
use std::time::Duration;

use crate::config::declare::options;
use crate::config::named::{check_name, names, spelled};
use crate::config::options::{
    Opt, REVERT_RETENTION_PREFIX, optional_integer, optional_whole_seconds, parsed,
};
use crate::config::reader::{Reader, Section};
use crate::domain::pending::RESERVED_PROPERTIES;
use crate::domain::retention::{Conditions, Glob, InForce, Retention, Rule, Rules};

/// The longest text of a condition; Glance's names and tags are not longer.
const LONGEST: usize = 255;

/// The values of Glance's `visibility`.
const VISIBILITIES: [&str; 4] = ["public", "private", "shared", "community"];

options! {
    /// `[revert_retention:<name>]`.
    REVERT_RETENTION: RetentionOptions {
        /// Rules are tried from the least order to the greatest; the first that fits decides.
        order: Option<i64> = optional_integer(i64::MIN, "").required().example("10");
        /// How long an image waits that the rule fits.
        scrub_time: Option<Duration> = optional_whole_seconds().required().example("7776000");
        /// Only images of this project.
        owner: Option<String> = text("project id").example("3f1c7c5f2ad94a9f8d3b1e6a0c9d8e7f");
        /// Only images of this visibility.
        visibility: Option<String> =
            parsed("public, private, shared or community", None, visibility, || None)
                .example("private");
        /// Only images whose whole name matches: * stands for any characters, ? for one.
        name: Option<Glob> = parsed("pattern", None, glob, || None).example("golden-*");
        /// Only images that had this tag when they were deleted.
        tag: Option<String> = text("tag").example("golden");
        /// Only images that had this property, with this value, when they were deleted.
        property: Option<(String, String)> =
            parsed("key=value", None, property, || None).example("os_distro=debian");
        /// Only images of at least this size.
        min_size: Option<u64> = optional_integer(0, "bytes").example("1048576");
        /// Only images of at most this size.
        max_size: Option<u64> = optional_integer(0, "bytes").example("1099511627776");
    }
}

/// All rules in their order. `least` is `[revert] min_scrub_time`.
pub(in crate::config) fn read(reader: &mut Reader<'_>, least: Duration) -> Rules {
    let mut rules: Vec<(i64, Rule)> = Vec::new();
    let mut seen: HashMap<String, String> = HashMap::new();
    for name in names(reader.settings(), REVERT_RETENTION_PREFIX) {
        let group = format!("{REVERT_RETENTION_PREFIX}{name}");
        let mut section = reader.section(&[&group]);
        check_name(&mut section, &name, "rule");
        if let Some(other) = seen.insert(spelled(REVERT_RETENTION_PREFIX, &name), name.clone()) {
            let text = format!("{other:?} and this name are the same in the environment");
            section.problem_of_all(text);
        }
        let (order, rule) = rule(&mut section, &name, least);
        if let Some((_, other)) = rules.iter().find(|(known, _)| order == Some(*known)) {
            let text = format!("is also the order of {:?}", other.name);
            section.problem(&REVERT_RETENTION.order, text);
        }
        rules.extend(order.map(|order| (order, rule)));
    }
    rules.sort_by_key(|(order, _)| *order);
    let rules = Rules::from(rules.into_iter().map(|(_, rule)| rule).collect::<Vec<_>>());
    let all = Retention { scrub_time: Duration::ZERO, rules: rules.clone() };
    if InForce::from(all.clone()) != InForce::of(&all, &[])
        && let Some(Rule { name, .. }) = rules.iter().last()
    {
        let mut section = reader.section(&[&format!("{REVERT_RETENTION_PREFIX}{name}")]);
        section.problem_of_all("all rules together are longer than can be remembered");
    }
    rules
}

fn rule(section: &mut Section<'_, '_>, name: &str, least: Duration) -> (Option<i64>, Rule) {
    let order = section.required(&REVERT_RETENTION.order);
    let scrub_time = section.required(&REVERT_RETENTION.scrub_time);
    if let Some(time) = scrub_time.filter(|time| *time < least) {
        let text = format!(
            "{} is less than [revert] min_scrub_time = {}: raise it, or lower min_scrub_time too if it \
             is meant",
            time.as_secs(),
            least.as_secs_f64()
        );
        section.problem(&REVERT_RETENTION.scrub_time, text);
    }
    let conditions = Conditions {
        owner: section.get(&REVERT_RETENTION.owner),
        visibility: section.get(&REVERT_RETENTION.visibility),
        name: section.get(&REVERT_RETENTION.name),
        tag: section.get(&REVERT_RETENTION.tag),
        property: section.get(&REVERT_RETENTION.property),
        min_size: section.get(&REVERT_RETENTION.min_size),
        max_size: section.get(&REVERT_RETENTION.max_size),
    };
    if conditions.min_size.zip(conditions.max_size).is_some_and(|(least, most)| least > most) {
        section.problem(&REVERT_RETENTION.min_size, "is greater than max_size: no image fits");
    }
    let noted = RetentionOptions::ALL.iter().any(|option| section.has_problem(option));
    if conditions.is_empty() && !noted {
        section.problem_of_all(
            "says nothing about which images: set owner, visibility, name, tag, property, min_size or \
             max_size; for all others there is [DEFAULT] scrub_time",
        );
    }
    let scrub_time = scrub_time.unwrap_or_default();
    (order, Rule { name: name.to_owned(), conditions, scrub_time })
}

/// Empty means unset.
const fn text(form: &'static str) -> Opt<Option<String>> {
    parsed(form, None, short, || None)
}

fn short(text: &str) -> Result<Option<String>, String> {
    if text.chars().count() > LONGEST {
        return Err(format!("has more than {LONGEST} characters"));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn visibility(text: &str) -> Result<Option<String>, String> {
    match short(text)? {
        Some(word) if !VISIBILITIES.contains(&word.as_str()) => {
            Err(format!("{word:?} is none of {}", VISIBILITIES.join(", ")))
        }
        word => Ok(word),
    }
}

fn glob(text: &str) -> Result<Option<Glob>, String> {
    let ends_in_escape = text.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1;
    if ends_in_escape {
        return Err("ends with a \\ that escapes nothing".to_owned());
    }
    let glob = |text: String| Glob::parse(&text).map_err(|error| error.to_string());
    short(text)?.map(glob).transpose()
}

fn property(text: &str) -> Result<Option<(String, String)>, String> {
    let Some(text) = (!text.is_empty()).then_some(text) else { return Ok(None) };
    let Some((name, value)) = text.split_once('=') else {
        return Err("must be key=value".to_owned());
    };
    let (name, value) = (name.trim(), value.trim());
    if name.starts_with(RESERVED_PROPERTIES) {
        return Err("properties of Glance's import tasks never come back with an image".to_owned());
    }
    let name = short(name)?.ok_or_else(|| "names no property before the =".to_owned())?;
    Ok(Some((name, short(value)?.unwrap_or_default())))
}
