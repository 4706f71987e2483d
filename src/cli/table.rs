//! Tables for people: fitted to the terminal; without one, one line per row.

use comfy_table::{ColumnConstraint, ContentArrangement, Row, TableStyle};

use super::CliError;
use super::output::{at_terminal, text};
use crate::telemetry::Printable;

/// How a column adapts to a terminal that is too narrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// Keeps its width, so that values can be copied.
    Whole,
    /// Wraps its values.
    Wrapped,
    /// Truncates its values with `…`.
    Cut,
    /// Is omitted, the widest first.
    Optional,
    /// Is always omitted.
    Hidden,
}

/// Blanks between columns.
const GAP: u16 = 2;
/// Width that a shrinking column keeps before another column is omitted.
const LEAST: u16 = 12;

/// A table under construction. Its values are escaped.
#[derive(Debug)]
pub(super) struct Table {
    fits: Vec<Fit>,
    table: comfy_table::Table,
}

impl Table {
    pub(super) fn new<const N: usize>(columns: [(&str, Fit); N]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(TableStyle::new());
        table.set_header(columns.map(|(head, _)| head));
        Self { fits: columns.map(|(_, fit)| fit).into(), table }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        let mut row = Row::from(cells.map(|cell| Printable(cell).to_string()));
        if self.fits.contains(&Fit::Cut) {
            row.max_height(1);
        }
        self.table.add_row(row);
    }

    /// Whether it is for a terminal of fewer columns than these.
    pub(super) fn is_narrow(&self, columns: u16, wide: bool) -> bool {
        !wide && at_terminal() && self.table.width().is_some_and(|width| width < columns)
    }

    /// Prints the table, fitted to the terminal if there is one and `wide` is false.
    pub(super) fn print(self, wide: bool) -> Result<(), CliError> {
        let width = self.table.width().filter(|_| at_terminal() && !wide);
        text(&self.rendered(width))
    }

    fn rendered(mut self, width: Option<u16>) -> String {
        let left_out = width.map_or_else(Vec::new, |width| self.left_out(width));
        if let Some(width) = width {
            self.table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        for (at, column) in self.table.column_iter_mut().enumerate() {
            column.set_padding((0, GAP));
            if left_out.contains(&at) || self.fits.get(at) == Some(&Fit::Hidden) {
                column.set_constraint(ColumnConstraint::Hidden);
            } else if matches!(self.fits.get(at), Some(Fit::Whole | Fit::Optional)) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        self.table.trim_fmt()
    }

    /// The optional columns to omit so that the rest fits.
    fn left_out(&self, width: u16) -> Vec<usize> {
        let widths = self.table.column_max_content_widths();
        let needed = |(at, fit): (usize, &Fit)| {
            let whole = widths.get(at).copied().unwrap_or_default();
            let least = if matches!(fit, Fit::Wrapped | Fit::Cut) { LEAST } else { whole };
            (at, *fit, usize::from(whole.min(least) + GAP))
        };
        let shown = self.fits.iter().enumerate().filter(|(_, fit)| **fit != Fit::Hidden);
        let mut kept: Vec<_> = shown.map(needed).collect();
        let mut left_out = Vec::new();
        while kept.iter().map(|(_, _, width)| width).sum::<usize>() > usize::from(width) {
            let optional = kept.iter().filter(|(_, fit, _)| *fit == Fit::Optional);
            let Some(widest) = optional.max_by_key(|(_, _, width)| *width).map(|one| one.0) else {
                break;
            };
            kept.retain(|(at, _, _)| *at != widest);
            left_out.push(widest);
        }
        left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c03";
    const PROJECT: &str = "c9a1f0d2e3b44c55a6778899aabbccdd";
    const COLUMNS: [(&str, Fit); 6] = [
        ("ID", Fit::Whole),
        ("NAME", Fit::Cut),
        ("OWNER", Fit::Optional),
        ("SIZE", Fit::Whole),
        ("DELETED AT", Fit::Optional),
        ("LEFT", Fit::Whole),
    ];

    fn listed(name: &str, width: Option<u16>) -> String {
        let mut table = Table::new(COLUMNS);
        for name in [name, "cirros"] {
            let cells = [ID, name, PROJECT, "20.00 GiB", "2026-11-22T12:59:35Z", "22h 59m"];
            table.row(cells.map(str::to_owned));
        }
        table.rendered(width)
    }

    #[test]
    fn ids_are_whole_and_rows_are_lines_however_narrow_the_terminal_is() {
        let name = "a name of a golden image that somebody made far too long to be read";
        for width in [70, 80, 100, 120, 160] {
            let text = listed(name, Some(width));
            assert_eq!(text.lines().count(), 3, "{text}");
            for line in text.lines() {
                assert!(line.chars().count() <= usize::from(width), "{width}: {line}");
            }
            assert_eq!(text.matches(ID).count(), 2, "{text}");
            assert_eq!(text.matches(PROJECT).count(), if width < 140 { 0 } else { 2 }, "{text}");
            assert_eq!(text.contains("DELETED AT"), width >= 100, "{text}");
        }
        let plain = listed(name, None);
        assert!(plain.contains(name) && plain.contains(PROJECT), "{plain}");
    }

    #[test]
    fn a_name_stays_on_its_line_and_in_its_column() {
        let hostile = "evil\u{1b}]0;X\u{7}\u{1b}[2K\nsecond row\u{202e}\r\u{85}";
        for width in [None, Some(80), Some(200)] {
            let text = listed(hostile, width);
            assert_eq!(text.lines().count(), 3, "{text}");
            assert!(text.contains("evil\\u001b]0;X"), "{text}");
            for line in text.lines() {
                assert_eq!(Printable(line).to_string(), line);
            }
        }
    }
}
