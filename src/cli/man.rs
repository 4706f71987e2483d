//! `glance-revert man`: writes manual pages, for packagers.

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use super::{Cli, CliError, Exit, Outcome};

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// The folder for the pages, one for each command
    folder: PathBuf,
}

pub(super) fn run(args: &ManArgs) -> Outcome {
    let refused = || CliError::system(args.folder.display());
    std::fs::create_dir_all(&args.folder).map_err(refused())?;
    clap_mangen::generate_to(Cli::command(), &args.folder).map_err(refused())?;
    Ok(Exit::Ok)
}
