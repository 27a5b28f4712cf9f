//! The report for a sheet: one value a line, whatever section it is of.

use credwatch_schemas::ids::OrgId;
use credwatch_schemas::weekly_report::{Ended, WeeklyReport};

/// Section, org, what it is about, beside what, measure, value.
pub fn csv(report: &WeeklyReport) -> String {
    let mut sheet = Sheet("section,org_id,subject,beside,measure,value\r\n".to_owned());
    let content = &report.content;
    for (measure, value) in [("week", report.week.as_str()), ("time_zone", &report.time_zone)] {
        sheet.line("report", report.org_id.as_ref(), "", "", measure, value);
    }
    sheet.number("report", report.org_id.as_ref(), ("", ""), "edition", report.edition);
    for one in &content.coverage.sources {
        let source = one.source.as_ref().map_or("", |source| source.as_str());
        for (measure, value) in [("events", one.events), ("late", one.late), ("silent_hours", one.silent_hours)] {
            sheet.number("source", None, (source, ""), measure, value);
        }
    }
    for one in &content.coverage.detectors {
        sheet.line("detector", None, one.detector_id.as_str(), "", "outcome", one.outcome.as_str());
        sheet.number("detector", None, (one.detector_id.as_str(), ""), "findings", one.findings);
    }
    for one in &content.findings.top {
        let (org, id) = (one.org_id.as_ref(), one.finding_id.as_str());
        sheet.line("finding", org, id, one.detector_id.as_str(), "severity", &one.severity.to_string());
        sheet.line("finding", org, id, one.detector_id.as_str(), "summary", &one.summary);
        sheet.number("finding", org, (id, one.detector_id.as_str()), "event_count", one.event_count);
    }
    for one in &content.calls.series {
        let about = (one.agent_id.as_deref().unwrap_or(""), one.dest_host.as_deref().unwrap_or(""));
        sheet.ended("calls", one.org_id.as_ref(), about, &one.ended);
        if let Some(before) = &one.last_week {
            sheet.ended("calls_last_week", one.org_id.as_ref(), about, before);
        }
    }
    for one in &content.new_destinations {
        let about = (one.agent_id.as_deref().unwrap_or(""), one.dest_host.as_str());
        sheet.number("new_destination", one.org_id.as_ref(), about, "calls", one.calls);
    }
    for one in &content.credentials {
        for (measure, value) in [
            ("refreshes", one.refreshes),
            ("refreshes_failed", one.refreshes_failed),
            ("revocations", one.revocations),
            ("reauthorisations", one.reauthorisations),
            ("unauthorized", one.unauthorized),
            ("forbidden", one.forbidden),
            ("rate_limited", one.rate_limited),
        ] {
            let about = (one.provider.as_deref().unwrap_or(""), "");
            sheet.number("credentials", one.org_id.as_ref(), about, measure, value);
        }
    }
    for one in &content.other_orgs {
        let other = one.credential_org_id.as_ref().or(one.target_org_id.as_ref()).map_or("", |org| org.as_str());
        let about = (one.connection_id.as_deref().unwrap_or(""), other);
        sheet.number("other_org", one.org_id.as_ref(), about, "events", one.events);
    }
    sheet.0
}

struct Sheet(String);

impl Sheet {
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
                self.line(section, org, about.0, about.1, measure, &value.to_string());
            }
        }
    }

    fn number(&mut self, section: &str, org: Option<&OrgId>, about: (&str, &str), measure: &str, value: i64) {
        self.line(section, org, about.0, about.1, measure, &value.to_string());
    }

    fn line(&mut self, section: &str, org: Option<&OrgId>, subject: &str, beside: &str, measure: &str, value: &str) {
        let org = org.map_or("", OrgId::as_str);
        let cells = [section, org, subject, beside, measure, value].map(cell);
        self.0.push_str(&cells.join(","));
        self.0.push_str("\r\n");
    }
}

/// A sheet must not take a name for a formula.
fn cell(text: &str) -> String {
    let is_number = text.parse::<f64>().is_ok();
    let looks_like_one = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number;
    let text = if looks_like_one { ["'", text].concat() } else { text.to_owned() };
    match text.contains([',', '"', '\n', '\r', '\'']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}
