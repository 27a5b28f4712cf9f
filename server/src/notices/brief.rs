//! What is kept of a finding's revision until it is told: little, because in a bad night there are many.

use credwatch_schemas::finding::{Finding, Severity, Status, Subject};
use credwatch_schemas::ids::{DetectorId, FindingId, OrgId};
use credwatch_schemas::time::Micros;

/// Of texts that others wrote, this much is told.
const LONGEST: usize = 500;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Brief {
    pub(super) finding_id: FindingId,
    pub(super) revision: i64,
    pub(super) seq: i64,
    pub(super) detector_id: DetectorId,
    pub(super) org_id: Option<OrgId>,
    pub(super) subject: Subject,
    pub(super) title: String,
    pub(super) summary: String,
    pub(super) severity: Severity,
    pub(super) status: Status,
    /// Why the engine gave this status.
    pub(super) reason: Option<String>,
    pub(super) first_time: Micros,
    pub(super) last_time: Micros,
    pub(super) event_count: i64,
    pub(super) recorded_time: Micros,
}

impl From<Finding> for Brief {
    fn from(finding: Finding) -> Self {
        Self {
            finding_id: finding.finding_id,
            revision: finding.revision,
            seq: finding.seq.unwrap_or(0),
            detector_id: finding.detector_id,
            org_id: finding.org_id,
            subject: finding.subject.into_iter().map(|(column, value)| (column, short(&value))).collect(),
            title: short(&finding.title),
            summary: short(&finding.summary),
            severity: finding.severity,
            status: finding.status,
            reason: finding.status_reason.as_deref().map(short),
            first_time: finding.first_time,
            last_time: finding.last_time,
            event_count: finding.event_count,
            recorded_time: finding.recorded_time,
        }
    }
}

/// On one line, and not too long: a line that somebody else wrote must not look like one of ours.
fn short(text: &str) -> String {
    let mut line: String = text.chars().map(|one| if is_plain(one) { one } else { ' ' }).take(LONGEST).collect();
    if text.chars().count() > LONGEST {
        line.push('…');
    }
    line
}

/// Neither ends a line nor turns its direction.
fn is_plain(one: char) -> bool {
    !one.is_control()
        && !matches!(one, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_stays_on_its_line_and_is_not_endless() {
        assert_eq!(short("a\r\nBcc: x\u{202e}y"), "a  Bcc: x y");
        assert_eq!(short(&"é".repeat(501)).chars().count(), 501);
    }
}
