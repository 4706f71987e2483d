//! `glance-revert openapi`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::output::text;
use super::{CliError, Exit, Outcome};
use crate::api::openapi::{self, Specification};

#[derive(Debug, Args)]
pub(super) struct OpenapiArgs {
    /// The format to print
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// The version of the specification to print
    #[arg(long, value_enum, default_value_t = DocumentVersion::V3_0)]
    spec: DocumentVersion,
    /// Write openapi.json and openapi.yaml, also in version 3.1, to this folder instead
    #[arg(long, value_name = "FOLDER")]
    write: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Yaml,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DocumentVersion {
    /// 3.0.3, which every generator reads
    #[value(name = "3.0")]
    V3_0,
    /// 3.1
    #[value(name = "3.1")]
    V3_1,
}

pub(super) fn run(args: &OpenapiArgs) -> Outcome {
    if let Some(folder) = &args.write {
        for (name, text) in openapi::files() {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(CliError::system(path.display()))?;
        }
        return Ok(Exit::Ok);
    }
    let specification = match args.spec {
        DocumentVersion::V3_0 => Specification::V3_0,
        DocumentVersion::V3_1 => Specification::V3_1,
    };
    let document = match args.format {
        Format::Json => openapi::to_json(specification),
        Format::Yaml => openapi::to_yaml(specification),
    };
    text(document.trim_end())?;
    Ok(Exit::Ok)
}
