//! HTTP spoken byte by byte, as no client library would.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What has to come comes sooner, on a busy machine too; timers of the service are longer.
const AT_ONCE: Duration = Duration::from_secs(8);

/// A connection on which anything can be sent.
#[derive(Debug)]
pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) async fn connect(address: &str) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// Sends; a server that has closed meanwhile is no failure of the test's.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// No more will be sent.
    pub(crate) async fn finish(&mut self) {
        drop(self.0.shutdown().await);
    }

    /// Waits until this has come, and nothing else.
    pub(crate) async fn expect(&mut self, text: &str) {
        let mut seen = vec![0; text.len()];
        timeout(AT_ONCE, self.0.read_exact(&mut seen)).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&seen), text);
    }

    /// Waits until something has come, and leaves it there.
    pub(crate) async fn wait_readable(&self) {
        timeout(AT_ONCE, self.0.readable()).await.unwrap().unwrap();
    }

    /// All answers until the server closes, which it must do in good order.
    pub(crate) async fn answers(&mut self) -> Vec<String> {
        self.answers_within(AT_ONCE).await
    }

    /// The same, for waits that the service is to end.
    pub(crate) async fn answers_within(&mut self, limit: Duration) -> Vec<String> {
        let mut seen = Vec::new();
        match timeout(limit, self.0.read_to_end(&mut seen)).await {
            Ok(Ok(_)) => answers(&seen),
            Ok(Err(error)) => [answers(&seen), vec![format!("{error}")]].concat(),
            Err(_) => [answers(&seen), vec!["still open".to_owned()]].concat(),
        }
    }
}

/// `STATUS`, or `STATUS reason` where the body is our error, of each answer; what is no answer is
/// told as it is.
fn answers(mut bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let Some((answer, rest)) = answer(bytes) else {
            found.push(format!("no answer: {}", String::from_utf8_lossy(bytes)));
            break;
        };
        found.push(answer);
        bytes = rest;
    }
    found
}

fn answer(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.windows(4).position(|at| at == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ").or_else(|| head.strip_prefix("HTTP/1.0 "))?;
    let mut told = status.get(..3)?.to_owned();
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    let rest = &bytes[end + 4..];
    let length = header("content-length").map_or(Some(0), |length| length.parse().ok())?;
    let (body, rest) = rest.split_at_checked(length)?;
    if let Ok(body) = serde_json::from_slice::<Value>(body)
        && let Some(reason) = body["error"]["reason"].as_str()
    {
        write!(told, " {reason}").ok()?;
        assert_eq!(body["error"]["code"].to_string(), told[..3], "{head}");
        assert_eq!(
            body["error"]["request_id"].as_str(),
            header("x-openstack-request-id"),
            "{head}"
        );
    }
    assert_eq!(header("server"), None, "{head}");
    Some((told, rest))
}
