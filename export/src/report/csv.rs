//! The report for a sheet: one value a line, whatever section it is of.

use credwatch_schemas::ids::OrgId;
use credwatch_schemas::weekly_report::{Calls, Content, Coverage, Ended, Ranked, Section, SectionValue, WeeklyReport};

use super::words::{is_hidden, plain};

/// Section, org, what it is about, beside what, measure, value.
pub fn csv(report: &WeeklyReport) -> String {
    let mut sheet = Sheet("section,org_id,subject,beside,measure,value\r\n".to_owned());
    sheet.report(report);
    sheet.coverage(&report.content.coverage);
    sheet.findings(report);
    report.content.sections.iter().for_each(|section| sheet.section(section));
    sheet.exceptions(&report.content);
    sheet.calls(&report.content.calls);
    sheet.new_destinations(&report.content);
    sheet.credentials(&report.content);
    sheet.other_orgs(&report.content);
    sheet.0
}

struct Sheet(String);

impl Sheet {
    fn report(&mut self, report: &WeeklyReport) {
        let (org, content) = (report.org_id.as_ref(), &report.content);
        for (measure, value) in [("week", report.week.as_str()), ("time_zone", &report.time_zone)] {
            self.line("report", org, "", "", measure, value);
        }
        for (measure, value) in [
            ("edition", Some(report.edition)),
            ("events", Some(content.coverage.events)),
            ("rejects", content.coverage.rejects),
            ("rejects_undated", content.coverage.rejects_undated),
            ("lost", Some(content.coverage.lost)),
            ("agents", Some(content.calls.agents)),
            ("hosts", Some(content.calls.hosts)),
            ("findings_digest", Some(content.findings.digest)),
            ("findings_suppressed", Some(content.findings.suppressed)),
            ("findings_withdrawn", Some(content.findings.withdrawn)),
        ] {
            value.into_iter().for_each(|value| self.number("report", org, ("", ""), measure, value));
        }
        self.ended("calls_total", org, ("", ""), &content.calls.total);
        self.ended("calls_total_last_week", org, ("", ""), &content.against_last_week.total);
    }

    fn coverage(&mut self, coverage: &Coverage) {
        for one in &coverage.sources {
            let source = one.source.as_ref().map_or("", |source| source.as_str());
            for (measure, value) in [("events", one.events), ("late", one.late), ("silent_hours", one.silent_hours)] {
                self.number("source", one.org_id.as_ref(), (source, ""), measure, value);
            }
        }
        for one in &coverage.detectors {
            let detector = one.detector_id.as_str();
            self.line("detector", None, detector, "", "outcome", one.outcome.as_str());
            self.number("detector", None, (detector, ""), "findings", one.findings);
            for blind in &one.blind {
                let source = blind.source.as_ref().map_or("", |source| source.as_str());
                self.line("blind", blind.org_id.as_ref(), detector, source, "outcome", blind.outcome.as_str());
            }
        }
    }

    fn findings(&mut self, report: &WeeklyReport) {
        let (org, findings) = (report.org_id.as_ref(), &report.content.findings);
        for one in &findings.by_severity {
            let severity = one.severity.to_string();
            self.number("findings", org, (&severity, ""), "findings", one.findings);
            self.number("findings", org, (&severity, ""), "last_week", one.last_week);
        }
        for (measure, value) in [("findings", findings.statistical), ("beyond_chance", findings.beyond_chance)] {
            value.into_iter().for_each(|value| self.number("findings", org, ("statistical", ""), measure, value));
        }
        if let Some(expected) = findings.expected_by_chance {
            self.cells("findings", org, ("statistical", ""), ("expected_by_chance", &expected.to_string()));
        }
        findings.top.iter().for_each(|one| self.finding(one));
    }

    fn finding(&mut self, one: &Ranked) {
        let (org, id, detector) = (one.org_id.as_ref(), one.finding_id.as_str(), one.detector_id.as_str());
        self.line("finding", org, id, detector, "severity", &one.severity.to_string());
        self.line("finding", org, id, detector, "summary", &one.summary);
        self.number("finding", org, (id, detector), "event_count", one.event_count);
        if let Some(rate) = one.false_discovery_rate {
            self.cells("finding", org, (id, detector), ("false_discovery_rate", &rate.to_string()));
        }
    }

    fn section(&mut self, section: &Section) {
        for row in &section.rows {
            let (org, id, title) = (row.org_id.as_ref(), row.finding_id.as_str(), section.title.as_str());
            for column in &section.columns {
                match row.values.get(&column.name) {
                    None => {}
                    Some(SectionValue::Text(text)) => self.line("section", org, id, title, &column.name, text),
                    Some(SectionValue::Number(number)) => {
                        self.cells("section", org, (id, title), (&column.name, &plain(*number)));
                    }
                }
            }
        }
    }

    fn exceptions(&mut self, content: &Content) {
        for one in &content.exceptions_ending {
            let until = one.until_time.to_string();
            self.line("exception_ending", Some(&one.org_id), &one.value, &one.key, "until", &until);
        }
    }

    fn calls(&mut self, calls: &Calls) {
        for one in &calls.series {
            let about = (one.agent_id.as_deref().unwrap_or(""), one.dest_host.as_deref().unwrap_or(""));
            self.ended("calls", one.org_id.as_ref(), about, &one.ended);
            if let Some(before) = &one.last_week {
                self.ended("calls_last_week", one.org_id.as_ref(), about, before);
            }
        }
    }

    fn new_destinations(&mut self, content: &Content) {
        for one in &content.new_destinations {
            let about = (one.agent_id.as_deref().unwrap_or(""), one.dest_host.as_str());
            self.number("new_destination", one.org_id.as_ref(), about, "calls", one.calls);
        }
    }

    fn credentials(&mut self, content: &Content) {
        for one in &content.credentials {
            let about = (one.provider.as_deref().unwrap_or(""), "");
            for (measure, value) in [
                ("refreshes", one.refreshes),
                ("refreshes_failed", one.refreshes_failed),
                ("revocations", one.revocations),
                ("reauthorisations", one.reauthorisations),
                ("unauthorized", one.unauthorized),
                ("forbidden", one.forbidden),
                ("rate_limited", one.rate_limited),
            ] {
                self.number("credentials", one.org_id.as_ref(), about, measure, value);
            }
        }
    }

    fn other_orgs(&mut self, content: &Content) {
        for one in &content.other_orgs {
            let other = one.credential_org_id.as_ref().or(one.target_org_id.as_ref()).map_or("", |org| org.as_str());
            let about = (one.connection_id.as_deref().unwrap_or(""), other);
            self.number("other_org", one.org_id.as_ref(), about, "events", one.events);
        }
    }

    fn ended(&mut self, section: &str, org: Option<&OrgId>, about: (&str, &str), ended: &Ended) {
        let counts = [
            ("calls", ended.calls),
            ("failures", ended.failures),
            ("denied", ended.denied),
            ("unknown", ended.unknown),
        ];
        counts.into_iter().for_each(|(measure, value)| self.number(section, org, about, measure, value));
        if let Some(rate) = ended.failure_rate {
            for (measure, value) in [("failure_rate", rate.rate), ("low", rate.low), ("high", rate.high)] {
                self.cells(section, org, about, (measure, &value.to_string()));
            }
        }
    }

    fn number(&mut self, section: &str, org: Option<&OrgId>, about: (&str, &str), measure: &str, value: i64) {
        self.cells(section, org, about, (measure, &value.to_string()));
    }

    fn line(&mut self, section: &str, org: Option<&OrgId>, subject: &str, beside: &str, measure: &str, value: &str) {
        self.cells(section, org, (subject, beside), (measure, &cell(value)));
    }

    /// The value as it stands.
    fn cells(
        &mut self,
        section: &str,
        org: Option<&OrgId>,
        (subject, beside): (&str, &str),
        (measure, value): (&str, &str),
    ) {
        let texts = [section, org.map_or("", OrgId::as_str), subject, beside, measure].map(cell);
        self.0.push_str(&[texts.join(",").as_str(), ",", value, "\r\n"].concat());
    }
}

/// A sheet must not take a name for a formula, whatever invisible stands before it.
pub(super) fn cell(text: &str) -> String {
    let seen =
        text.trim_start_matches(|letter: char| letter.is_whitespace() || letter.is_control() || is_hidden(letter));
    let begins = ['=', '+', '-', '@', '\u{ff1d}', '\u{fe66}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    let text = if seen.starts_with(begins) { ["'", text].concat() } else { text.to_owned() };
    match text.contains([',', '"', '\n', '\r', '\'']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}
