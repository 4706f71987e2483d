//! A TCP proxy in front of a database or a store that fails on demand.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Mutex as AsyncMutex, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The next fault, counted in messages from clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The message does not arrive.
    Unsent(usize),
    /// The message arrives; its response does not.
    Unanswered(usize),
    /// The message does not arrive, and the connections stay open: a server that hangs.
    Frozen(usize),
    /// Neither the message nor any later one arrives: connections are refused from then on.
    Closed(usize),
    /// The proxy answers the message and all later ones with 403.
    Forbidden(usize),
}

const FORBIDDEN: &[u8] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";

#[derive(Debug)]
struct State {
    target: String,
    fault: Mutex<Option<Fault>>,
    mute: Mutex<bool>,
    frozen: watch::Sender<bool>,
    down: Mutex<bool>,
    /// Whether all messages are answered with 403.
    forbids: Mutex<bool>,
    door: Door,
    /// The delay of each piece of a response.
    delay: Mutex<Duration>,
    /// The number of bytes of responses that still arrive.
    left: Mutex<Option<usize>>,
    /// Cuts all present connections.
    cut: Mutex<CancellationToken>,
}

/// Whether the port accepts connections. A closed port stays bound, so that nobody else can listen
/// on it.
#[derive(Debug)]
struct Door {
    is_shut: watch::Sender<bool>,
    kept: Mutex<Option<TcpSocket>>,
    opened: mpsc::UnboundedSender<TcpListener>,
}

/// Listens on its own port, and stops when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    state: Arc<State>,
    port: u16,
    _stop: DropGuard,
}

/// The `host:port` of a database URL.
pub(crate) fn authority(url: &str) -> &str {
    let (_, rest) = url.split_once('@').unwrap();
    rest.split_once('/').unwrap().0
}

/// A port without a listener.
pub(crate) fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The database's URL with another port.
pub(crate) fn url_by(port: u16, url: &str) -> String {
    url.replace(authority(url), &format!("127.0.0.1:{port}"))
}

impl Proxy {
    /// Starts in front of the database of this URL.
    pub(crate) async fn start(url: &str) -> Self {
        Self::start_on(0, url).await
    }

    /// Starts on a port that was announced before.
    pub(crate) async fn start_on(port: u16, url: &str) -> Self {
        Self::listen(port, authority(url)).await
    }

    /// Starts in front of a server at `host:port`.
    pub(crate) async fn before(target: &str) -> Self {
        Self::listen(0, target).await
    }

    async fn listen(port: u16, target: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (opened, doors) = mpsc::unbounded_channel();
        let door = Door { is_shut: watch::Sender::new(false), kept: Mutex::default(), opened };
        let state = Arc::new(State {
            target: target.to_owned(),
            fault: Mutex::default(),
            mute: Mutex::default(),
            frozen: watch::Sender::new(false),
            down: Mutex::default(),
            forbids: Mutex::default(),
            door,
            delay: Mutex::default(),
            left: Mutex::default(),
            cut: Mutex::default(),
        });
        let stop = CancellationToken::new();
        tokio::spawn(accept(listener, doors, Arc::clone(&state), stop.clone()));
        Self { state, port, _stop: stop.drop_guard() }
    }

    pub(crate) fn url(&self, url: &str) -> String {
        url_by(self.port, url)
    }

    /// `host:port` of the proxy itself.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Cuts and refuses all connections until [`Proxy::heal`].
    pub(crate) fn go_down(&self) {
        *self.state.down.lock().unwrap() = true;
        self.state.cut();
    }

    /// Delays each piece of a response from now on.
    pub(crate) fn slow_down(&self, delay: Duration) {
        *self.state.delay.lock().unwrap() = delay;
    }

    /// Cuts the connection after this many more bytes of responses.
    pub(crate) fn cut_answers_after(&self, bytes: usize) {
        *self.state.left.lock().unwrap() = Some(bytes);
    }

    /// Sets the next fault; the count of messages starts again.
    pub(crate) fn fail(&self, fault: Fault) {
        *self.state.fault.lock().unwrap() = Some(fault);
    }

    /// Waits until a [`Fault::Frozen`] has occurred.
    pub(crate) async fn frozen(&self) {
        drop(self.state.frozen.subscribe().wait_for(|frozen| *frozen).await);
    }

    /// Ends all faults. Returns whether the last one had occurred.
    pub(crate) fn heal(&self) -> bool {
        self.state.frozen.send_replace(false);
        // a good-bye has no response that could be held back
        *self.state.mute.lock().unwrap() = false;
        *self.state.down.lock().unwrap() = false;
        *self.state.forbids.lock().unwrap() = false;
        self.state.door.open();
        *self.state.delay.lock().unwrap() = Duration::ZERO;
        *self.state.left.lock().unwrap() = None;
        self.state.fault.lock().unwrap().take().is_none()
    }
}

async fn accept(
    mut listener: TcpListener,
    mut doors: mpsc::UnboundedReceiver<TcpListener>,
    state: Arc<State>,
    stop: CancellationToken,
) {
    loop {
        let client = tokio::select! {
            () = stop.cancelled() => return,
            () = state.door.is_to_shut() => {
                let address = listener.local_addr().unwrap();
                drop(listener);
                state.door.keep(address);
                match stop.run_until_cancelled(doors.recv()).await.flatten() {
                    Some(opened) => listener = opened,
                    None => return,
                }
                continue;
            }
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => client,
                Err(_) => return,
            },
        };
        let (state, stop) = (Arc::clone(&state), stop.clone());
        tokio::spawn(async move {
            let cut = state.cut.lock().unwrap().clone();
            let carry = cut.run_until_cancelled(state.carry(client));
            stop.run_until_cancelled(carry).await;
        });
    }
}

impl Door {
    /// Binds the port without listening, so that connections are refused.
    fn keep(&self, address: SocketAddr) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        *self.kept.lock().unwrap() = Some(socket);
    }

    async fn is_to_shut(&self) {
        drop(self.is_shut.subscribe().wait_for(|shut| *shut).await);
    }

    /// Waits until nobody listens any more.
    async fn shut(&self) {
        self.is_shut.send_replace(true);
        while self.kept.lock().unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    }

    fn open(&self) {
        self.is_shut.send_replace(false);
        if let Some(socket) = self.kept.lock().unwrap().take() {
            self.opened.send(socket.listen(1024).unwrap()).unwrap();
        }
    }
}

impl State {
    async fn carry(&self, client: TcpStream) {
        // Some servers disconnect clients that connect but say nothing.
        self.thaw().await;
        if *self.down.lock().unwrap() {
            return;
        }
        let Ok(server) = TcpStream::connect(&self.target).await else { return };
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let to_client = AsyncMutex::new(to_client);
        tokio::select! {
            () = self.up(from_client, to_server, &to_client) => {}
            () = self.down(from_server, &to_client) => {}
        }
    }

    async fn up(
        &self,
        mut client: OwnedReadHalf,
        mut server: OwnedWriteHalf,
        to_client: &AsyncMutex<OwnedWriteHalf>,
    ) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(size @ 1..) = client.read(&mut buffer).await {
            match self.due() {
                Some(Fault::Unsent(_)) => self.cut(),
                Some(Fault::Unanswered(_)) => *self.mute.lock().unwrap() = true,
                Some(Fault::Frozen(_)) => drop(self.frozen.send_replace(true)),
                Some(Fault::Closed(_)) => {
                    self.door.shut().await;
                    self.cut();
                }
                Some(Fault::Forbidden(_)) => *self.forbids.lock().unwrap() = true,
                None => {}
            }
            self.thaw().await;
            if *self.forbids.lock().unwrap() {
                if to_client.lock().await.write_all(FORBIDDEN).await.is_err() {
                    return;
                }
                continue;
            }
            if server.write_all(&buffer[..size]).await.is_err() {
                return;
            }
        }
    }

    async fn down(&self, mut server: OwnedReadHalf, client: &AsyncMutex<OwnedWriteHalf>) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(size @ 1..) = server.read(&mut buffer).await {
            if std::mem::take(&mut *self.mute.lock().unwrap()) {
                self.cut();
            }
            self.thaw().await;
            let delay = *self.delay.lock().unwrap();
            tokio::time::sleep(delay).await;
            let arrives = self.arriving(size);
            if client.lock().await.write_all(&buffer[..arrives]).await.is_err() {
                return;
            }
            if arrives < size {
                self.cut();
                tokio::task::yield_now().await;
            }
        }
    }

    /// Yields even if nothing is frozen, so that a cut takes effect before anything is written.
    async fn thaw(&self) {
        tokio::task::yield_now().await;
        drop(self.frozen.subscribe().wait_for(|frozen| !frozen).await);
    }

    /// How many of these bytes of a response are let through.
    fn arriving(&self, size: usize) -> usize {
        let mut left = self.left.lock().unwrap();
        let Some(left) = left.as_mut() else { return size };
        let arrives = size.min(*left);
        *left -= arrives;
        arrives
    }

    /// Counts a message; returns the fault if it is due.
    fn due(&self) -> Option<Fault> {
        let mut fault = self.fault.lock().unwrap();
        let left = match fault.as_mut()? {
            Fault::Unsent(left)
            | Fault::Unanswered(left)
            | Fault::Frozen(left)
            | Fault::Closed(left)
            | Fault::Forbidden(left) => left,
        };
        if *left == 0 {
            return fault.take();
        }
        *left -= 1;
        None
    }

    fn cut(&self) {
        std::mem::take(&mut *self.cut.lock().unwrap()).cancel();
    }
}
