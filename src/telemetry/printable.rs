//! Escapes text written by others for display.
//!
//! Names, tags and keys come from project members. On a terminal, control characters could clear
//! the screen, set the title or fill the clipboard; a line break would forge a row; a bidirectional
//! control would reverse a name.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

/// Displays a value on one line, with what a terminal would act upon escaped as `\n`, `\r`, `\t` or
/// `\u001b`. These are JSON's escapes, so JSON output keeps its meaning.
#[derive(Debug, Clone, Copy)]
pub struct Printable<T>(pub T);

impl<T: Display> Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// The same for a text, which is copied only if something must be escaped.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_acted_upon) {
        Cow::Owned(Printable(text).to_string())
    } else {
        Cow::Borrowed(text)
    }
}

/// Whether the character breaks the line or makes a terminal do more than print it.
fn is_acted_upon(c: char) -> bool {
    c.is_control() // C0, DEL, C1
        || matches!(c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' // marks of direction
            | '\u{2028}' | '\u{2029}' // separators of lines and paragraphs
            | '\u{202a}'..='\u{202e}' // embeddings and overrides of direction
            | '\u{2066}'..='\u{206f}' // isolates of direction, and deprecated controls
        )
}

struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(is_acted_upon) {
            let acted_upon = part.chars().next_back().filter(|c| is_acted_upon(*c));
            self.0.write_str(part.trim_end_matches(is_acted_upon))?;
            match acted_upon {
                None => {}
                Some('\n') => self.0.write_str("\\n")?,
                Some('\r') => self.0.write_str("\\r")?,
                Some('\t') => self.0.write_str("\\t")?,
                Some(c) => write!(self.0, "\\u{:04x}", u32::from(c))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_control_characters_are_escaped() {
        for (hostile, shown) in [
            ("\u{1b}]0;title\u{7}", "\\u001b]0;title\\u0007"),
            ("\u{1b}[2K\rgone", "\\u001b[2K\\rgone"),
            ("\u{1b}]52;c;aGVsbG8=\u{1b}\\", "\\u001b]52;c;aGVsbG8=\\u001b\\"),
            ("one\ntwo\r\nthree\tfour", "one\\ntwo\\r\\nthree\\tfour"),
            ("\u{9b}2J\u{85}\u{7f}\0", "\\u009b2J\\u0085\\u007f\\u0000"),
            ("\u{202e}fdp.exe\u{202c}", "\\u202efdp.exe\\u202c"),
            ("\u{2066}a\u{2067}b\u{2068}c\u{2069}", "\\u2066a\\u2067b\\u2068c\\u2069"),
            ("\u{200e}\u{200f}\u{61c}", "\\u200e\\u200f\\u061c"),
            ("line\u{2028}paragraph\u{2029}", "line\\u2028paragraph\\u2029"),
        ] {
            assert_eq!(Printable(hostile).to_string(), shown);
            assert_eq!(printable(hostile), shown);
        }
    }

    #[test]
    fn no_character_at_all_is_left_that_moves_a_cursor_or_turns_text_around() {
        let all: String = ('\0'..=char::MAX).collect();
        let shown = Printable(&all).to_string();
        assert!(!shown.chars().any(is_acted_upon));
        assert_eq!(shown.lines().count(), 1);
        let json: String =
            serde_json::from_str(&format!("\"{}\"", Printable("\u{202e}\u{85}"))).unwrap();
        assert_eq!(json, "\u{202e}\u{85}", "an escape of JSON");
    }

    #[test]
    fn ordinary_text_is_unchanged() {
        for plain in ["", "debian-12", "höwdy", "日本語", "👩‍👩‍👧", "שלום", "a\\u001bb", "e\u{301}"]
        {
            assert_eq!(Printable(plain).to_string(), plain);
            assert!(matches!(printable(plain), Cow::Borrowed(_)));
        }
    }
}
