//! Snapshots of the help texts, on which operators and their scripts rely.

use crate::support::binary::glance_revert;

pub(crate) const SUBCOMMANDS: [&str; 18] = [
    "serve",
    "scrub",
    "revert",
    "pause",
    "resume",
    "status",
    "hold",
    "release",
    "list",
    "show",
    "retained",
    "audit",
    "db",
    "check",
    "openapi",
    "completions",
    "healthcheck",
    "demo",
];

/// Subcommands of subcommands.
pub(crate) const NESTED: [[&str; 2]; 4] =
    [["retained", "purge"], ["db", "sync"], ["db", "trim-audit"], ["db", "version"]];

pub(crate) fn help(arguments: &[&str]) -> String {
    let run = glance_revert(&[arguments, &["--help"]].concat());
    assert_eq!((run.exit, run.stderr.as_str()), (Some(0), ""));
    run.stdout
}

/// The subcommands in the help, except `help` itself.
fn listed() -> Vec<String> {
    let help = help(&[]);
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let (commands, _) = commands.split_once("\n\n").unwrap();
    let words = commands.lines().filter_map(|line| line.split_whitespace().next());
    words.filter(|word| *word != "help").map(str::to_owned).collect()
}

#[test]
fn help_lists_every_subcommand() {
    assert_eq!(listed(), SUBCOMMANDS);
    insta::assert_snapshot!("glance_revert", help(&[]));
}

#[test]
fn every_subcommand_explains_itself() {
    for subcommand in SUBCOMMANDS {
        insta::assert_snapshot!(format!("glance_revert_{subcommand}"), help(&[subcommand]));
    }
    for nested in NESTED {
        insta::assert_snapshot!(format!("glance_revert_{}", nested.join("_")), help(&nested));
    }
}

#[test]
fn the_version_is_that_of_the_package_with_the_commit_where_it_is_known() {
    let run = glance_revert(&["--version"]);
    let version = env!("CARGO_PKG_VERSION");
    let expected = match env!("GLANCE_REVERT_COMMIT") {
        "" => format!("glance-revert {version}\n"),
        commit => format!("glance-revert {version} ({commit})\n"),
    };
    assert_eq!((run.exit, run.stdout), (Some(0), expected));
}

#[test]
fn arguments_that_do_not_exist_are_told_from_a_wrong_configuration() {
    for wrong in [&["undelete"][..], &["revert"], &["list", "--everything"], &["scrub", "now"]] {
        let run = glance_revert(wrong);
        assert_eq!((run.exit, run.stdout.as_str()), (Some(2), ""), "{wrong:?}");
        assert!(run.stderr.contains("Usage:") && run.stderr.contains("--help"), "{run:?}");
    }
}
