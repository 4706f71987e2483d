//! The command line: runs a subcommand and returns its exit code.

mod audit;
mod check;
mod completions;
mod db;
mod demo;
mod duration;
mod healthcheck;
mod hold;
mod list;
mod man;
mod moment;
mod openapi;
mod output;
mod pause;
mod record;
mod retained;
mod revert;
mod scrub;
mod selection;
mod serve;
mod show;
mod table;
mod until;
mod words;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use crate::app::{App, SetupError};
use crate::config::{Config, ConfigDir, ConfigError, Environment, ScrubTime, Sources};
use crate::domain::repo::RepoError;
use crate::server::BindError;
use crate::store::rbd;
use crate::telemetry::{self, AuditTrail, TelemetryError};

/// The package's version, and the commit where the build knew it.
const VERSION: &str = env!("GLANCE_REVERT_VERSION");

/// Brings deleted OpenStack Glance images back, and scrubs those that are due.
#[derive(Debug, Parser)]
#[command(name = "glance-revert", version = VERSION, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    sources: SourceArgs,
    #[command(subcommand)]
    command: Command,
}

/// The help heading that separates options of every subcommand from options of one.
const CONFIGURATION: &str = "Configuration and log";

#[derive(Debug, Clone, Args)]
struct SourceArgs {
    /// A configuration file of Glance or of this service; may be repeated, later ones override
    /// [default: /etc/glance/glance-api.conf, then /etc/glance/glance.conf.d/*.conf]
    #[arg(long, global = true, value_name = "FILE", help_heading = CONFIGURATION)]
    #[arg(value_parser = in_order())]
    config_file: Vec<NumberedPath>,
    /// A folder with *.conf files, read in the order of the command line; may be repeated
    #[arg(long, global = true, value_name = "FOLDER", help_heading = CONFIGURATION)]
    #[arg(value_parser = in_order())]
    config_dir: Vec<NumberedPath>,
    /// Which log lines to write, for example `info,glance_revert=debug`
    #[arg(long, global = true, value_name = "FILTER", help_heading = CONFIGURATION)]
    log: Option<String>,
}

/// A path, and its place among all paths of the command line.
#[derive(Debug, Clone)]
struct NumberedPath {
    place: usize,
    path: PathBuf,
}

/// Numbers all paths in one sequence, because clap keeps only the order within each option.
fn in_order() -> impl TypedValueParser<Value = NumberedPath> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    PathBufValueParser::new()
        .map(|path| NumberedPath { place: NEXT.fetch_add(1, Ordering::Relaxed), path })
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API and run the scrubber
    Serve,
    /// Run one scrub pass, as a cron job does
    Scrub(scrub::ScrubArgs),
    /// Revert deleted images, directly on the database; safe while servers run
    Revert(revert::RevertArgs),
    /// Pause the scrubber of every process on the database
    Pause(pause::PauseArgs),
    /// End the pause
    Resume(pause::ResumeArgs),
    /// Show the pause, who set it, the number of held images, and the last pass
    Status(pause::StatusArgs),
    /// Prevent the scrubber from claiming images; they can still be reverted
    Hold(hold::HoldArgs),
    /// End the holds of images
    Release(hold::ReleaseArgs),
    /// List pending images, and whether they can be reverted
    List(list::ListArgs),
    /// Show what a revert of one image would do
    Show(show::ShowArgs),
    /// Remove for good what stores have kept of scrubbed images
    Retained(retained::RetainedArgs),
    /// Show recorded changes, and who made them
    Audit(audit::AuditArgs),
    /// Create the service's own tables beside Glance's, or show their version
    Db(db::DbArgs),
    /// Test the configuration, the database, the stores and the keys
    Check,
    /// Print the OpenAPI document
    Openapi(openapi::OpenapiArgs),
    /// Print a shell completion script
    Completions(completions::CompletionsArgs),
    /// Write the manual pages
    #[command(hide = true)]
    Man(man::ManArgs),
    /// Ask a running server whether it is healthy; for containers
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Run a demo: the service on a small Glance database with deleted images
    Demo(demo::DemoArgs),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// All done.
    Ok = 0,
    /// Some of the work failed.
    Failed = 1,
    /// The command line is wrong; clap uses the same code.
    CommandLine = 2,
    /// The configuration is wrong (`EX_USAGE` of sysexits.h).
    Usage = 64,
    /// The database does not answer (`EX_UNAVAILABLE`).
    Unavailable = 69,
    /// Another process is doing the same; try later (`EX_TEMPFAIL`).
    TryLater = 75,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error("{0}")]
    NothingIsScrubbed(ScrubTime),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// A call to the operating system failed.
    #[error("{what}: {error}")]
    System { what: String, error: std::io::Error },
    /// The command line lacks something, or its options contradict each other.
    #[error("{0}")]
    Usage(String),
    /// Another error, and what to do.
    #[error("{0}")]
    Other(String),
}

impl CliError {
    fn system(what: impl fmt::Display) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.to_string();
        move |error| Self::System { what, error }
    }

    fn usage(what: impl fmt::Display) -> Self {
        Self::Usage(what.to_string())
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Config(_)
            | Self::Setup(_)
            | Self::NothingIsScrubbed(_)
            | Self::Telemetry(_)
            | Self::Bind(BindError::Tls(_)) => Exit::Usage,
            Self::Usage(_) => Exit::CommandLine,
            Self::Repo(RepoError::Unavailable(_)) => Exit::Unavailable,
            Self::Repo(_)
            | Self::Bind(BindError::Address { .. })
            | Self::System { .. }
            | Self::Other(_) => Exit::Failed,
        }
    }
}

type Outcome = Result<Exit, CliError>;

impl SourceArgs {
    fn load(&self) -> Result<Config, CliError> {
        let before =
            |dir: &NumberedPath| self.config_file.iter().filter(|f| f.place < dir.place).count();
        let folder = |dir: &NumberedPath| ConfigDir { path: dir.path.clone(), after: before(dir) };
        let sources = Sources {
            config_files: self.config_file.iter().map(|file| file.path.clone()).collect(),
            config_dirs: self.config_dir.iter().map(folder).collect(),
            environment: Environment::from_process(),
        };
        Ok(Config::load(&sources)?)
    }

    /// The app for a command that prints results: its log is for warnings.
    fn app(&self) -> Result<App, CliError> {
        self.app_and_trail().map(|(app, _)| app)
    }

    /// The same, and whether audit records are kept.
    fn app_and_trail(&self) -> Result<(App, AuditTrail), CliError> {
        let config = self.load()?;
        let filter = self.log.as_deref().or((!config.glance.debug).then_some("warn"));
        let (format, debug) = (config.revert.log_format, config.glance.debug);
        let trail = telemetry::init_command_logging(format, debug, filter)?;
        Ok((App::new(config)?, trail))
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    // The helper is not a command for people: only this binary starts it, without configuration,
    // log or runtime.
    if std::env::args_os().nth(1).is_some_and(|first| first == rbd::HELPER) {
        return rbd::serve();
    }
    let cli = Cli::parse();
    let exit = match run(cli) {
        Ok(exit) => exit,
        Err(error) => {
            // A configuration may have several problems, one line each.
            for line in error.to_string().lines() {
                output::complain(&line);
            }
            error.exit()
        }
    };
    ExitCode::from(exit as u8)
}

#[tokio::main]
async fn run(cli: Cli) -> Outcome {
    let sources = cli.sources;
    match cli.command {
        Command::Serve => serve::run(&sources).await,
        Command::Scrub(args) => scrub::run(&sources, &args).await,
        Command::Revert(args) => revert::run(&sources, &args).await,
        Command::Pause(args) => pause::pause(&sources, &args).await,
        Command::Resume(args) => pause::resume(&sources, &args).await,
        Command::Status(args) => pause::status(&sources, &args).await,
        Command::Hold(args) => hold::hold(&sources, &args).await,
        Command::Release(args) => hold::release(&sources, &args).await,
        Command::List(args) => list::run(&sources, &args).await,
        Command::Show(args) => show::run(&sources, &args).await,
        Command::Retained(args) => retained::run(&sources, &args).await,
        Command::Audit(args) => audit::run(&sources, &args).await,
        Command::Db(args) => db::run(&sources, &args).await,
        Command::Check => check::run(&sources).await,
        Command::Openapi(args) => openapi::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Healthcheck(args) => healthcheck::run(&sources, &args).await,
        Command::Demo(args) => demo::run(&args).await,
    }
}
