//! How detectors stand, as people read it: one line a detector, and below it each source that is not simply fine.

use credwatch_schemas::ids::{OrgId, SourceId};
use credwatch_schemas::outcome::Outcome;
use credwatch_server::detector_status::{DetectorStatus, SourceStatus};

use crate::plain_text::{one_line, second};

pub(crate) fn text(statuses: &[DetectorStatus]) -> String {
    let width = statuses.iter().map(|status| status.id.as_str().len()).max().unwrap_or(0).max(8);
    let mut text = format!("{:<width$}  {:<14}  {:<20}  SOURCES\n", "DETECTOR", "OUTCOME", "JUDGED UNTIL");
    for status in statuses {
        let until = status.coverage.map_or_else(|| "never".to_owned(), |covered| second(covered.to_time));
        let outcome = status.outcome.as_str();
        text.push_str(&format!(
            "{:<width$}  {outcome:<14}  {until:<20}  {}\n",
            status.id.as_str(),
            tally(&status.sources)
        ));
        if let Some(detail) = &status.detail {
            text.push_str(&format!("  {}\n", one_line(detail)));
        }
        for source in status.sources.iter().filter(|source| !is_fine(source.outcome)) {
            text.push_str(&format!("  {}\n", gap(source)));
        }
    }
    text
}

/// `3 clear, 1 not_observable`.
fn tally(sources: &[SourceStatus]) -> String {
    let mut counts: std::collections::BTreeMap<Outcome, usize> = Default::default();
    for source in sources {
        *counts.entry(source.outcome).or_default() += 1;
    }
    let parts: Vec<String> =
        counts.into_iter().map(|(outcome, count)| format!("{count} {}", outcome.as_str())).collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
}

fn gap(source: &SourceStatus) -> String {
    let name = |name: Option<&str>| name.unwrap_or("(none)").to_owned();
    let whose = format!(
        "{} of {}",
        name(source.source.as_ref().map(SourceId::as_str)),
        name(source.org_id.as_ref().map(OrgId::as_str))
    );
    let detail = source.detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
    one_line(&format!("{whose}: {}{detail}", source.outcome.as_str()))
}

fn is_fine(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Clear | Outcome::Findings)
}

#[cfg(test)]
mod tests {
    use credwatch_schemas::ids::DetectorId;
    use credwatch_schemas::time::Micros;
    use credwatch_server::detector_status::Covered;

    use super::*;

    #[test]
    fn what_cannot_be_seen_stands_below_its_detector() {
        let coverage = Covered { from_time: Micros(0), to_time: Micros(60_000_000), data_seq: 1 };
        let source = |outcome, detail: Option<&str>| SourceStatus {
            org_id: Some(OrgId::new("org_a")),
            source: Some(SourceId::new("b")),
            outcome,
            not_observable: Vec::new(),
            detail: detail.map(str::to_owned),
            coverage,
        };
        let status = DetectorStatus {
            id: DetectorId::new("first-host"),
            title: None,
            severity: None,
            version: None,
            outcome: Outcome::Clear,
            detail: None,
            coverage: Some(coverage),
            sources: vec![
                source(Outcome::Clear, None),
                source(Outcome::NotObservable, Some("b never fills dest_host")),
            ],
        };
        let never = DetectorStatus {
            id: DetectorId::new("new"),
            outcome: Outcome::Behind,
            detail: Some("it has not judged yet".into()),
            coverage: None,
            sources: Vec::new(),
            ..status.clone()
        };
        let expected = "\
DETECTOR    OUTCOME         JUDGED UNTIL          SOURCES
first-host  clear           1970-01-01 00:01:00Z  1 clear, 1 not_observable
  b of org_a: not_observable: b never fills dest_host
new         behind          never                 -
  it has not judged yet
";
        assert_eq!(text(&[status, never]), expected);
    }
}
