//! Which images a command selects: ids, or a project, a time window and a name pattern.

use std::io::{IsTerminal, Read};

use clap::Args;

use super::moment::{FORMS, Moment};
use super::{CliError, output};
use crate::domain::image::ImageId;
use crate::domain::selection::{Filter, NamePattern, Selection};
use crate::domain::time::Timestamp;

/// Limit of ids from standard input, in bytes: about half a million ids.
const MOST_INPUT: u64 = 20 << 20;

#[derive(Debug, Args)]
pub(super) struct SelectionArgs {
    /// Ids of images; - reads them from standard input, separated by blanks or line breaks
    #[arg(value_name = "IMAGE_ID", required_unless_present_any = ["owner", "since", "until"])]
    #[arg(conflicts_with_all = ["owner", "since", "until", "name"])]
    ids: Vec<String>,
    /// Images of this project
    #[arg(long, value_name = "PROJECT_ID")]
    owner: Option<String>,
    /// Images deleted at this time or later: 2h, 3d (ago), now, 2026-11-22,
    /// 2026-11-22T12:00:00+01:00; UTC without a zone
    #[arg(long, value_name = FORMS, value_parser = Moment::parse)]
    since: Option<Moment>,
    /// Images deleted before this time
    #[arg(long, value_name = FORMS, value_parser = Moment::parse)]
    until: Option<Moment>,
    /// Only images whose whole name matches: * stands for any characters, ? for one character
    #[arg(long, value_name = "PATTERN", value_parser = NamePattern::parse)]
    name: Option<NamePattern>,
}

/// A resolved selection.
#[derive(Debug)]
pub(super) struct Named {
    /// The images.
    pub(super) selection: Selection,
    /// Texts that are not possible image ids.
    pub(super) impossible: Vec<String>,
    /// Whether images were selected by id.
    pub(super) by_id: bool,
}

impl Named {
    /// The number of ids given.
    pub(super) fn count(&self) -> u64 {
        let ids = match &self.selection {
            Selection::Images(ids) => ids.len(),
            Selection::Waiting(_) => 0,
        };
        (ids + self.impossible.len()) as u64
    }

    /// The first two ids given.
    pub(super) fn first(&self) -> Vec<&ImageId> {
        match &self.selection {
            Selection::Images(ids) => ids.iter().take(2).collect(),
            Selection::Waiting(_) => Vec::new(),
        }
    }
}

impl SelectionArgs {
    /// Resolves the selection; reads ids from standard input if requested.
    pub(super) fn resolve(&self, now: Timestamp) -> Result<Named, CliError> {
        let by_id = !self.ids.is_empty();
        let (ids, impossible) = ids(&self.ids)?;
        let at = |moment: Option<Moment>| moment.map(|moment| moment.resolve(now));
        let filter = Filter {
            owner: self.owner.clone(),
            deleted_after: at(self.since),
            deleted_before: at(self.until),
            name: self.name.clone(),
        };
        let selection = if by_id && ids.is_empty() {
            Selection::Images(ids)
        } else {
            Selection::new(ids, filter).map_err(CliError::usage)?
        };
        Ok(Named { selection, impossible, by_id })
    }
}

/// The given ids, `-` for standard input; and texts that are not possible image ids.
pub(super) fn ids(named: &[String]) -> Result<(Vec<ImageId>, Vec<String>), CliError> {
    let mut texts = Vec::new();
    for text in named {
        match text.as_str() {
            "-" => texts.extend(input()?.split_whitespace().map(str::to_owned)),
            id => texts.push(id.to_owned()),
        }
    }
    let (mut ids, mut impossible) = (Vec::new(), Vec::new());
    for text in texts {
        match ImageId::parse(&text) {
            Ok(id) => ids.push(id),
            Err(_) => impossible.push(text),
        }
    }
    Ok((ids, impossible))
}

fn input() -> Result<String, CliError> {
    let mut text = String::new();
    let mut input = std::io::stdin().lock().take(MOST_INPUT);
    input.read_to_string(&mut text).map_err(CliError::system("standard input"))?;
    if text.len() as u64 == MOST_INPUT {
        return Err(CliError::usage("standard input is longer than 20 MiB"));
    }
    Ok(text)
}

/// Asks a yes/no question; `None` if there is no terminal.
pub(super) fn ask(question: &str) -> Option<bool> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return None;
    }
    output::prompt(&format_args!("{question} [y/N] "));
    let mut answer = String::new();
    // end of input means no
    let _ = std::io::stdin().read_line(&mut answer);
    Some(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes" | "YES"))
}
