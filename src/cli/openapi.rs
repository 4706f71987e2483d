//! `glance-revert openapi`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::output::line;
use super::{CliError, Exit, Outcome};
use crate::api::openapi;

#[derive(Debug, Args)]
pub(super) struct OpenapiArgs {
    /// The format to print
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// Write openapi.json and openapi.yaml into this folder instead
    #[arg(long, value_name = "FOLDER")]
    write: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Yaml,
}

pub(super) fn run(args: &OpenapiArgs) -> Outcome {
    if let Some(folder) = &args.write {
        for (name, text) in
            [("openapi.json", openapi::to_json()), ("openapi.yaml", openapi::to_yaml())]
        {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(CliError::system(path.display()))?;
        }
        return Ok(Exit::Ok);
    }
    let text = match args.format {
        Format::Json => openapi::to_json(),
        Format::Yaml => openapi::to_yaml(),
    };
    line(text.trim_end())?;
    Ok(Exit::Ok)
}
