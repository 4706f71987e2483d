//! The rules that earlier passes applied. An image waits as long as the longest of them says, until
//! somebody accepts a shorter time: deadlines only grow unless somebody agrees.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Facts, Labels, Retention};

/// The longest text that our table can store in every database.
const LONGEST: usize = 48 << 10;
/// Rules stored at once. If there are more, they are replaced by a single time as long as the
/// longest of them.
const MOST: usize = 8;

/// The rules in force as stored. Each change increments a number, so that concurrent changes are
/// detected even if the database ignores case in comparisons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptText {
    /// Counts the changes.
    pub change: u64,
    /// All retentions that an image has to wait for.
    pub all: Vec<Retention>,
}

impl KeptText {
    /// Parses the stored text.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The text to store.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// All retentions that an image has to wait for: it is due when each of them says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce(Arc<[Retention]>);

impl From<Retention> for InForce {
    fn from(one: Retention) -> Self {
        Self(Arc::from([one]))
    }
}

impl InForce {
    /// `own`, and those in force before that it does not cover.
    pub fn of(own: &Retention, kept: &[Retention]) -> Self {
        let mut all: Vec<_> = kept.iter().filter(|one| !own.covers(one)).cloned().collect();
        if !all.iter().any(|one| one.covers(own)) {
            all.push(own.clone());
        }
        let text = KeptText { change: u64::MAX, all: all.clone() }.text();
        if all.len() > MOST || text.len() > LONGEST {
            let longest = all.iter().map(Retention::longest).max().unwrap_or_default();
            all = vec![Retention::plain(longest)];
        }
        Self(all.into())
    }

    /// All of them.
    pub fn all(&self) -> &[Retention] {
        &self.0
    }

    /// Whether there are any rules.
    pub fn has_rules(&self) -> bool {
        self.0.iter().any(|one| !one.rules.is_empty())
    }

    /// How long an image waits; the longest time if nothing is known about it.
    pub fn wait(&self, image: Option<&Facts>) -> Duration {
        let waits = self.0.iter().map(|one| image.map_or(one.longest(), |image| one.wait(image)));
        waits.max().unwrap_or(Duration::MAX)
    }

    /// No image waits less.
    pub fn shortest(&self) -> Duration {
        self.0.iter().map(Retention::shortest).max().unwrap_or(Duration::MAX)
    }

    /// No image waits longer.
    pub fn longest(&self) -> Duration {
        self.0.iter().map(Retention::longest).max().unwrap_or(Duration::MAX)
    }

    /// The tags and properties that the rules refer to.
    pub fn labels(&self) -> Labels {
        let mut labels = Labels::default();
        self.0.iter().for_each(|one| labels.add(one.rules.labels()));
        labels
    }
}
