//! `completions`: the script in a real shell.

use std::process::Command;

use super::help::SUBCOMMANDS;
use crate::support::binary::glance_revert;

fn script(shell: &str) -> String {
    let run = glance_revert(&["completions", shell]);
    assert_eq!((run.exit, run.stderr.as_str()), (Some(0), ""), "{shell}");
    run.stdout
}

/// The completions that bash offers for the last word of a line.
fn offered(words: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("glance-revert");
    std::fs::write(&file, script("bash")).unwrap();
    let read = Command::new("bash").arg("-n").arg(&file).output().unwrap();
    assert!(read.status.success() && read.stderr.is_empty(), "{read:?}");
    // Like bash itself: call the function that `complete` names, with the words of the line.
    let ask = r#"source "$1"; shift
        entry=$(complete -p glance-revert); entry=${entry#*-F }; function=${entry%% *}
        COMP_WORDS=(glance-revert "$@"); COMP_CWORD=$#
        "$function" glance-revert "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let asked = Command::new("bash").args(["-c", ask, "bash"]).arg(&file).args(words).output();
    let asked = asked.unwrap();
    assert!(asked.status.success() && asked.stderr.is_empty(), "{asked:?}");
    String::from_utf8(asked.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_offers_commands_options_and_their_values() {
    assert_eq!(offered(&["sc"]), ["scrub"]);
    assert_eq!(offered(&["scrub", "--dry"]), ["--dry-run"]);
    assert_eq!(offered(&["openapi", "--format", ""]), ["json", "yaml"]);
}

#[test]
fn every_shell_has_a_script_with_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = script(shell);
        for command in SUBCOMMANDS {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
}

#[test]
fn an_unknown_shell_is_answered_with_the_known_ones() {
    let run = glance_revert(&["completions", "tcsh"]);
    assert_eq!((run.exit, run.stdout.as_str()), (Some(2), ""));
    assert!(run.stderr.contains("bash, elvish, fish, powershell, zsh"), "{}", run.stderr);
}
