//! The helper: a process of the same binary in which Ceph's libraries run, so that a hang, an abort
//! or a leak does not affect the service.
//!
//! It serves one store, one request at a time, and makes no decisions: [`super::fault`] says what
//! an error means for the data. It ends when its input ends, when it is idle for [`IDLE`], and,
//! even while it waits for Ceph, when the service dies.

mod delete;
mod purge;
mod session;

use std::io::{self, BufRead, BufReader, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};
use serde::de::DeserializeOwned;
use tokio::signal::unix::{SignalKind, signal};

use self::session::Session;
use super::protocol::{Failure, Reply, Request, Settings};

/// A helper that is idle for this long ends; the service does not use one that is about to end.
pub(super) const IDLE: Duration = Duration::from_mins(1);

/// Serves requests from standard input until there are no more.
pub fn serve() -> ExitCode {
    match serve_all() {
        Ok(()) => ExitCode::SUCCESS,
        // The service notices the end of the output; there is nothing else to report.
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve_all() -> io::Result<()> {
    outlive_signals()?;
    thread::Builder::new().name("parent".to_owned()).spawn(die_with_parent)?;
    let mut input = BufReader::new(io::stdin());
    let Some(settings) = next::<Settings>(&mut input)? else { return Ok(()) };
    let mut session = None;
    while let Some(request) = next::<Request>(&mut input)? {
        let mut bytes = Vec::new();
        let reply = answer(&mut session, &settings, &request, &mut bytes);
        say(&reply.unwrap_or_else(Reply::Failed), &bytes)?;
    }
    Ok(())
}

/// Connects for the first request, and keeps the connection.
fn answer(
    session: &mut Option<Session>,
    settings: &Settings,
    request: &Request,
    bytes: &mut Vec<u8>,
) -> Result<Reply, Failure> {
    let session = match session {
        Some(session) => session,
        None => session.insert(Session::connect(settings)?),
    };
    match request {
        Request::Health { pool } => session.health(pool),
        Request::Trash { pool } => session.trash(pool),
        Request::Inspect(target) => session.inspect(target),
        Request::Delete(target) => session.delete(target),
        Request::Read { target, offset } => session.read(target, *offset, bytes),
        Request::Purge(target) => session.purge(target),
        Request::Pin(target) => session.pin(target),
        Request::Repair(target) => session.repair(target),
    }
}

/// The next line, if it arrives in time.
fn next<T: DeserializeOwned>(input: &mut BufReader<io::Stdin>) -> io::Result<Option<T>> {
    // The first request may have come with the settings.
    if input.buffer().is_empty() && !is_there_input()? {
        return Ok(None);
    }
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    serde_json::from_str(&line).map(Some).map_err(io::Error::other)
}

/// Waits for input for at most [`IDLE`].
fn is_there_input() -> io::Result<bool> {
    let limit = Timespec::try_from(IDLE).map_err(io::Error::other)?;
    let stdin = io::stdin();
    match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&limit)) {
        Ok(events) => Ok(events > 0),
        Err(Errno::INTR) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}

fn say(reply: &Reply, bytes: &[u8]) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply).map_err(io::Error::other)?;
    line.push(b'\n');
    let mut output = io::stdout().lock();
    output.write_all(&line)?;
    output.write_all(bytes)?;
    output.flush()
}

/// Reports that the work continues. If the service is gone, [`die_with_parent`] ends this process.
fn working() {
    drop(say(&Reply::Working, &[]));
}

/// Stopping the service signals all of its processes; a helper must finish its removal, because the
/// service waits for it. These handlers stay after the runtime has ended.
fn outlive_signals() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _inside = runtime.enter();
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        drop(signal(kind)?);
    }
    Ok(())
}

/// Waits until the output has no reader: the service is dead. A thread inside a Ceph call would not
/// notice that.
fn die_with_parent() {
    let stdout = io::stdout();
    loop {
        let mut output = [PollFd::new(&stdout, PollFlags::empty())];
        if poll(&mut output, None).is_ok() && !output[0].revents().is_empty() {
            let _ = kill_process(getpid(), Signal::KILL);
        }
    }
}
