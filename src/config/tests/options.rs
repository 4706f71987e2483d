//! Whether the reader enforces what an option's declaration says.

use super::refused;
use super::stores::misconfigured;
use crate::config::options::{Bound, Kind, OptionSpec, Range, find, nearest};
use crate::config::sections::{DATABASE, DEFAULT, KEYSTONE_AUTHTOKEN, REVERT, REVERT_JWT, STORES};

#[test]
fn the_nearest_option_is_suggested() {
    assert_eq!(nearest(REVERT, "lockwait"), Some("lock_wait"));
    assert_eq!(nearest(REVERT, "bnid"), Some("bind"));
    assert_eq!(nearest(&[REVERT_JWT], "audience"), Some("audiences"));
}

#[test]
fn names_are_unique() {
    let own: [&[&[OptionSpec]]; 5] =
        [REVERT, &[REVERT_JWT], &[DEFAULT], &[DATABASE], &[KEYSTONE_AUTHTOKEN]];
    for table in own {
        for option in table.iter().copied().flatten() {
            assert_eq!(find(table, option.name).unwrap().help, option.help);
        }
    }
}

/// A value that an option must refuse, and the error; `None` for free text.
fn out_of_range(kind: Kind) -> Option<(String, String)> {
    Some(match kind {
        Kind::Integer(Range { least: i64::MIN, .. }) => {
            ("1.5".into(), "is not a whole number".into())
        }
        Kind::Integer(range @ Range { most: i64::MAX, .. }) => {
            ((range.least - 1).to_string(), format!("is out of range: {range}"))
        }
        Kind::Integer(range) => ((range.most + 1).to_string(), format!("is out of range: {range}")),
        Kind::Seconds(Bound::AtMost(most)) => {
            ((most + 1).to_string(), format!("must be at most {most} seconds"))
        }
        Kind::Seconds(Bound::Positive) => ("0".into(), "must be more than 0 seconds".into()),
        Kind::Seconds(Bound::Any) | Kind::WholeSeconds => ("-1".into(), "is out of range".into()),
        Kind::Boolean => ("2".into(), "neither true nor false".into()),
        Kind::Path => ("here".into(), "must be an absolute path".into()),
        Kind::Choice(words) => ("?".into(), words()[0].into()),
        Kind::Text(_) => return None,
    })
}

/// A Keystone section with a certificate: without one, the key's option is not read.
const KEYSTONE: &str = "[keystone_authtoken]\nauth_url = https://k\nauth_type = none\n\
                        certfile = /c\n";

#[test]
fn every_option_refuses_other_values_than_documented_and_names_those() {
    let sections: [(&str, &str, &[&[OptionSpec]]); 4] = [
        ("", "revert", REVERT),
        ("", "revert_jwt:x", &[REVERT_JWT]),
        ("", "DEFAULT", &[DEFAULT]),
        (KEYSTONE, "keystone_authtoken", &[KEYSTONE_AUTHTOKEN]),
    ];
    for (before, group, section) in sections {
        for option in section.iter().copied().flatten() {
            let Some((text, words)) = out_of_range(option.kind) else { continue };
            let told = refused(&format!("{before}[{group}]\n{} = {text}\n", option.name));
            let place = format!("[{group}] {} (", option.name);
            let line = told.lines().find(|line| line.starts_with(&place));
            assert!(line.is_some_and(|line| line.contains(&words)), "{place}{words} in\n{told}");
        }
    }
}

#[test]
fn every_store_option_refuses_other_values_than_documented_and_names_those() {
    let stores = ["file", "http", "rbd", "s3", "swift", "cinder"].into_iter().zip(STORES);
    for (kind, options) in stores {
        for option in *options {
            let Some((text, words)) = out_of_range(option.kind) else { continue };
            let store = format!("[DEFAULT]\nenabled_backends = x:{kind}\n[x]\n");
            let told = misconfigured(&format!("{store}{} = {text}\n", option.name));
            let place = format!("[x] {} (", option.name);
            let line = told.lines().find(|line| line.starts_with(&place));
            assert!(line.is_some_and(|line| line.contains(&words)), "{place}{words} in\n{told}");
        }
    }
}
