//! Events and findings in the shapes that others read. Pure encoders: no I/O, no clock, no configuration, so the same
//! row is the same bytes in every process and every build of one version.
//!
//! The event of `event-v1` and the finding of `finding-v1` come first; the other shapes are projections of them. What
//! has no home in a foreign vocabulary goes under `unmapped.credwatch` (OCSF), `credwatch` (ECS, OTLP) or `cwFields` (CEF, LEEF)
//! and is never dropped; only of a finding the two formats of one line are a short form.

mod cef;
mod ecs;
mod fields;
mod leef;
mod line;
mod ocsf;
mod otlp;
pub mod report;
mod stored_event;

use credwatch_schemas::finding::Finding;

pub use ocsf::OcsfVersion;
pub use stored_event::{STORED_EVENTS, StoredEvent};

/// A vocabulary that rows are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Vocabulary {
    /// `event-v1` and `finding-v1`.
    #[default]
    Canonical,
    /// OCSF.
    Ocsf(OcsfVersion),
    /// Elastic Common Schema 9.4.
    Ecs,
    /// OpenTelemetry log records, in the JSON of OTLP.
    Otlp,
    /// Common Event Format: lines of text.
    Cef,
    /// Log Event Extended Format 2.0: lines of text.
    Leef,
}

impl Vocabulary {
    pub const ALL: [Self; 8] = [
        Self::Canonical,
        Self::Ocsf(OcsfVersion::V1_8),
        Self::Ocsf(OcsfVersion::V1_5),
        Self::Ocsf(OcsfVersion::V1_3),
        Self::Ecs,
        Self::Otlp,
        Self::Cef,
        Self::Leef,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Canonical => "canonical",
            Self::Ocsf(OcsfVersion::V1_8) => "ocsf",
            Self::Ocsf(OcsfVersion::V1_5) => "ocsf-1.5",
            Self::Ocsf(OcsfVersion::V1_3) => "ocsf-1.3",
            Self::Ecs => "ecs",
            Self::Otlp => "otlp",
            Self::Cef => "cef",
            Self::Leef => "leef",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }

    /// Whether a row is a JSON object; otherwise it is a line of text.
    pub fn is_json(self) -> bool {
        !matches!(self, Self::Cef | Self::Leef)
    }

    /// One event on one line.
    pub fn event(self, event: &StoredEvent) -> Result<Vec<u8>, serde_json::Error> {
        match self {
            Self::Canonical => serde_json::to_vec(event),
            Self::Ocsf(version) => serde_json::to_vec(&ocsf::event(event, version)),
            Self::Ecs => serde_json::to_vec(&ecs::event(event)),
            Self::Otlp => serde_json::to_vec(&otlp::event(event)),
            Self::Cef => Ok(cef::event(event).into_bytes()),
            Self::Leef => Ok(leef::event(event).into_bytes()),
        }
    }

    /// One revision of a finding on one line.
    pub fn finding(self, finding: &Finding) -> Result<Vec<u8>, serde_json::Error> {
        match self {
            Self::Canonical => serde_json::to_vec(finding),
            Self::Ocsf(version) => serde_json::to_vec(&ocsf::finding(finding, version)),
            Self::Ecs => serde_json::to_vec(&ecs::finding(finding)),
            Self::Otlp => serde_json::to_vec(&otlp::finding(finding)),
            Self::Cef => Ok(cef::finding(finding).into_bytes()),
            Self::Leef => Ok(leef::finding(finding).into_bytes()),
        }
    }
}
