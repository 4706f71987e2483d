//! A proxy that inspects what a client sends to its database, and stops or refuses a statement, or
//! holds its answer back.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::proxy::{authority, url_by};

/// What happens to the selected statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// It arrives after [`StatementProxy::let_go`].
    Wait,
    /// It does not arrive; the answer is MySQL's error with this number and text.
    Refuse(u16, &'static str),
    /// After this many matching statements, the next one arrives, and its answer meets this fate.
    Answer(usize, Fate),
}

/// What happens to the database's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The connection is cut before the answer.
    Lost,
    /// It waits for [`StatementProxy::let_go`].
    Late,
}

#[derive(Debug)]
struct State {
    target: String,
    rule: Mutex<Option<(&'static str, Rule)>>,
    waiting: watch::Sender<bool>,
    /// Everything that clients have sent, as text, one entry per message.
    heard: Mutex<Vec<String>>,
}

/// Listens on its own port, and stops when dropped.
#[derive(Debug)]
pub(crate) struct StatementProxy {
    state: Arc<State>,
    port: u16,
    _stop: DropGuard,
}

impl StatementProxy {
    /// Starts in front of the database of this URL.
    pub(crate) async fn start(url: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (target, waiting) = (authority(url).to_owned(), watch::Sender::new(false));
        let state =
            Arc::new(State { target, rule: Mutex::default(), waiting, heard: Mutex::default() });
        let stop = CancellationToken::new();
        let (shared, stopped) = (Arc::clone(&state), stop.clone());
        tokio::spawn(async move {
            while let Some(Ok((client, _))) = stopped.run_until_cancelled(listener.accept()).await {
                let (state, stopped) = (Arc::clone(&shared), stopped.clone());
                tokio::spawn(async move { stopped.run_until_cancelled(state.carry(client)).await });
            }
        });
        Self { state, port, _stop: stop.drop_guard() }
    }

    pub(crate) fn url(&self, url: &str) -> String {
        url_by(self.port, url)
    }

    /// Holds back the next message with this text.
    pub(crate) fn stop_at(&self, text: &'static str) {
        *self.state.rule.lock().unwrap() = Some((text, Rule::Wait));
    }

    /// Refuses every message with this text.
    pub(crate) fn refuse(&self, text: &'static str, number: u16, words: &'static str) {
        *self.state.rule.lock().unwrap() = Some((text, Rule::Refuse(number, words)));
    }

    /// After this many messages with this text, applies the fate to the answer of the next one.
    pub(crate) fn keep_answer(&self, text: &'static str, after: usize, fate: Fate) {
        self.state.waiting.send_replace(false);
        *self.state.rule.lock().unwrap() = Some((text, Rule::Answer(after, fate)));
    }

    /// Waits until a message or an answer is held back or lost.
    pub(crate) async fn stopped(&self) {
        drop(self.state.waiting.subscribe().wait_for(|waiting| *waiting).await);
    }

    /// What clients have sent since the last call.
    pub(crate) fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.state.heard.lock().unwrap())
    }

    pub(crate) fn let_go(&self) {
        *self.state.rule.lock().unwrap() = None;
        self.state.waiting.send_replace(false);
    }
}

impl State {
    async fn carry(&self, mut client: TcpStream) {
        let Ok(mut server) = TcpStream::connect(&self.target).await else { return };
        let (mut said, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        loop {
            let done = tokio::select! {
                size = client.read(&mut said) => {
                    let Ok(size @ 1..) = size else { return };
                    let text = String::from_utf8_lossy(&said[..size]).into_owned();
                    self.heard.lock().unwrap().push(text);
                    match self.rule_for(&said[..size]) {
                        Some(Rule::Refuse(number, words)) => {
                            client.write_all(&mysql_error(number, words)).await
                        }
                        Some(Rule::Wait) => {
                            self.waiting.send_replace(true);
                            drop(self.waiting.subscribe().wait_for(|waiting| !waiting).await);
                            server.write_all(&said[..size]).await
                        }
                        Some(Rule::Answer(_, fate)) => {
                            if server.write_all(&said[..size]).await.is_err() {
                                return;
                            }
                            let Ok(size @ 1..) = server.read(&mut answered).await else { return };
                            self.waiting.send_replace(true);
                            if fate == Fate::Lost {
                                return;
                            }
                            drop(self.waiting.subscribe().wait_for(|waiting| !waiting).await);
                            client.write_all(&answered[..size]).await
                        }
                        None => server.write_all(&said[..size]).await,
                    }
                }
                size = server.read(&mut answered) => {
                    let Ok(size @ 1..) = size else { return };
                    client.write_all(&answered[..size]).await
                }
            };
            if done.is_err() {
                return;
            }
        }
    }

    fn rule_for(&self, message: &[u8]) -> Option<Rule> {
        let mut current = self.rule.lock().unwrap();
        let (text, rule) = (*current)?;
        if !message.windows(text.len()).any(|part| part == text.as_bytes()) {
            return None;
        }
        match rule {
            Rule::Wait | Rule::Refuse(..) => {}
            Rule::Answer(0, _) => *current = None,
            Rule::Answer(after, fate) => {
                *current = Some((text, Rule::Answer(after - 1, fate)));
                return None;
            }
        }
        Some(rule)
    }
}

/// An ERR packet, the first one of an answer.
fn mysql_error(number: u16, words: &str) -> Vec<u8> {
    let mut payload = vec![0xff];
    payload.extend(number.to_le_bytes());
    payload.extend(b"#HY000");
    payload.extend(words.as_bytes());
    let mut packet = u32::try_from(payload.len()).unwrap().to_le_bytes()[..3].to_vec();
    packet.push(1);
    packet.extend(payload);
    packet
}
