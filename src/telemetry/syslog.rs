//! The system log, which stores the command line's audit records: journald and every syslog daemon
//! read this socket.

use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// Facility `authpriv` (10), severity `notice` (5): security records with restricted readers.
const PRIORITY: u8 = 10 * 8 + 5;

/// A connection to the daemon; each write is one message.
#[derive(Debug)]
pub(super) struct Syslog(UnixDatagram);

impl Syslog {
    /// The socket's path on every Linux.
    pub(super) const SOCKET: &'static str = "/dev/log";

    /// `None` if no daemon listens, as in most containers.
    pub(super) fn connect(socket: &Path) -> Option<Self> {
        let unbound = UnixDatagram::unbound().ok()?;
        unbound.connect(socket).ok()?;
        // a daemon that hangs must not block us
        unbound.set_nonblocking(true).ok()?;
        Some(Self(unbound))
    }
}

/// The format of syslog(3) without the time, which the daemon adds.
impl Write for &Syslog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut message =
            format!("<{PRIORITY}>glance-revert[{}]: ", std::process::id()).into_bytes();
        message.extend_from_slice(line.trim_ascii_end());
        self.0.send(&message)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_programs_name_and_a_restricted_facility() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert!(Syslog::connect(&path).is_none(), "nobody listens");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let syslog = Syslog::connect(&path).unwrap();
        (&syslog).write_all(b"audit outcome=\"success\"\n").unwrap();
        let mut message = [0; 200];
        let length = daemon.recv(&mut message).unwrap();
        let expected =
            format!("<85>glance-revert[{}]: audit outcome=\"success\"", std::process::id());
        assert_eq!(str::from_utf8(&message[..length]).unwrap(), expected);
    }
}
