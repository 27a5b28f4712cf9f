//! Events and findings in the shapes that others read. Pure encoders: no I/O, no clock, no configuration, so the same
//! row is the same bytes in every process and every build of one version.
//!
//! The event of `event-v1` and the finding of `finding-v1` come first; the other shapes are projections of them. What
//! has no home in a foreign vocabulary goes under `unmapped.credwatch` (OCSF) or `credwatch` (ECS) and is never dropped.

mod ecs;
mod fields;
mod ocsf;
mod stored_event;

use credwatch_schemas::finding::Finding;

pub use stored_event::StoredEvent;

/// A vocabulary that rows are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Vocabulary {
    /// `event-v1` and `finding-v1`.
    #[default]
    Canonical,
    /// OCSF 1.8.0.
    Ocsf,
    /// Elastic Common Schema 9.4.
    Ecs,
}

impl Vocabulary {
    pub const ALL: [Self; 3] = [Self::Canonical, Self::Ocsf, Self::Ecs];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Canonical => "canonical",
            Self::Ocsf => "ocsf",
            Self::Ecs => "ecs",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }

    /// One event as one JSON object on one line.
    pub fn event(self, event: &StoredEvent) -> Result<Vec<u8>, serde_json::Error> {
        match self {
            Self::Canonical => serde_json::to_vec(event),
            Self::Ocsf => serde_json::to_vec(&ocsf::event(event)),
            Self::Ecs => serde_json::to_vec(&ecs::event(event)),
        }
    }

    /// One revision of a finding as one JSON object on one line.
    pub fn finding(self, finding: &Finding) -> Result<Vec<u8>, serde_json::Error> {
        match self {
            Self::Canonical => serde_json::to_vec(finding),
            Self::Ocsf => serde_json::to_vec(&ocsf::finding(finding)),
            Self::Ecs => serde_json::to_vec(&ecs::finding(finding)),
        }
    }
}
