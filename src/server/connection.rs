//! One client connection, from accept to close.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::debug;

use super::own_errors::OwnErrors;
use super::tls::{Handshakes, Shaken};
use super::write_timeout::WriteTimeout;
use crate::api::error::RequestError;
use crate::api::unreadable;
use crate::telemetry::audit::PeerCertificate;

/// How long a client may keep sending after our last response.
const LINGER: Duration = Duration::from_secs(1);
/// A client silent for this long after our last response has finished sending.
const QUIET: Duration = Duration::from_millis(200);

/// Shared by all connections of a listener.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) http: http1::Builder,
    pub(super) router: Router,
    /// `None` for a listener without TLS.
    pub(super) handshakes: Option<Arc<Handshakes>>,
    pub(super) write_timeout: Duration,
    pub(super) stop: CancellationToken,
}

/// Serves a client until either side closes. After `stop`, the request in flight is answered with
/// `Connection: close`; an idle connection is closed at once.
pub(super) async fn run(stream: TcpStream, peer: SocketAddr, shared: Shared) {
    let Some(handshakes) = shared.handshakes.clone() else {
        return serve(stream, peer, None, shared).await;
    };
    let shaken = shared.stop.run_until_cancelled(handshakes.shake(stream, peer)).await;
    match shaken {
        Some(Shaken::Done(stream, certificate)) => {
            serve(*stream, peer, certificate, shared).await;
        }
        Some(Shaken::NoTls(stream)) => tell_of_tls(stream, peer).await,
        Some(Shaken::Refused(stream)) => close(stream).await,
        Some(Shaken::Failed) | None => {}
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: SocketAddr,
    certificate: Option<Arc<PeerCertificate>>,
    shared: Shared,
) {
    let Shared { http, router, write_timeout, handshakes, stop } = shared;
    let stream = WriteTimeout::new(stream, write_timeout);
    let mut stream = OwnErrors::new(stream, peer.ip(), handshakes.is_some());
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        if let Some(certificate) = &certificate {
            request.extensions_mut().insert(Arc::clone(certificate));
        }
        router.clone().oneshot(request)
    });
    let ended = {
        let mut connection = pin!(http.serve_connection(TokioIo::new(&mut stream), service));
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "the connection ended early");
    }
    close(stream.into_inner().into_inner()).await;
}

/// HTTP on a TLS port most likely means `http://` written for `https://`.
async fn tell_of_tls(mut stream: TcpStream, peer: SocketAddr) {
    let told = "This port needs TLS: use https:// instead of http://. The request was sent \
        unencrypted; if it had a token, revoke that token.";
    let error = RequestError::Invalid(told.to_owned());
    let answer = unreadable::answer(&error.into(), peer.ip(), false, None);
    // a few bytes fit into any socket's buffer
    match timeout(LINGER, stream.write_all(&answer)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%peer, %error, "the client left without the answer"),
        Err(_) => debug!(%peer, "the client does not read the answer"),
    }
    close(stream).await;
}

/// Closes so that the client can read the last response. The kernel resets a socket closed with
/// unread bytes, and a client still sending too large a body would see "connection reset" instead
/// of its 413 or 431.
async fn close<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let discard = async {
        if let Err(error) = stream.shutdown().await {
            debug!(%error, "the client was gone before the connection was closed");
        }
        let mut scratch = [0; 1024];
        while let Ok(Ok(1..)) = timeout(QUIET, stream.read(&mut scratch)).await {}
    };
    if timeout(LINGER, discard).await.is_err() {
        debug!("the client goes on sending to a closed connection");
    }
}
