//! A service over real HTTP that returns the given responses, on the caller's runtime.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Write;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use super::text;

/// Separates responses.
const NEXT: &[u8] = b"\n====\n";
/// Statuses that cause no retries, which would take time.
const STATUSES: [u16; 14] = [200, 201, 202, 204, 206, 301, 400, 401, 403, 404, 405, 409, 410, 501];

/// The remaining responses.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers(Rc<RefCell<VecDeque<Vec<u8>>>>);

impl Answers {
    /// Parses several responses, each with `status`, headers, an empty line and a body.
    pub(super) fn give(&self, data: &[u8]) {
        let mut answers = self.0.borrow_mut();
        answers.clear();
        let mut rest = data;
        while let Some(at) = rest.windows(NEXT.len()).position(|window| window == NEXT) {
            answers.push_back(rest[..at].to_vec());
            rest = &rest[at + NEXT.len()..];
        }
        answers.push_back(rest.to_vec());
    }

    fn next(&self) -> Vec<u8> {
        self.0.borrow_mut().pop_front().unwrap_or_else(|| b"404".to_vec())
    }
}

/// Listens on its own port as long as `local` runs.
pub(super) async fn listen(local: &LocalSet, answers: Answers) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    local.spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answers = answers.clone();
            tokio::task::spawn_local(async move { drop(serve(stream, address, answers).await) });
        }
    });
    address
}

async fn serve(stream: TcpStream, here: SocketAddr, answers: Answers) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if stream.read_line(&mut first).await? == 0 {
            return Ok(());
        }
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap_or(0);
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let answer = login(&first, here).unwrap_or_else(|| answers.next());
        stream.write_all(&rendered(&answer, first.starts_with("HEAD "))).await?;
    }
}

/// A successful login, unless the login itself is fuzzed.
fn login(first: &str, here: SocketAddr) -> Option<Vec<u8>> {
    let answer = if first.starts_with("POST /good/v3/auth/tokens") {
        let endpoint = |path: &str| {
            let url = format!("http://{here}{path}");
            serde_json::json!([{ "interface": "public", "region": "one", "url": url }])
        };
        let token = serde_json::json!({ "token": {
            "expires_at": "2999-01-01T00:00:00.000000Z",
            "project": { "id": "p" },
            "catalog": [
                { "type": "object-store", "endpoints": endpoint("/v1/AUTH_p") },
                { "type": "volumev3", "endpoints": endpoint("/v3/p") },
            ],
        }});
        format!("201\ncontent-type: application/json\nx-subject-token: ours\n\n{token}")
    } else if first.starts_with("GET /auth/v1.0") {
        format!("200\nx-storage-url: http://{here}/v1/AUTH_p\nx-auth-token: ours\n\n")
    } else {
        return None;
    };
    Some(answer.into_bytes())
}

fn rendered(answer: &[u8], is_head: bool) -> Vec<u8> {
    let end = answer.windows(2).position(|window| window == b"\n\n");
    let (head, body) = end.map_or((answer, &b""[..]), |end| (&answer[..end], &answer[end + 2..]));
    let head = text(head);
    let mut lines = head.lines();
    let status = lines.next().and_then(|status| status.trim().parse().ok());
    let status: u16 = status.filter(|status| STATUSES.contains(status)).unwrap_or(404);
    let mut out = format!("HTTP/1.1 {status} Word\r\n");
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_framing = ["transfer-encoding", "connection", "upgrade", "trailer"]
            .contains(&name.to_ascii_lowercase().as_str());
        let is_length = name.eq_ignore_ascii_case("content-length");
        let is_number = value.trim().bytes().all(|byte| byte.is_ascii_digit());
        let is_good_length = is_head && is_number && (1..19).contains(&value.trim().len());
        if !name.is_empty()
            && name.bytes().all(is_name)
            && !is_framing
            && (!is_length || is_good_length && !out.contains("content-length"))
            && value.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        {
            let name = name.to_ascii_lowercase();
            let _ = write!(out, "{name}: {}\r\n", value.trim());
        }
    }
    let has_body = !is_head && status != 204;
    if has_body {
        let _ = write!(out, "content-length: {}\r\n", body.len());
    }
    let mut out = format!("{out}\r\n").into_bytes();
    if has_body {
        out.extend_from_slice(body);
    }
    out
}
