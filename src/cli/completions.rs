//! `glance-revert completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::output::text;
use super::{Cli, CliError, Exit, Outcome};

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell that reads the script
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "glance-revert", &mut script);
    let script = String::from_utf8(script)
        .map_err(|error| CliError::Other(format!("the script is not UTF-8: {error}")))?;
    // Works around clap-rs/clap#6421: for a program with a hyphen in its name, bash completion
    // would stop after a subcommand.
    let script = if args.shell == Shell::Bash {
        script.replace("glance__subcmd__revert", "glance__revert")
    } else {
        script
    };
    text(script.trim_end())?;
    Ok(Exit::Ok)
}
