//! All that is wrong with a configuration, collected.

use std::fmt;

use super::oslo::Origin;

/// One thing to correct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it was written; `None` for something missing.
    pub origin: Option<Origin>,
    /// The option's group; empty if a file itself is the problem.
    pub group: String,
    /// The option; empty if the section is the problem.
    pub option: String,
    /// What is wrong and what to do. Never holds a secret.
    pub message: String,
}

impl Problem {
    /// A problem with a file or the environment, not with an option.
    pub(super) fn of_source(message: String) -> Self {
        Self { origin: None, group: String::new(), option: String::new(), message }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.group.is_empty() {
            write!(f, "[{}]", self.group)?;
            if !self.option.is_empty() {
                write!(f, " {}", self.option)?;
            }
            if let Some(origin) = &self.origin {
                write!(f, " ({origin})")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

/// Why the configuration is refused. Prints a line for each problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for problem in &self.problems {
            write!(f, "{separator}{problem}")?;
            separator = "\n";
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
