//! A listener: accepts, limits, drains.
//!
//! `axum::serve` sets no timers, so a silent client keeps its connection forever. Here every wait
//! for a client is limited: for a request's head, for the next request of a kept-alive connection,
//! and for a client to read its response. The router limits the time of a request as a whole.
//!
//! A client that has closed its sending half still gets its response. A client that is gone looks
//! the same until something is written to it, so its request is also carried out.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::connection::{self, Shared};
use super::tls::{Handshakes, Tls};

/// Pause after accept fails for lack of a resource (file descriptors): long enough not to spin,
/// short enough not to be noticed once descriptors are free again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// Least time between two warnings about a full listener.
const FULL_WARNING_EVERY: Duration = Duration::from_mins(1);
/// hyper accepts no smaller buffer.
const SMALLEST_HEAD: usize = 8 * 1024;

/// The limits of a listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Maximum number of open connections, at least 1. When it is reached, new clients wait in the
    /// kernel's queue, which costs this process no memory, until one ends or the timers here close
    /// an idle one.
    pub max_connections: usize,
    /// For a TLS handshake, for a request's head, and for the next request on a kept-alive
    /// connection.
    pub head_timeout: Duration,
    /// For a client to accept the next bytes of its response.
    pub write_timeout: Duration,
    /// Size limit of a request head in bytes, at least 8 KiB; beyond it or 100 headers: 431.
    pub max_head_bytes: usize,
    /// For requests in flight to finish after the signal to stop.
    pub drain_timeout: Duration,
}

impl Limits {
    /// The default limits, with the two that operators set.
    pub fn new(max_connections: usize, drain_timeout: Duration) -> Self {
        Self {
            max_connections,
            head_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            max_head_bytes: 32 * 1024,
            drain_timeout,
        }
    }

    fn http(&self) -> http1::Builder {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .half_close(true)
            .header_read_timeout(self.head_timeout)
            .max_buf_size(self.max_head_bytes.max(SMALLEST_HEAD));
        http
    }
}

/// The result of draining a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Drained {
    /// Connections cut because draining took too long.
    pub cut: usize,
}

/// Serves clients until `stop`, then drains: closes the socket, answers requests in flight, closes
/// idle connections at once, and cuts what is left after [`Limits::drain_timeout`]. Handlers get
/// the client's address as `axum::extract::ConnectInfo<SocketAddr>`.
///
/// Dropping the future cuts all connections.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) -> Drained {
    accept(listener, None, router, limits, stop).await
}

/// The same over TLS.
pub async fn serve_tls(
    listener: TcpListener,
    tls: Arc<Tls>,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) -> Drained {
    // Half of the connections are kept for clients past their handshake.
    let most = limits.max_connections / 2;
    let handshakes = Arc::new(Handshakes::new(tls, limits.head_timeout, most));
    accept(listener, Some(handshakes), router, limits, stop).await
}

async fn accept(
    listener: TcpListener,
    handshakes: Option<Arc<Handshakes>>,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) -> Drained {
    let shared = Shared {
        http: limits.http(),
        router,
        handshakes,
        write_timeout: limits.write_timeout,
        stop: stop.clone(),
    };
    let mut acceptor = Acceptor::new(listener, limits.max_connections);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => report(ended),
            (stream, peer, slot) = acceptor.next() => {
                let connection = connection::run(stream, peer, shared.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
        }
    }
    drop(acceptor);
    drain(connections, limits.drain_timeout).await
}

async fn drain(mut connections: JoinSet<()>, limit: Duration) -> Drained {
    let all = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if timeout(limit, all).await.is_ok() {
        return Drained { cut: 0 };
    }
    connections.abort_all();
    let mut cut = 0;
    while let Some(ended) = connections.join_next().await {
        match ended {
            Err(error) if error.is_cancelled() => cut += 1,
            other => report(other),
        }
    }
    Drained { cut }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        error!(%error, "a connection's task failed, please report this as a bug");
    }
}

/// The listening socket and the free connection slots.
struct Acceptor {
    listener: TcpListener,
    slots: Arc<Semaphore>,
    warned: Option<Instant>,
}

impl Acceptor {
    fn new(listener: TcpListener, max_connections: usize) -> Self {
        let slots = max_connections.clamp(1, Semaphore::MAX_PERMITS);
        Self { listener, slots: Arc::new(Semaphore::new(slots)), warned: None }
    }

    /// The next client. Cancel-safe.
    async fn next(&mut self) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        loop {
            let slot = self.slot().await;
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    // Fails only if the client is gone; the first read will tell.
                    let _ = stream.set_nodelay(true);
                    return (stream, peer, slot);
                }
                Err(error) if is_of_the_client(&error) => debug!(%error, "a client gave up"),
                Err(error) => {
                    error!(%error, "cannot accept connections; check the limit of open files");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn slot(&mut self) -> OwnedSemaphorePermit {
        loop {
            if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
                return slot;
            }
            self.warn_full();
            // Only waits; the slot itself is taken above.
            drop(self.slots.acquire().await);
        }
    }

    fn warn_full(&mut self) {
        if self.warned.is_none_or(|at| at.elapsed() >= FULL_WARNING_EVERY) {
            self.warned = Some(Instant::now());
            warn!(
                "all connections are in use and new clients must wait; see [revert] \
                max_connections"
            );
        }
    }
}

/// Errors of accept(2) that only mean that the client is gone.
fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
