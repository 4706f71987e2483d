//! TLS handshakes: limited in time and number, so that new clients always get a turn.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::Tls;
use crate::telemetry::audit::PeerCertificate;
use crate::telemetry::metric;

/// The first byte of a TLS connection: a record of the type "handshake".
const HANDSHAKE: u8 = 0x16;

/// Shared by all handshakes of a listener.
#[derive(Debug)]
pub(in crate::server) struct Handshakes {
    tls: Arc<Tls>,
    limit: Duration,
    half_open: HalfOpen,
}

/// The result of a handshake.
pub(in crate::server) enum Shaken {
    /// Success, with the client's certificate.
    Done(Box<TlsStream<TcpStream>>, Option<Arc<PeerCertificate>>),
    /// The client does not speak TLS; most likely HTTP.
    NoTls(TcpStream),
    /// Failure; the client may still be reading the alert.
    Refused(TcpStream),
    /// The connection broke or timed out.
    Failed,
}

impl Handshakes {
    /// `limit` is the time for one handshake, `most` the number at a time.
    pub(in crate::server) fn new(tls: Arc<Tls>, limit: Duration, most: usize) -> Self {
        Self { tls, limit, half_open: HalfOpen { most: most.max(1), waiting: Mutex::default() } }
    }

    pub(in crate::server) async fn shake(&self, stream: TcpStream, peer: SocketAddr) -> Shaken {
        let place = self.half_open.enter();
        let shaken = tokio::select! {
            shaken = timeout(self.limit, self.try_to_shake(stream)) => shaken,
            () = place.ousted.cancelled() => {
                return failed(peer, "crowded", &"a newer client needed the connection");
            }
        };
        match shaken {
            Ok(Ok(shaken)) => shaken,
            Ok(Err((error, stream))) => {
                failed(peer, "refused", &error);
                stream.map_or(Shaken::Failed, Shaken::Refused)
            }
            Err(elapsed) => failed(peer, "timeout", &elapsed),
        }
    }

    async fn try_to_shake(
        &self,
        stream: TcpStream,
    ) -> Result<Shaken, (io::Error, Option<TcpStream>)> {
        let mut first = [HANDSHAKE];
        stream.peek(&mut first).await.map_err(|error| (error, None))?;
        if first != [HANDSHAKE] {
            return Ok(Shaken::NoTls(stream));
        }
        let accepted = self.tls.acceptor().accept(stream).into_fallible().await;
        let stream = accepted.map_err(|(error, stream)| (error, Some(stream)))?;
        let certificate = self.tls.shown(stream.get_ref().1).map(Arc::new);
        Ok(Shaken::Done(Box::new(stream), certificate))
    }
}

fn failed(peer: SocketAddr, reason: &'static str, error: &dyn std::fmt::Display) -> Shaken {
    metrics::counter!(metric::TLS_HANDSHAKE_FAILURES_TOTAL, "reason" => reason).increment(1);
    debug!(%peer, reason, %error, "a TLS handshake failed");
    Shaken::Failed
}

/// Handshakes in progress, oldest first. One too many cancels the oldest: a good client needs
/// milliseconds and is done before that, while stalled ones make room.
#[derive(Debug)]
struct HalfOpen {
    most: usize,
    waiting: Mutex<VecDeque<Arc<CancellationToken>>>,
}

/// A slot among them, freed on drop.
struct HalfOpenSeat<'a> {
    among: &'a HalfOpen,
    ousted: Arc<CancellationToken>,
}

impl HalfOpen {
    fn enter(&self) -> HalfOpenSeat<'_> {
        let ousted = Arc::new(CancellationToken::new());
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= self.most
            && let Some(oldest) = waiting.pop_front()
        {
            oldest.cancel();
        }
        waiting.push_back(Arc::clone(&ousted));
        HalfOpenSeat { among: self, ousted }
    }
}

impl Drop for HalfOpenSeat<'_> {
    fn drop(&mut self) {
        let mut waiting = self.among.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|other| !Arc::ptr_eq(other, &self.ousted));
    }
}
