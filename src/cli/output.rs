//! Prints results on standard output and errors on standard error.
//!
//! Everything is escaped with [`Printable`], so that database content cannot control a terminal or
//! forge a line.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::CliError;
use crate::domain::scrub::Tally;
use crate::telemetry::{Printable, printable};

/// Prints a line of the result at once. A closed reader (`| head`) is not an error.
pub(super) fn line(text: impl Display) -> Result<(), CliError> {
    write(&Printable(text))
}

/// Prints lines that contain only our own text.
pub(super) fn text(ours: &str) -> Result<(), CliError> {
    write(&ours)
}

fn write(text: &dyn Display) -> Result<(), CliError> {
    let mut output = io::stdout().lock();
    match writeln!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::System { what: "standard output".to_owned(), error })
        }
        _ => Ok(()),
    }
}

/// Prints a result as JSON.
pub(super) fn json(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(unwritable)?;
    let lines: Vec<_> = text.lines().map(printable).collect();
    write(&lines.join("\n"))
}

/// Prints one of several results as JSON on one line.
pub(super) fn json_line(value: &impl Serialize) -> Result<(), CliError> {
    line(serde_json::to_string(value).map_err(unwritable)?)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err asks for")]
fn unwritable(error: serde_json::Error) -> CliError {
    CliError::Other(format!("the result cannot be written: {error}"))
}

/// Prints in one line why the command failed.
pub(super) fn complain(what: &dyn Display) {
    // if standard error fails there is nowhere to report it
    drop(writeln!(io::stderr().lock(), "glance-revert: {}", Printable(what)));
}

/// Prints a question; the answer follows on the same line.
pub(super) fn prompt(question: &dyn Display) {
    let mut output = io::stderr().lock();
    // without a visible question nobody answers
    drop(write!(output, "{}", Printable(question)).and_then(|()| output.flush()));
}

/// Whether standard output is a terminal.
pub(super) fn at_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Time left: `3d 4h`, `12m`, `due`, `never`.
pub(super) fn left(seconds: Option<i64>) -> String {
    let Some(seconds) = seconds else { return "never".to_owned() };
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        _ if seconds <= 0 => "due".to_owned(),
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

/// A size, such as `1.5 GiB`.
pub(super) fn size(bytes: Option<i64>) -> String {
    let Some(bytes) = bytes.and_then(|bytes| u64::try_from(bytes).ok()) else {
        return "-".to_owned();
    };
    self::bytes(bytes)
}

/// A sum of sizes, such as `1.5 GiB`.
pub(super) fn bytes(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

/// The last line of a list: `1 image, 1.5 GiB`.
pub(super) fn images(all: Tally) -> String {
    let noun = if all.images == 1 { "image" } else { "images" };
    format!("{} {noun}, {}", all.images, bytes(all.bytes))
}

#[cfg(test)]
mod tests {
    use super::left;

    #[test]
    fn time_left_is_shown_in_its_two_largest_units() {
        let times = [-5, 0, 59, 60, 3_599, 3_600, 90_061, 864_000].map(Some);
        let told = times.map(left);
        assert_eq!(told, ["due", "due", "59s", "1m", "59m", "1h 0m", "1d 1h", "10d 0h"]);
        assert_eq!(left(None), "never");
    }
}
