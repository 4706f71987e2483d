//! HTTP sent byte by byte, as no client library would.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Long enough for a response on a busy machine; shorter than the service's timers.
const AT_ONCE: Duration = Duration::from_secs(8);

/// A connection on which any bytes can be sent.
#[derive(Debug)]
pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) async fn connect(address: &str) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// Sends bytes; false if the server has closed meanwhile.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// Closes the sending half.
    pub(crate) async fn finish(&mut self) {
        drop(self.0.shutdown().await);
    }

    /// Waits until exactly this has arrived.
    pub(crate) async fn expect(&mut self, text: &str) {
        let mut seen = vec![0; text.len()];
        timeout(AT_ONCE, self.0.read_exact(&mut seen)).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&seen), text);
    }

    /// Waits until something has arrived, without reading it.
    pub(crate) async fn wait_readable(&self) {
        timeout(AT_ONCE, self.0.readable()).await.unwrap().unwrap();
    }

    /// All responses until the server closes, which it must do properly.
    pub(crate) async fn answers(&mut self) -> Vec<String> {
        self.answers_within(AT_ONCE).await
    }

    /// The same with a longer wait, which the service must end.
    pub(crate) async fn answers_within(&mut self, limit: Duration) -> Vec<String> {
        let mut seen = Vec::new();
        match timeout(limit, self.0.read_to_end(&mut seen)).await {
            Ok(Ok(_)) => answers(&seen),
            Ok(Err(error)) => [answers(&seen), vec![format!("{error}")]].concat(),
            Err(_) => [answers(&seen), vec!["still open".to_owned()]].concat(),
        }
    }
}

/// For each response `STATUS`, or `STATUS reason` if the body is our error; anything else
/// unchanged.
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
