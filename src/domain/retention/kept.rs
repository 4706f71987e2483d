//! What is remembered of the rules that passes went by. An image waits as long as the longest of them
//! says, until somebody accepts less: deadlines only grow without a word.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Facts, Labels, Retention};

/// The longest text that our table holds on every database.
const LONGEST: usize = 48 << 10;
/// Remembered at once. More are replaced by one time that is as long as the longest of them.
const MOST: usize = 8;

/// What is remembered, as it is stored. Each change has another number, so that one that came first
/// is seen even where the database does not tell letters apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptText {
    /// Counts the changes.
    pub change: u64,
    /// All that an image waits for.
    pub all: Vec<Retention>,
}

impl KeptText {
    /// Parses what is stored.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// As it is stored.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// All that an image waits for: it is due when each of these says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce(Arc<[Retention]>);

impl From<Retention> for InForce {
    fn from(one: Retention) -> Self {
        Self(Arc::from([one]))
    }
}

impl InForce {
    /// `own`, and what was in force before and is not covered by it.
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

    /// Whether any rule has to be asked.
    pub fn has_rules(&self) -> bool {
        self.0.iter().any(|one| !one.rules.is_empty())
    }

    /// How long an image waits. Of one that nothing is known of, the longest.
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

    /// The tags and properties that are asked for.
    pub fn labels(&self) -> Labels {
        let mut labels = Labels::default();
        self.0.iter().for_each(|one| labels.add(one.rules.labels()));
        labels
    }
}
