//! The system's log, where audit records of the command line go: journald and every syslog daemon
//! read this socket.

use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// Facility `authpriv` (10), severity `notice` (5): who did what, for those who may know.
const PRIORITY: u8 = 10 * 8 + 5;

/// A connection to the daemon; each write is a message.
#[derive(Debug)]
pub(super) struct Syslog(UnixDatagram);

impl Syslog {
    /// Where every Linux has it.
    pub(super) const SOCKET: &'static str = "/dev/log";

    /// `None` where nobody listens, as in most containers.
    pub(super) fn connect(socket: &Path) -> Option<Self> {
        let unbound = UnixDatagram::unbound().ok()?;
        unbound.connect(socket).ok()?;
        // a daemon that hangs holds nobody up
        unbound.set_nonblocking(true).ok()?;
        Some(Self(unbound))
    }
}

/// The form of syslog(3) but for the time: the daemon knows it.
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
    fn a_message_says_who_writes_and_that_it_is_for_the_eyes_of_few() {
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
