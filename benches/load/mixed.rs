//! Callers who do everything at once over HTTP/1.1, a thread and a kept connection each: reverts, lists,
//! previews and bulk reverts.

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::answer;
use super::{Failure, Ids};

/// Images of one bulk revert.
const TOGETHER: usize = 10;

/// What one caller did, and was told.
#[derive(Default)]
pub(super) struct Done {
    /// How long each operation took.
    took: BTreeMap<&'static str, Vec<Duration>>,
    /// How often each operation was answered with what.
    answers: BTreeMap<String, usize>,
    /// Images that were answered as back.
    pub(super) back: Vec<String>,
}

impl Done {
    fn add(&mut self, other: Self) {
        for (operation, took) in other.took {
            self.took.entry(operation).or_default().extend(took);
        }
        for (answer, count) in other.answers {
            *self.answers.entry(answer).or_default() += count;
        }
        self.back.extend(other.back);
    }

    /// The answers, and what most operations took at most, in milliseconds.
    pub(super) fn report(mut self) -> Value {
        let percentiles = |took: &mut Vec<Duration>| {
            took.sort_unstable();
            let at = |part: usize| took[(took.len() * part / 1000).min(took.len() - 1)];
            let text = |part| format!("{:.1}", at(part).as_secs_f64() * 1000.0);
            json!({"count": took.len(), "p50": text(500), "p95": text(950), "p99": text(990),
                   "p999": text(999)})
        };
        let took = self.took.iter_mut().map(|(of, took)| ((*of).to_owned(), percentiles(took)));
        json!({"took": took.collect::<serde_json::Map<_, _>>(), "answers": self.answers})
    }
}

/// Until every id was asked for.
pub(super) fn run(
    address: &str,
    token: &str,
    ids: &Ids,
    connections: usize,
) -> Result<Done, Failure> {
    let turn = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let caller = || {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            let reader = BufReader::new(stream);
            Caller { address, token, reader, done: Done::default() }.run(ids, &turn)
        };
        let callers: Vec<_> = (0..connections).map(|_| scope.spawn(caller)).collect();
        let mut all = Done::default();
        for caller in callers {
            all.add(caller.join().map_err(|_| "a connection's thread panicked")??);
        }
        Ok(all)
    })
}

struct Caller<'a> {
    address: &'a str,
    token: &'a str,
    reader: BufReader<TcpStream>,
    done: Done,
}

impl Caller<'_> {
    fn run(mut self, ids: &Ids, turn: &AtomicUsize) -> Result<Done, Failure> {
        while self.one(ids, turn.fetch_add(1, Ordering::Relaxed))? {}
        Ok(self.done)
    }

    /// Six of ten are reverts. Whether there was an image left.
    fn one(&mut self, ids: &Ids, turn: usize) -> Result<bool, Failure> {
        match turn % 10 {
            0..6 => {
                let Some(id) = ids.next() else { return Ok(false) };
                let path = format!("/v2/images/{id}/actions/revert");
                if self.ask("revert", "POST", &path, "")?.0 == 200 {
                    self.done.back.push(id.to_owned());
                }
            }
            6 | 7 => drop(self.ask("list", "GET", "/v2/pending-deletes?limit=20", "")?),
            8 => {
                let id = &ids.all[turn % ids.all.len()];
                self.ask("preview", "GET", &format!("/v2/pending-deletes/{id}"), "")?;
            }
            _ => {
                let some: Vec<_> = std::iter::from_fn(|| ids.next()).take(TOGETHER).collect();
                if some.is_empty() {
                    return Ok(false);
                }
                let body = json!({"image_ids": some}).to_string();
                let path = "/v2/pending-deletes/actions/revert";
                let (_, answered) = self.ask("bulk", "POST", path, &body)?;
                self.results(&answered);
            }
        }
        Ok(true)
    }

    /// What became of each image of a bulk revert.
    fn results(&mut self, answered: &Value) {
        for result in answered["results"].as_array().into_iter().flatten() {
            let text = |of: &str| result[of].as_str().unwrap_or_default().to_owned();
            let outcome = text("outcome");
            if ["reverted", "already_reverted"].contains(&&*outcome) {
                self.done.back.push(text("image_id"));
            }
            let answer = format!("bulk: {outcome} {}", text("reason"));
            *self.done.answers.entry(answer).or_default() += 1;
        }
    }

    fn ask(
        &mut self,
        operation: &'static str,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<(u16, Value), Failure> {
        let (address, token, length) = (self.address, self.token, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let (began, mut bytes) = (Instant::now(), Vec::new());
        self.reader.get_mut().write_all(request.as_bytes())?;
        let status = answer(&mut self.reader, &mut bytes)?;
        self.done.took.entry(operation).or_default().push(began.elapsed());
        let body: Value = serde_json::from_slice(&bytes)?;
        let reason = body["error"]["reason"].as_str().unwrap_or_default();
        *self.done.answers.entry(format!("{operation} {status} {reason}")).or_default() += 1;
        Ok((status, body))
    }
}
