//! The real binary's `serve`, beside the service in this process and on the same files, to be killed
//! while it works.

use std::fs;
use std::process::Stdio;

use reqwest::{Error, Method, Response};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::support::cloud::Cloud;
use crate::support::daemon::until;
use crate::support::output;
use crate::support::proxy::closed_port;

/// `glance-revert serve`; killed when dropped.
#[derive(Debug)]
pub(crate) struct Mortal {
    child: Child,
    pid: Pid,
    base: String,
}

impl Mortal {
    /// Starts it with these variables, and waits until it listens.
    pub(crate) async fn start(cloud: &Cloud, environment: &[(&str, &str)]) -> Self {
        let address = format!("127.0.0.1:{}", closed_port());
        let mut command = Command::new(env!("CARGO_BIN_EXE_glance-revert"));
        command.arg("serve").env("OS_REVERT__BIND", &address);
        command.envs(environment.iter().copied());
        for file in cloud.service.config_files() {
            command.arg("--config-file").arg(file);
        }
        command.stdin(Stdio::null()).stdout(output::sink("mortal"));
        let mut child = command.stderr(output::sink("mortal")).kill_on_drop(true).spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
        until("a service that listens", async || {
            assert!(child.try_wait().unwrap().is_none(), "it ended");
            TcpStream::connect(&address).await.ok()
        })
        .await;
        Self { child, pid, base: format!("http://{address}") }
    }

    /// Sends a revert, and returns before it is answered.
    pub(crate) fn revert(
        &self,
        cloud: &Cloud,
        id: &str,
        options: &Value,
    ) -> JoinHandle<Result<Response, Error>> {
        let path = format!("/v2/images/{id}/actions/revert");
        tokio::spawn(cloud.service.request_at(&self.base, Method::POST, &path).json(options).send())
    }

    /// What kills it.
    pub(crate) fn killer(&self) -> impl Fn() + Send + Sync + 'static {
        let pid = self.pid;
        // it may have ended
        move || {
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// What kills the processes that it has started, and not itself.
    pub(crate) fn killer_of_helpers(&self) -> impl Fn() + Send + Sync + 'static {
        let tasks = format!("/proc/{}/task", self.pid.as_raw_nonzero());
        move || {
            for task in fs::read_dir(&tasks).unwrap() {
                let children = task.unwrap().path().join("children");
                let children = fs::read_to_string(children).unwrap_or_default();
                for pid in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
                    let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
                }
            }
        }
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) {
        self.child.wait().await.unwrap();
    }
}
