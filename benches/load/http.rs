//! Reverts over HTTP/1.1, a thread and a kept connection each.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use super::{Failure, Ids};

/// Reverts every id; the number of answers that were 200.
pub(super) fn run(
    address: &str,
    token: &str,
    ids: &Ids,
    connections: usize,
) -> Result<usize, Failure> {
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..connections).map(|_| scope.spawn(|| worker(address, token, ids))).collect();
        let mut done = 0;
        for worker in workers {
            done += worker.join().map_err(|_| "a connection's thread panicked")??;
        }
        Ok(done)
    })
}

fn worker(address: &str, token: &str, ids: &Ids) -> Result<usize, Failure> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let (mut done, mut body) = (0, Vec::new());
    while let Some(id) = ids.next() {
        let request = format!(
            "POST /v2/images/{id}/actions/revert HTTP/1.1\r\nHost: {address}\r\n\
             Authorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
        );
        reader.get_mut().write_all(request.as_bytes())?;
        let status = answer(&mut reader, &mut body)?;
        if status == 200 {
            done += 1;
        } else {
            eprintln!("{status}: {}", String::from_utf8_lossy(&body));
        }
    }
    Ok(done)
}

/// Reads one answer whole; its status.
pub(super) fn answer(reader: &mut impl BufRead, body: &mut Vec<u8>) -> Result<u16, Failure> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).ok_or("no status line")?.parse()?;
    let mut length = None;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse()?);
        }
    }
    body.resize(length.ok_or("no Content-Length")?, 0);
    reader.read_exact(body)?;
    Ok(status)
}
