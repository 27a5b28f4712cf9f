//! What judging tells about itself: where the time of a tick goes. Labels are phases and paces, never detectors or orgs.

use std::time::Duration;

use crate::known::Pace;

/// The steps of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Taking a snapshot, and reading new rows.
    Look,
    /// Bringing rollups and ledgers to it.
    Stores,
    /// Running detectors and reconciling their claims.
    Judge,
    /// Making their findings visible.
    Commit,
    /// What nobody waits for: outcomes, and merging the parts of stores.
    After,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Stores => "stores",
            Self::Judge => "judge",
            Self::Commit => "commit",
            Self::After => "after",
        }
    }
}

fn name(pace: Pace) -> &'static str {
    match pace {
        Pace::Eager => "eager",
        Pace::Windowed => "windowed",
    }
}

/// `credwatch_detect_seconds{pace, phase}`: how long each step of a tick took.
pub(crate) fn took(pace: Pace, phase: Phase, time: Duration) {
    tracing::debug!(pace = name(pace), phase = phase.name(), seconds = time.as_secs_f64(), "a step of a tick");
    metrics::histogram!("credwatch_detect_seconds", "pace" => name(pace), "phase" => phase.name())
        .record(time.as_secs_f64());
}
