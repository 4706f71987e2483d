//! The whole login of MySQL's `caching_sha2_password` without TLS.
//!
//! The driver can only prove the password to a server that has its hash in a cache. After a restart
//! the server needs the password itself: encrypted with the server's RSA key over TCP, in plain
//! text over a socket. Such a login fills the cache for the driver. So this logs in once and
//! disconnects.

use std::io::{Error, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::deadline::within;
use crate::config::DatabaseConfig;

const PLUGIN: &str = "caching_sha2_password";
const LOGIN_TIMEOUT: Duration = Duration::from_secs(4);
const DEFAULT_PORT: u16 = 3306;
/// Long passwords, the 4.1 protocol, its authentication, plug-ins.
const CAPABILITIES: u32 = 0x1 | 0x200 | 0x8000 | 0x0008_0000;
const UTF8MB4: u8 = 45;
/// No packet of a login is longer.
const MAX_PACKET: usize = 1 << 16;
const NONCE: usize = 20;

/// The credentials, and the server's address.
#[derive(Debug)]
pub(super) struct Login {
    place: ServerAddress,
    user: String,
    password: SecretString,
}

#[derive(Debug)]
enum ServerAddress {
    Host(String, u16),
    Socket(PathBuf),
}

impl Login {
    pub(super) fn new(config: &DatabaseConfig) -> Self {
        let host = || config.host.clone().unwrap_or_else(|| "localhost".to_owned());
        let port = config.port.unwrap_or(DEFAULT_PORT);
        Self {
            place: config
                .socket
                .clone()
                .map_or_else(|| ServerAddress::Host(host(), port), ServerAddress::Socket),
            user: config.user.clone().unwrap_or_default(),
            password: config.password.clone().unwrap_or_default(),
        }
    }

    /// Logs in, if the driver failed for this reason. Returns whether the driver should try again.
    pub(super) async fn helps(&self, error: &sqlx::Error) -> Result<bool, sqlx::Error> {
        let wanted = match &self.place {
            ServerAddress::Host(..) => matches!(error, sqlx::Error::Configuration(_)),
            // there the driver requests the key, and the server mistakes the request for the
            // password
            ServerAddress::Socket(_) => error
                .as_database_error()
                .is_some_and(|error| error.code().is_some_and(|c| c == "28000")),
        };
        if !wanted {
            return Ok(false);
        }
        let login = async { self.log_in().await.map_err(sqlx::Error::Io) };
        within(LOGIN_TIMEOUT, login).await?;
        tracing::debug!("logged in with {PLUGIN} and without TLS");
        Ok(true)
    }

    async fn log_in(&self) -> Result<(), Error> {
        match &self.place {
            ServerAddress::Host(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                self.log_in_over(Packets { stream, next: 0 }, false).await
            }
            ServerAddress::Socket(path) => {
                let stream = UnixStream::connect(path).await?;
                self.log_in_over(Packets { stream, next: 0 }, true).await
            }
        }
    }

    async fn log_in_over<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut packets: Packets<S>,
        is_private: bool,
    ) -> Result<(), Error> {
        let mut nonce = nonce_of_greeting(&packets.read().await?)?;
        packets.write(&self.response(&nonce)).await?;
        loop {
            let packet = packets.read().await?;
            match packet.as_slice() {
                [0, ..] => return packets.quit().await,
                [0xfe, rest @ ..] => {
                    nonce = nonce_of_switch(rest)?;
                    packets.write(&self.proof(&nonce)).await?;
                }
                // it is in the cache: another client has logged in meanwhile
                [1, 3, ..] => {}
                [1, 4, ..] if is_private => packets.write(&self.in_clear()).await?,
                [1, 4, ..] => {
                    packets.write(&[2]).await?;
                    let key = packets.read().await?;
                    let hidden = self.encrypted(key.get(1..).unwrap_or_default(), &nonce)?;
                    packets.write(&hidden).await?;
                }
                other => return Err(refusal(other)),
            }
        }
    }

    fn response(&self, nonce: &[u8]) -> Vec<u8> {
        let proof = self.proof(nonce);
        let mut packet = CAPABILITIES.to_le_bytes().to_vec();
        packet.extend((1_u32 << 24).to_le_bytes());
        packet.push(UTF8MB4);
        packet.extend([0; 23]);
        packet.extend(self.user.as_bytes());
        packet.push(0);
        packet.push(u8::try_from(proof.len()).unwrap_or_default());
        packet.extend(proof);
        packet.extend(PLUGIN.as_bytes());
        packet.push(0);
        packet
    }

    /// SHA256(password) XOR SHA256(SHA256(SHA256(password)), nonce)
    fn proof(&self, nonce: &[u8]) -> Vec<u8> {
        let sha256 = |bytes: &[u8]| digest(&SHA256, bytes);
        let password = sha256(self.password.expose_secret().as_bytes());
        let twice = sha256(sha256(password.as_ref()).as_ref());
        let mask = sha256(&[twice.as_ref(), nonce].concat());
        xor(password.as_ref(), mask.as_ref())
    }

    fn in_clear(&self) -> Vec<u8> {
        [self.password.expose_secret().as_bytes(), &[0]].concat()
    }

    fn encrypted(&self, pem: &[u8], nonce: &[u8]) -> Result<Vec<u8>, Error> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem)
            .map_err(|_| Error::other("the server has no RSA key to encrypt the password with"))?;
        let failed = |_| Error::other("the password cannot be encrypted with the server's RSA key");
        let key = PublicEncryptingKey::from_der(&der)
            .map_err(|_| Error::other("the server's RSA key cannot be read"))?;
        let key = OaepPublicEncryptingKey::new(key).map_err(failed)?;
        let mut hidden = vec![0; key.ciphertext_size()];
        let clear = xor(&self.in_clear(), nonce);
        let size =
            key.encrypt(&OAEP_SHA1_MGF1SHA1, &clear, &mut hidden, None).map_err(failed)?.len();
        hidden.truncate(size);
        Ok(hidden)
    }
}

fn xor(bytes: &[u8], mask: &[u8]) -> Vec<u8> {
    bytes.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
}

fn malformed() -> Error {
    Error::new(ErrorKind::InvalidData, "this is not a MySQL login")
}

/// In two parts, of 8 and 12 bytes.
fn nonce_of_greeting(packet: &[u8]) -> Result<Vec<u8>, Error> {
    let [10, rest @ ..] = packet else { return Err(refusal(packet)) };
    let version = rest.iter().position(|byte| *byte == 0).ok_or_else(malformed)?;
    let fixed = rest.get(version + 1..).ok_or_else(malformed)?;
    match (fixed.get(4..12), fixed.get(31..43)) {
        (Some(first), Some(second)) => Ok([first, second].concat()),
        _ => Err(malformed()),
    }
}

fn nonce_of_switch(packet: &[u8]) -> Result<Vec<u8>, Error> {
    let end = packet.iter().position(|byte| *byte == 0).ok_or_else(malformed)?;
    let (plugin, nonce) = packet.split_at(end);
    if plugin != PLUGIN.as_bytes() {
        let plugin = String::from_utf8_lossy(plugin);
        return Err(Error::other(format!("the user logs in with {plugin}, not with {PLUGIN}")));
    }
    nonce.get(1..=NONCE).map(<[u8]>::to_vec).ok_or_else(malformed)
}

/// The text of an ERR packet.
fn refusal(packet: &[u8]) -> Error {
    match packet {
        [0xff, _, _, text @ ..] => {
            let text = String::from_utf8_lossy(text);
            let text = text.strip_prefix('#').and_then(|text| text.get(5..)).unwrap_or(&text);
            Error::new(ErrorKind::PermissionDenied, text.to_owned())
        }
        _ => malformed(),
    }
}

/// MySQL's framing: three bytes of length, one sequence number.
struct Packets<S> {
    stream: S,
    next: u8,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Packets<S> {
    async fn read(&mut self) -> Result<Vec<u8>, Error> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).await?;
        let [a, b, c, number] = head;
        let size = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
        if size > MAX_PACKET {
            return Err(malformed());
        }
        self.next = number.wrapping_add(1);
        let mut packet = vec![0; size];
        self.stream.read_exact(&mut packet).await?;
        Ok(packet)
    }

    async fn write(&mut self, packet: &[u8]) -> Result<(), Error> {
        let size = u32::try_from(packet.len()).unwrap_or_default().to_le_bytes();
        let framed = [&size[..3], &[self.next], packet].concat();
        self.stream.write_all(&framed).await?;
        self.stream.flush().await
    }

    async fn quit(mut self) -> Result<(), Error> {
        self.next = 0;
        self.write(&[1]).await
    }
}
