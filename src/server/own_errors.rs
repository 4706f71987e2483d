//! A stream that replaces hyper's own error responses with ours.
//!
//! hyper answers a head that it cannot parse (400, 414 or 431) by itself, without a body. The API
//! promises one error body for every status, so hyper's responses are recognised by a form that no
//! response of the router has: an error with only the headers `connection`, `content-length` and
//! `date`.

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::api::error::ApiError;
use crate::api::unreadable;

/// hyper's response has a status line and three headers.
const LONGEST: usize = 256;
const START: &[u8] = b"HTTP/1.1 4";

#[derive(Debug)]
pub(super) struct OwnErrors<S> {
    inner: S,
    peer: IpAddr,
    tls: bool,
    replacing: Option<Replacing>,
}

/// Our response while it is being written.
#[derive(Debug)]
struct Replacing {
    answer: Vec<u8>,
    written: usize,
    /// How many of hyper's bytes it replaces.
    replaced: usize,
}

impl<S> OwnErrors<S> {
    pub(super) fn new(inner: S, peer: IpAddr, tls: bool) -> Self {
        Self { inner, peer, tls, replacing: None }
    }

    pub(super) fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: AsyncWrite + Unpin> OwnErrors<S> {
    /// Handles bytes that hyper writes: `None` to pass them on unchanged.
    ///
    /// hyper closes after its own response, so that response ends the buffer; an earlier response
    /// may precede it.
    fn replace(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Option<Poll<io::Result<usize>>> {
        if self.replacing.is_none() {
            let (at, status, date) = answer_of_hyper(buf)?;
            if at > 0 {
                return Some(Pin::new(&mut self.inner).poll_write(cx, &buf[..at]));
            }
            let error = ApiError::of_status(status);
            let answer = unreadable::answer(&error, self.peer, self.tls, date);
            self.replacing = Some(Replacing { answer, written: 0, replaced: buf.len() });
        }
        Some(self.poll_replacing(cx))
    }

    fn poll_replacing(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(replacing) = &mut self.replacing else { return Poll::Ready(Ok(0)) };
        while let Some(rest @ [_, ..]) = replacing.answer.get(replacing.written..) {
            match ready!(Pin::new(&mut self.inner).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => replacing.written += written,
            }
        }
        let replaced = replacing.replaced;
        self.replacing = None;
        Poll::Ready(Ok(replaced))
    }
}

/// Where hyper's own response begins in the buffer, its status and its date.
fn answer_of_hyper(buf: &[u8]) -> Option<(usize, StatusCode, Option<&str>)> {
    let head = buf.strip_suffix(b"\r\n\r\n")?;
    let from = head.len().saturating_sub(LONGEST);
    let tail = head.get(from..)?;
    let at = tail.windows(START.len()).rposition(|window| window == START)?;
    let mut lines = str::from_utf8(tail.get(at..)?).ok()?.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut date = None;
    for line in lines {
        match line.split_once(": ")? {
            ("connection", "close") | ("content-length", "0") => {}
            ("date", value) => date = Some(value),
            _ => return None,
        }
    }
    Some((from + at, status, date))
}

impl<S: AsyncRead + Unpin> AsyncRead for OwnErrors<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for OwnErrors<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let replaced = self.replace(cx, buf);
        replaced.unwrap_or_else(|| Pin::new(&mut self.inner).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // hyper's response has no body, so it is one buffer.
        let replaced = match bufs {
            [one] => self.replace(cx, one),
            _ => None,
        };
        replaced.unwrap_or_else(|| Pin::new(&mut self.inner).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const HYPERS: &str = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\
                          content-length: 0\r\ndate: Wed, 25 Nov 2026 07:00:00 GMT\r\n\r\n";
    const PLAIN: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nx: y\r\n\r\n";

    /// What a client reads of `written`, through a pipe that takes a few bytes at a time.
    async fn read_of(written: &str) -> String {
        let (ours, mut theirs) = duplex(7);
        let mut ours = OwnErrors::new(ours, IpAddr::from([192, 0, 2, 1]), true);
        let writing = async move {
            ours.write_all(written.as_bytes()).await.unwrap();
            ours.shutdown().await.unwrap();
        };
        let mut read = String::new();
        let ((), count) = tokio::join!(writing, theirs.read_to_string(&mut read));
        assert_eq!(count.unwrap(), read.len());
        read
    }

    #[tokio::test]
    async fn an_answer_of_hypers_becomes_ours_with_its_date() {
        let read = read_of(HYPERS).await;
        let (head, body) = read.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{head}");
        for line in [
            "date: Wed, 25 Nov 2026 07:00:00 GMT",
            "connection: close",
            "content-type: application/json",
            "x-content-type-options: nosniff",
            "strict-transport-security: max-age=31536000",
            &format!("content-length: {}", body.len()),
        ] {
            assert!(head.contains(&format!("\r\n{line}")), "{line} in {head}");
        }
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["error"]["reason"], "request.headers_too_large");
        let id = body["error"]["request_id"].as_str().unwrap();
        assert!(head.contains(&format!("x-openstack-request-id: {id}")));
    }

    #[tokio::test]
    async fn an_earlier_answer_in_the_same_write_stays() {
        let read = read_of(&format!("{PLAIN}{HYPERS}")).await;
        assert!(read.starts_with(PLAIN) && read.contains("headers_too_large"), "{read}");
    }

    #[tokio::test]
    async fn answers_of_the_router_stay_as_they_are() {
        let ok = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        let quoting = "HTTP/1.1 200 OK\r\nx: y\r\n\r\nHTTP/1.1 400 Bad Request\r\nx: y\r\n\r\n";
        for written in [PLAIN, ok, quoting, "\r\n\r\n", "HTTP/1.1 4\r\n\r\n"] {
            assert_eq!(read_of(written).await, written);
        }
    }
}
