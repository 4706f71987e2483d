//! `glance-revert demo`: everything on one host, with nothing else installed.

mod images;
mod incident;

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;

use super::output::text;
use super::{CliError, Exit, Outcome, serve};
use crate::app::{self, App};
use crate::auth::DemoIssuer;
use crate::config::{Config, Environment, LogFormat, Sources};
use crate::server::Server;
use crate::server::signals::of_a_command;
use crate::telemetry;

const ISSUER: &str = "https://demo.glance-revert.invalid";
const AUDIENCE: &str = "glance-revert-demo";
const TOKEN_LIFETIME: Duration = Duration::from_hours(12);
const PORTS: [u16; 2] = [9393, 9394];

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// A new folder to work in, kept at the end [default: a temporary one named after the API's
    /// port, removed at the end]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Add this number of images of one project, deleted within four minutes and scrubbed in half
    /// an hour, to practise the steps of docs/operations.md
    #[arg(long, value_name = "IMAGES", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    incident: Option<u32>,
}

pub(super) async fn run(args: &DemoArgs) -> Outcome {
    telemetry::init_logging(LogFormat::Text, false, None)?;
    let shutdown = of_a_command().map_err(CliError::system("signals"))?;
    let listening = [listen(PORTS[0]).await?, listen(PORTS[1]).await?];
    let addresses = [local(&listening[0])?, local(&listening[1])?];
    let folder = Folder::create(args.folder.as_deref(), addresses[0].port())?;
    let now = app::clock().now();
    let lost = incident::images(args.incident.unwrap_or_default());
    let images = images::write(&folder.path, &lost, now).await?;
    let config = configure(&folder.path, addresses)?;
    // whoever reads the output may use `pause` immediately, which needs the tables
    App::new(config.clone())?.database.schema.sync().await?;
    let server = serve::start(config, Some(listening)).await?;
    introduce(&folder.path, &images, &server)?;
    if let Some(images) = args.incident {
        incident::introduce(&folder.path, images)?;
    }
    text("\nCtrl-C ends the demo.")?;
    let drained = server.run(shutdown).await;
    tracing::debug!(?drained, "stopped");
    Ok(Exit::Ok)
}

/// The admin's token must not be readable by others on this machine.
const FOLDER_MODE: u32 = 0o700;

/// The demo's folder; removed at the end unless the caller chose it.
struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    /// The default folder is named after the port: whoever has the port owns the folder, so its
    /// token is always the one that this port accepts; leftovers of a killed demo are replaced.
    fn create(chosen: Option<&Path>, port: u16) -> Result<Self, CliError> {
        let temporary = || std::env::temp_dir().join(format!("glance-revert-demo-{port}"));
        let path = chosen.map_or_else(temporary, Path::to_owned);
        if chosen.is_none() && std::fs::symlink_metadata(&path).is_ok() {
            std::fs::remove_dir_all(&path).map_err(CliError::system(path.display()))?;
        }
        let made = std::fs::DirBuilder::new().mode(FOLDER_MODE).create(&path);
        made.map_err(CliError::system(path.display()))?;
        let path = path.canonicalize().map_err(CliError::system(path.display()))?;
        Ok(Self { path, keep: chosen.is_some() })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, folder = %self.path.display(), "the folder was not removed");
        }
    }
}

/// Writes the files that an operator would (Glance's and the drop-in) and the admin's token.
fn configure(folder: &Path, [bind, ops_bind]: [SocketAddr; 2]) -> Result<Config, CliError> {
    let issuer =
        DemoIssuer::generate(ISSUER, AUDIENCE).map_err(|e| CliError::Other(e.to_string()))?;
    let token = issuer
        .token("admin", &["glance-revert-admin"], app::clock().now(), TOKEN_LIFETIME)
        .map_err(|error| CliError::Other(error.to_string()))?;
    let glance = format!(
        "[DEFAULT]\ndelayed_delete = True\nscrub_time = 3600\nwakeup_time = 30\n\n\
         [database]\nconnection = sqlite:///{0}/glance.db\n\n\
         [glance_store]\nstores = file\nfilesystem_store_datadir = {0}/images\n",
        folder.display()
    );
    let revert = format!(
        "[revert]\nbind = {bind}\nops_bind = {ops_bind}\nfirst_pass_delay = 0\n\n\
         [revert_jwt:demo]\nissuer = {ISSUER}\naudiences = {AUDIENCE}\n\
         jwks_file = {}/jwks.json\n",
        folder.display()
    );
    let header = format!("Authorization: Bearer {}\n", token.expose());
    write(folder, "glance-api.conf", &glance)?;
    write(folder, "glance-revert.conf", &revert)?;
    write(folder, "jwks.json", &issuer.jwks())?;
    write(folder, "admin-header", &header)?;
    write(folder, "admin-token", token.expose())?;
    let config_files = ["glance-api.conf", "glance-revert.conf"].map(|name| folder.join(name));
    Ok(Config::load(&Sources {
        config_files: config_files.into(),
        config_dirs: Vec::new(),
        environment: Environment::default(),
    })?)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), CliError> {
    let path = folder.join(name);
    std::fs::write(&path, text).map_err(CliError::system(path.display()))
}

/// Listens on the usual port, or on a free one if that is taken.
async fn listen(port: u16) -> Result<TcpListener, CliError> {
    let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
    if let Ok(usual) = TcpListener::bind(at(port)).await {
        return Ok(usual);
    }
    TcpListener::bind(at(0)).await.map_err(CliError::system("a port of 127.0.0.1"))
}

fn local(listener: &TcpListener) -> Result<SocketAddr, CliError> {
    listener.local_addr().map_err(CliError::system("the bound address"))
}

fn introduce(folder: &Path, images: &[images::Shown], server: &Server) -> Result<(), CliError> {
    let api = server.api_address().map_err(CliError::system("the bound address"))?;
    let ops = server.ops_address().map_err(CliError::system("the bound address"))?;
    let folder = folder.display();
    text(&format!("A small Glance cloud after some mistakes, in {folder}:\n"))?;
    for image in images {
        text(&format!("  {}  {:<16} {}", image.id, image.name, image.story))?;
    }
    let (curl, api) = (format!("curl -sS -H @{folder}/admin-header"), format!("http://{api}/v2"));
    text(&format!(
        "\nAn admin's token, valid for 12 hours (also in {folder}/admin-token and, as a header, in \
         {folder}/admin-header):\n"
    ))?;
    text(
        &std::fs::read_to_string(format!("{folder}/admin-token"))
            .map_err(CliError::system("the token"))?,
    )?;
    text("\nList the pending images, and show what a revert of one image would do:\n")?;
    text(&format!("  {curl} {api}/pending-deletes"))?;
    for image in images.iter().filter(|image| image.pending) {
        text(&format!("  {curl} {api}/pending-deletes/{}", image.id))?;
    }
    text("\nRevert one; the first command is a dry run:\n")?;
    let dry_run = "-H 'Content-Type: application/json' -d '{\"dry_run\": true}'";
    for image in images.iter().filter(|image| image.pending) {
        let url = format!("{api}/images/{}/actions/revert", image.id);
        text(&format!("  {curl} -i -X POST {dry_run} {url}"))?;
        text(&format!("  {curl} -i -X POST {url}"))?;
    }
    text(&format!(
        "\nMore:\n\n  curl -sS http://{ops}/readyz\n  curl -sS http://{ops}/metrics\n  \
         http://{0}/ui in a browser (paste the token)\n  http://{0}/docs in a browser",
        api.trim_start_matches("http://").trim_end_matches("/v2")
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn nobody_else_can_read_the_token() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::create(Some(&parent.path().join("demo")), 1).unwrap();
        let mode = std::fs::metadata(&folder.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
