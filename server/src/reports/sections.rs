//! What each detector found, in the columns that its file declares: a new detector needs no word here. Pure.

use credwatch_detectors::InForce;
use credwatch_schemas::finding::{Comparison, Finding};
use credwatch_schemas::time::Micros;
use credwatch_schemas::weekly_report::{Column, Detector, Section, SectionRow, SectionValue};

/// `found` are the worst findings of each detector, the worst first; `judged` says how many there are.
pub(super) fn sections(detectors: &[InForce], judged: &[Detector], found: &[Finding]) -> Vec<Section> {
    let of = |detector: &InForce| {
        let rows: Vec<SectionRow> = found
            .iter()
            .filter(|finding| finding.detector_id == detector.id)
            .map(|finding| row(finding, &detector.section.columns))
            .collect();
        let all = judged.iter().find(|one| one.detector_id == detector.id).map_or(0, |one| one.findings);
        let told = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        Section {
            detector_id: detector.id.clone(),
            title: detector.section.title.clone(),
            columns: detector.section.columns.clone(),
            rows,
            more: (all - told).max(0),
        }
    };
    detectors.iter().map(of).collect()
}

fn row(finding: &Finding, columns: &[Column]) -> SectionRow {
    SectionRow {
        finding_id: finding.finding_id.clone(),
        org_id: finding.org_id.clone(),
        severity: finding.severity,
        status: finding.status,
        values: columns.iter().filter_map(|column| Some((column.name.clone(), value(finding, column)?))).collect(),
    }
}

/// Nothing where the finding does not say it: an outage of a host has no agent.
fn value(finding: &Finding, column: &Column) -> Option<SectionValue> {
    let time = |time: Micros| Some(SectionValue::Text(time.to_string()));
    match column.name.as_str() {
        "raised_time" => time(finding.raised_time),
        "first_time" => time(finding.first_time),
        "last_time" => time(finding.last_time),
        "event_count" => Some(SectionValue::Number(finding.event_count as f64)),
        // Findings name what is compared by its title.
        name => compared(&finding.compared, &column.title)
            .or_else(|| finding.subject.get(name).cloned().map(SectionValue::Text)),
    }
}

fn compared(all: &[Comparison], name: &str) -> Option<SectionValue> {
    all.iter().find(|one| one.name == name)?.observed.map(SectionValue::Number)
}

#[cfg(test)]
mod tests {
    use credwatch_detectors::Section as Declared;
    use credwatch_schemas::ids::DetectorId;
    use credwatch_schemas::outcome::Outcome;

    use super::*;
    use crate::sample::{finding, in_force};

    fn column(name: &str) -> Column {
        Column { name: name.to_owned(), title: name.to_owned(), unit: None }
    }

    #[test]
    fn a_section_has_the_columns_that_the_file_declares_whatever_the_finding_lacks() {
        let raised = finding("f_1", 60);
        let compared = raised.compared[0].clone();
        let shown = Column { name: "shown".to_owned(), title: compared.name.clone(), unit: None };
        let columns = vec![column("first_time"), column("event_count"), shown, column("no_such_name")];
        let detector = InForce {
            section: Declared { title: "Odd things".to_owned(), columns },
            ..in_force(raised.detector_id.as_str())
        };
        let other = in_force("silent");
        let judged = |id: &DetectorId, findings| Detector {
            detector_id: id.clone(),
            title: String::new(),
            outcome: Outcome::Clear,
            findings,
            blind: Vec::new(),
        };
        let judged = [judged(&detector.id, 12), judged(&other.id, 0)];
        let told = sections(&[detector, other], &judged, std::slice::from_ref(&raised));
        assert_eq!((told[0].title.as_str(), told[0].more, told[1].rows.len(), told[1].more), ("Odd things", 11, 0, 0));
        let observed = compared.observed.map(SectionValue::Number).unwrap();
        let expected = [
            ("first_time", SectionValue::Text(raised.first_time.to_string())),
            ("event_count", SectionValue::Number(raised.event_count as f64)),
            ("shown", observed),
        ];
        assert_eq!(told[0].rows[0].values, expected.map(|(name, value)| (name.to_owned(), value)).into());
    }
}
