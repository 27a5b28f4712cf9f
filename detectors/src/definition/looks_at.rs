//! Which events a detector looks at, and what of them: the rows and columns of its table `events`.

use serde::Deserialize;

/// Equal declarations share what is held of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LooksAt {
    /// A condition over the event's columns.
    pub when: String,
    pub columns: Vec<String>,
}
