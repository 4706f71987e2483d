//! Results go to standard output, complaints to standard error.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, TableStyle};
use serde::Serialize;

use super::CliError;

/// Writes a line of the result. A reader that has gone (`| head`) is no error.
pub(super) fn line(text: impl Display) -> Result<(), CliError> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::System { what: "standard output".to_owned(), error })
        }
        _ => Ok(()),
    }
}

/// Writes a result for programs.
pub(super) fn json(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| CliError::Other(format!("the result cannot be written: {error}")))?;
    line(text)
}

/// A table as wide as the terminal; plain, one line a row, where there is none.
pub(super) fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(head);
    table
}

/// Says why the command ends badly.
pub(super) fn complain(what: &dyn Display) {
    for line in what.to_string().lines() {
        // nowhere is left to say that this cannot be said
        drop(writeln!(io::stderr().lock(), "glance-revert: {line}"));
    }
}

/// `3d 4h`, `12m`, `due`: how long is left.
pub(super) fn left(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        _ if seconds <= 0 => "due".to_owned(),
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

/// `1.5 GiB`: a size for people.
pub(super) fn size(bytes: Option<i64>) -> String {
    let Some(bytes) = bytes.and_then(|bytes| u64::try_from(bytes).ok()) else {
        return "-".to_owned();
    };
    indicatif::BinaryBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::left;

    #[test]
    fn time_left_is_told_in_its_two_largest_units() {
        let told = [-5, 0, 59, 60, 3_599, 3_600, 90_061, 864_000].map(left);
        assert_eq!(told, ["due", "due", "59s", "1m", "59m", "1h 0m", "1d 1h", "10d 0h"]);
    }
}
