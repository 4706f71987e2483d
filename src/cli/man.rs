//! `glance-revert man`, for those who make packages.

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use super::{Cli, CliError, Exit, Outcome};

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Where to write the pages, one a command
    folder: PathBuf,
}

pub(super) fn run(args: &ManArgs) -> Outcome {
    let refused = || CliError::system(args.folder.display());
    std::fs::create_dir_all(&args.folder).map_err(refused())?;
    clap_mangen::generate_to(Cli::command(), &args.folder).map_err(refused())?;
    Ok(Exit::Ok)
}
