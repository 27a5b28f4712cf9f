//! Whether a revision of a finding is news for somebody, after what they were told of it. Pure.

use credwatch_schemas::finding::{Severity, Status};
use credwatch_schemas::time::Micros;

use super::brief::Brief;
use super::rules::Rules;

/// What a route was told of a finding, last and worst.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) revision: i64,
    /// The worst that was told.
    pub(super) severity: Severity,
    pub(super) status: Status,
    pub(super) thread: String,
    pub(super) time: Micros,
    /// So many messages have told of it.
    pub(super) times: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum News {
    /// Never told.
    New,
    /// Worse than ever told.
    Raised,
    /// Told as over or wrong, and there again.
    Returned,
    /// Told, and the engine has taken it back.
    TakenBack,
    /// Told, and over.
    Over,
}

impl News {
    pub(super) fn of(rules: &Rules, told: Option<&Told>, brief: &Brief) -> Option<Self> {
        let Some(told) = told else {
            return (!brief.status.is_quiet() && rules.takes(brief)).then_some(Self::New);
        };
        if brief.revision <= told.revision {
            return None;
        }
        match brief.status {
            status if status.is_quiet() => (!told.status.is_quiet()).then_some(Self::TakenBack),
            _ if brief.severity > told.severity && rules.takes(brief) => Some(Self::Raised),
            Status::Open if told.status != Status::Open && rules.takes(brief) => Some(Self::Returned),
            Status::Resolved if told.status == Status::Open && rules.tells_resolved => Some(Self::Over),
            _ => None,
        }
    }

    /// Whether somebody may have to act on it.
    pub(super) fn is_trouble(self) -> bool {
        matches!(self, Self::New | Self::Raised | Self::Returned)
    }

    /// Whether it wakes people when it is critical. What comes and goes does not.
    pub(super) fn is_first(self) -> bool {
        matches!(self, Self::New | Self::Raised)
    }
}
