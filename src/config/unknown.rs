//! Refuses unknown options of ours: a misspelled option would otherwise be ignored silently.

use super::options::{self, OptionSpec, REVERT_GROUP, REVERT_JWT_PREFIX, REVERT_RETENTION_PREFIX};
use super::oslo::Origin;
use super::problem::Problem;
use super::reader::Reader;
use super::sections::{REVERT, REVERT_JWT, REVERT_RETENTION};

/// Prefixes of the stores' option names.
const OF_STORES: [&str; 11] = [
    "filesystem_",
    "http_",
    "https_",
    "rbd_",
    "rados_",
    "s3_",
    "swift_",
    "default_swift_",
    "cinder_",
    "vmware_",
    "store_description",
];

/// Our named sections, by their prefix.
const NAMED: [(&str, &[&[OptionSpec]]); 2] =
    [(REVERT_JWT_PREFIX, &[REVERT_JWT]), (REVERT_RETENTION_PREFIX, &[REVERT_RETENTION])];

/// Checks the files and the environment. `backends` are Glance's own sections, whatever their
/// names; one named like ours is checked as both.
pub(super) fn check(reader: &mut Reader<'_>, backends: &[String]) {
    let settings = reader.settings();
    let is_backend = |name: &str| backends.iter().any(|backend| backend.to_lowercase() == name);
    let is_of_store = |group: &str, option: &str| {
        let option = option.to_lowercase();
        is_backend(group)
            && (option == "weight" || OF_STORES.iter().any(|name| option.starts_with(name)))
    };
    for (group, origin) in settings.groups() {
        match table(group) {
            Some(table) => {
                let options = settings.options(group);
                for (option, origin) in options.filter(|(name, _)| !is_of_store(group, name)) {
                    check_option(reader, table, group, option, origin);
                }
            }
            None if is_ours_misspelled(group) && !is_backend(group) => {
                reader.problem(unknown_group(group, origin.clone()));
            }
            None => {}
        }
    }
    for (variable, group, option) in settings.environment().options() {
        let origin = Origin::Environment(variable.to_owned());
        let name = group.to_lowercase();
        match environment_table(group) {
            Some(_) if is_of_store(&name, option) => {}
            Some(table) => {
                // The lower-case form of a variable is never read.
                let known = option.to_lowercase();
                let option = if option == known.to_uppercase() { known } else { option.to_owned() };
                check_option(reader, table, &name, &option, &origin);
            }
            None if is_ours_misspelled(&name) && !is_backend(&name) => {
                reader.problem(unknown_group(&name, origin));
            }
            None => {}
        }
    }
}

fn check_option(
    reader: &mut Reader<'_>,
    section: &[&'static [OptionSpec]],
    group: &str,
    option: &str,
    origin: &Origin,
) {
    if options::find(section, option).is_some() {
        return;
    }
    let nearest = options::nearest(section, option).unwrap_or_default();
    reader.problem(Problem {
        origin: Some(origin.clone()),
        group: group.to_owned(),
        option: option.to_owned(),
        message: format!("unknown option; the nearest known one is {nearest}"),
    });
}

fn table(group: &str) -> Option<&'static [&'static [OptionSpec]]> {
    if group == REVERT_GROUP {
        return Some(REVERT);
    }
    let named = NAMED.iter().find(|(prefix, _)| group.starts_with(prefix));
    named.map(|(_, table)| *table)
}

fn environment_table(group: &str) -> Option<&'static [&'static [OptionSpec]]> {
    if group == "REVERT" {
        return Some(REVERT);
    }
    let is_one = |prefix: &str| {
        let name = group.strip_prefix(&prefix.to_uppercase().replace(':', "_"));
        name.is_some_and(|name| !name.is_empty())
    };
    NAMED.iter().find(|(prefix, _)| is_one(prefix)).map(|(_, table)| *table)
}

fn is_ours_misspelled(group: &str) -> bool {
    let group = group.trim();
    group.starts_with(REVERT_GROUP) || strsim::osa_distance(group, REVERT_GROUP) <= 1
}

fn unknown_group(group: &str, origin: Origin) -> Problem {
    Problem {
        origin: Some(origin),
        group: group.to_owned(),
        option: String::new(),
        message:
            "unknown section; ours are [revert], [revert_jwt:<name>] and [revert_retention:<name>]"
                .to_owned(),
    }
}
