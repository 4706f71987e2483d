//! The loops of the bench that must cost next to nothing themselves.
//!
//! `load http <address> <token file> <ids file> <connections>` reverts images over HTTP, on
//! blocking connections that are kept open. `load bare <url> <ids file> <connections>` sends the
//! same statements as the service does for a revert, and nothing else: no HTTP, no token, no lock,
//! no store. Both print `{"done": .., "failed": .., "seconds": ..}`.
//!
//! `load mixed <address> <token file> <ids file> <connections> <file>` reverts images one by one and in
//! bulk beside lists and previews, prints what was answered and how long it took, and writes the images
//! that were answered as back into the file.

#![expect(clippy::print_stdout, reason = "the result goes to standard output")]

#[expect(dead_code, reason = "the texts of the service itself; a revert needs some of them")]
#[path = "../src/db/statements.rs"]
mod statements;

#[path = "load/bare.rs"]
mod bare;
#[path = "load/http.rs"]
mod http;
#[path = "load/mixed.rs"]
mod mixed;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

type Failure = Box<dyn Error + Send + Sync>;

/// Hands out each id once.
struct Ids {
    all: Vec<String>,
    next: AtomicUsize,
}

impl Ids {
    fn read(path: &str) -> Result<Arc<Self>, Failure> {
        let all = std::fs::read_to_string(path)?.lines().map(str::to_owned).collect();
        Ok(Arc::new(Self { all, next: AtomicUsize::new(0) }))
    }

    fn next(&self) -> Option<&str> {
        self.all.get(self.next.fetch_add(1, Ordering::Relaxed)).map(String::as_str)
    }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (ids, done, began) = match arguments.as_slice() {
        ["http", address, token, ids, connections] => {
            let token = std::fs::read_to_string(token)?;
            let (ids, connections) = (Ids::read(ids)?, connections.parse()?);
            let began = Instant::now();
            let done = http::run(address, token.trim(), &ids, connections)?;
            (ids, done, began)
        }
        ["bare", url, ids, connections] => {
            let (ids, connections) = (Ids::read(ids)?, connections.parse()?);
            let (done, began) = bare::run(url, &ids, connections)?;
            (ids, done, began)
        }
        ["mixed", address, token, ids, connections, back] => {
            let token = std::fs::read_to_string(token)?;
            let done = mixed::run(address, token.trim(), &*Ids::read(ids)?, connections.parse()?)?;
            std::fs::write(back, done.back.join("\n"))?;
            println!("{}", done.report());
            return Ok(());
        }
        // `cargo test --all-targets` and `cargo bench` start every bench
        _ => {
            println!("started by benches/run");
            return Ok(());
        }
    };
    let (failed, seconds) = (ids.all.len() - done, began.elapsed().as_secs_f64());
    println!("{{\"done\": {done}, \"failed\": {failed}, \"seconds\": {seconds}}}");
    Ok(())
}
