//! Which images a command is about: ids, or a project, a window and a pattern of names.

use std::io::{IsTerminal, Read};

use clap::Args;

use super::moment::{FORMS, Moment};
use super::{CliError, output};
use crate::domain::image::ImageId;
use crate::domain::selection::{Filter, NamePattern, Selection};
use crate::domain::time::Timestamp;

/// Ids read from standard input: half a million.
const MOST_INPUT: u64 = 20 << 20;

#[derive(Debug, Args)]
pub(super) struct SelectionArgs {
    /// Ids of images; - reads them from standard input, with blanks or line breaks between them
    #[arg(value_name = "IMAGE_ID", required_unless_present_any = ["owner", "since", "until"])]
    #[arg(conflicts_with_all = ["owner", "since", "until", "name"])]
    ids: Vec<String>,
    /// The images of this project
    #[arg(long, value_name = "PROJECT_ID")]
    owner: Option<String>,
    /// The images deleted at this time or later: 2h, 3d (ago), now, 2026-11-22,
    /// 2026-11-22T12:00:00+01:00; UTC without a zone
    #[arg(long, value_name = FORMS, value_parser = Moment::parse)]
    since: Option<Moment>,
    /// The images deleted before this time
    #[arg(long, value_name = FORMS, value_parser = Moment::parse)]
    until: Option<Moment>,
    /// Of these the ones whose whole name fits: * stands for any characters, ? for one
    #[arg(long, value_name = "PATTERN", value_parser = NamePattern::parse)]
    name: Option<NamePattern>,
}

/// What was named.
#[derive(Debug)]
pub(super) struct Named {
    /// The images.
    pub(super) selection: Selection,
    /// What is no id of any image.
    pub(super) impossible: Vec<String>,
    /// Whether each image was named, and not only what it is like.
    pub(super) by_id: bool,
}

impl Named {
    /// How many images were named one by one.
    pub(super) fn count(&self) -> u64 {
        let ids = match &self.selection {
            Selection::Images(ids) => ids.len(),
            Selection::Waiting(_) => 0,
        };
        (ids + self.impossible.len()) as u64
    }

    /// The first two images that were named.
    pub(super) fn first(&self) -> Vec<&ImageId> {
        match &self.selection {
            Selection::Images(ids) => ids.iter().take(2).collect(),
            Selection::Waiting(_) => Vec::new(),
        }
    }
}

impl SelectionArgs {
    /// Reads ids from standard input where that was asked for.
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

/// Ids as they were named, `-` for standard input; and what is no id of any image.
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

/// Asks a person; `None` where there is none to ask.
pub(super) fn ask(question: &str) -> Option<bool> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return None;
    }
    output::prompt(&format_args!("{question} [y/N] "));
    let mut answer = String::new();
    // an end of the input is no
    let _ = std::io::stdin().read_line(&mut answer);
    Some(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes" | "YES"))
}
