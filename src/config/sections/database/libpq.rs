//! Parses libpq's `options` and `passfile`.

use std::path::Path;

use secrecy::SecretString;

use super::DatabaseError;
use crate::files::read_options;

/// Session settings from a server command line: `-c name=value`, `-cname=value`, `--name=value`; a
/// backslash escapes a blank inside a value.
pub(super) fn settings(options: &str) -> Result<Vec<(String, String)>, DatabaseError> {
    let refused = || DatabaseError::Parameter {
        name: "options",
        reason: "only settings are supported, as -c name=value".to_owned(),
    };
    let mut settings = Vec::new();
    let mut words = words(options).into_iter();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--") {
            Some(setting) => setting.to_owned(),
            None => match word.strip_prefix("-c").ok_or_else(refused)? {
                "" => words.next().ok_or_else(refused)?,
                setting => setting.to_owned(),
            },
        };
        let (name, value) = setting.split_once('=').ok_or_else(refused)?;
        if name.is_empty() {
            return Err(refused());
        }
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut is_open) = (Vec::new(), String::new(), false);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter.is_ascii_whitespace() {
            if is_open {
                words.push(std::mem::take(&mut word));
            }
            is_open = false;
            continue;
        }
        is_open = true;
        word.push(if letter == '\\' { letters.next().unwrap_or(letter) } else { letter });
    }
    if is_open {
        words.push(word);
    }
    words
}

/// The connection a password is looked up for; `localhost` for a socket.
pub(super) struct Whose<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// The password of the first matching line.
pub(super) fn password(
    path: &Path,
    whose: &Whose<'_>,
) -> Result<Option<SecretString>, DatabaseError> {
    let text = read_options(path).map_err(|error| DatabaseError::PassFile {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(text.lines().find_map(|line| password_of(line, whose)))
}

/// One line `host:port:database:user:password`; `*` matches anything, a backslash escapes a colon.
fn password_of(line: &str, whose: &Whose<'_>) -> Option<SecretString> {
    if line.starts_with('#') {
        return None;
    }
    let (mut fields, mut field) = (Vec::new(), String::new());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ':' if fields.len() < 4 => fields.push(std::mem::take(&mut field)),
            '\\' => field.extend(letters.next()),
            letter => field.push(letter),
        }
    }
    let port = whose.port.to_string();
    let asked = [whose.host, &port, whose.database, whose.user];
    let fits = fields.iter().zip(asked).all(|(field, asked)| field == "*" || field == asked);
    (fits && fields.len() == asked.len()).then(|| field.into())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn options_are_settings_in_every_spelling() {
        let read = settings("-csearch_path=glance  -c  a=b --work-mem=1\\ MB").unwrap();
        let read: Vec<_> = read.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(read, [("search_path", "glance"), ("a", "b"), ("work_mem", "1 MB")]);
        assert!(settings("").unwrap().is_empty());
        for refused in ["-d 5", "-c", "-c search_path", "search_path=x", "--=x"] {
            assert!(settings(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let whose = Whose { host: "db", port: 5432, database: "glance", user: "g" };
        let found = |line| password_of(line, &whose).map(|found| found.expose_secret().to_owned());
        assert_eq!(found("db:5432:glance:g:p\\:w:x").as_deref(), Some("p:w:x"));
        assert_eq!(found("*:*:*:g:pw").as_deref(), Some("pw"));
        for other in ["db:5433:glance:g:pw", "*:*:*:h:pw", "*:*:*:g", "# *:*:*:*:pw"] {
            assert_eq!(found(other), None, "{other}");
        }
    }
}
