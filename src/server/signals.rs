//! Signals: the first stops gracefully, the second at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The two stages of shutdown. Clones share their state.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Finish what is in flight, start nothing new. A part of the process that fails cancels it
    /// too, so that the others stop.
    pub soft: CancellationToken,
    /// Exit now.
    pub hard: CancellationToken,
}

impl Shutdown {
    /// The next stage: soft, then hard.
    fn advance(&self, signal: &str) {
        if self.soft.is_cancelled() {
            warn!(signal, "stopping at once; the next pass finishes an interrupted one");
            self.hard.cancel();
        } else {
            info!(
                signal,
                "stopping: requests in flight are finished; signal again to stop at once"
            );
            self.soft.cancel();
        }
    }
}

/// What SIGHUP means to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hangup {
    /// Ignored.
    Ignored,
    /// Stops it, too: its terminal is gone.
    Ends,
}

/// Listens for SIGTERM and SIGINT. SIGHUP is logged and ignored: the configuration is read only
/// once, and a lost terminal is no reason to stop.
///
/// # Errors
/// The operating system's, where a handler cannot be installed.
pub fn shutdown_signal() -> io::Result<Shutdown> {
    install(Hangup::Ignored)
}

/// The same for a command at a terminal, which also ends with its terminal.
///
/// # Errors
/// The operating system's, where a handler cannot be installed.
pub fn of_a_command() -> io::Result<Shutdown> {
    install(Hangup::Ends)
}

fn install(on_hangup: Hangup) -> io::Result<Shutdown> {
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    let hangup = signal(SignalKind::hangup())?;
    let shutdown = Shutdown::default();
    tokio::spawn(listen(terminate, interrupt, hangup, on_hangup, shutdown.clone()));
    Ok(shutdown)
}

async fn listen(
    mut terminate: Signal,
    mut interrupt: Signal,
    mut hangup: Signal,
    on_hangup: Hangup,
    shutdown: Shutdown,
) {
    while !shutdown.hard.is_cancelled() {
        tokio::select! {
            Some(()) = terminate.recv() => shutdown.advance("SIGTERM"),
            Some(()) = interrupt.recv() => shutdown.advance("SIGINT"),
            Some(()) = hangup.recv() => match on_hangup {
                Hangup::Ends => shutdown.advance("SIGHUP"),
                Hangup::Ignored => {
                    warn!("SIGHUP is ignored; restart to read the configuration again");
                }
            },
            else => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_is_soft_and_the_second_is_hard() {
        let shutdown = Shutdown::default();
        shutdown.advance("SIGTERM");
        assert!(shutdown.soft.is_cancelled() && !shutdown.hard.is_cancelled());
        shutdown.advance("SIGINT");
        assert!(shutdown.hard.is_cancelled());
    }

    #[test]
    fn a_signal_after_a_stop_from_within_is_hard() {
        let shutdown = Shutdown::default();
        shutdown.soft.cancel();
        shutdown.advance("SIGTERM");
        assert!(shutdown.hard.is_cancelled());
    }
}
