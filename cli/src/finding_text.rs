//! Findings as people read them: one line each in a list, and one as a whole page.

use std::fmt::Write;

use credwatch_detectors::definition::Definition;
use credwatch_schemas::finding::{Comparison, Finding, Subject};
use credwatch_schemas::ids::OrgId;
use credwatch_server::reading::LeftOut;

use crate::plain_text::{one_line, second};

/// A heading and one line a finding. `width` of the org's column follows the longest.
pub(crate) fn list(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| org(finding).chars().count()).max().unwrap_or(0).max(3);
    let mut text = String::new();
    if !findings.is_empty() {
        text = format!("{:<8}  {:<20}  {:<width$}  {:<18}  TITLE\n", "SEVERITY", "RAISED", "ORG", "FINDING");
    }
    for finding in findings {
        text.push_str(&line(finding, width));
        text.push('\n');
    }
    text
}

/// Severity, time, org, id, title.
pub(crate) fn line(finding: &Finding, org_width: usize) -> String {
    let quiet = if finding.status.is_quiet() { format!("  [{}]", finding.status) } else { String::new() };
    format!(
        "{:<8}  {}  {:<org_width$}  {:<18}  {}{quiet}",
        finding.severity.as_str().to_uppercase(),
        second(finding.raised_time),
        org(finding),
        finding.finding_id.as_str(),
        one_line(&finding.title),
    )
}

fn org(finding: &Finding) -> String {
    one_line(finding.org_id.as_ref().map_or("-", OrgId::as_str))
}

/// `12 digest, 1 withdrawn`; `None` when nothing was left out.
pub(crate) fn left_out(counts: LeftOut) -> Option<String> {
    let parts = [(counts.digest, "digest"), (counts.suppressed, "suppressed"), (counts.withdrawn, "withdrawn")];
    let said: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    (!said.is_empty()).then(|| said.join(", "))
}

/// Everything that is known of one finding, the answer first. `evidence` is its rows as a table.
pub(crate) fn page(revisions: &[Finding], definition: Option<&Definition>, evidence: &str) -> String {
    let Some(finding) = revisions.last() else { return String::new() };
    let mut text = String::new();
    section(&mut text, &format!("{}  {}", finding.severity.as_str().to_uppercase(), one_line(&finding.title)), &[]);
    section(&mut text, &one_line(&finding.summary), &facts(finding));
    let compared: Vec<String> = finding.compared.iter().map(comparison).collect();
    section_if(&mut text, "What was compared", &compared);
    let members: Vec<String> = finding.members.iter().map(subject).collect();
    section_if(&mut text, "Attached instead of reported alone", &members);
    let not_seen: Vec<String> =
        finding.not_seen.iter().map(|gap| one_line(&format!("{}: {}", gap.what, gap.why))).collect();
    section_if(&mut text, "What could not be seen", &not_seen);
    if let Some(definition) = definition {
        section(&mut text, "What it means", &lines_of(&definition.meaning));
        section(&mut text, "When it is harmless", &lines_of(&definition.false_positives));
        section(&mut text, "What to do", &lines_of(&definition.next_step));
    }
    section(&mut text, &format!("Evidence ({} events)", finding.event_count), &lines_of(evidence));
    section(&mut text, "The same rows again", &lines_of(&finding.sql));
    let history: Vec<String> = revisions.iter().map(revision).collect();
    section(&mut text, "Revisions", &history);
    text
}

fn facts(finding: &Finding) -> Vec<String> {
    let standing = if finding.provisional { ", provisional: late events may still change it" } else { "" };
    let reason = finding.status_reason.as_deref().map(|why| format!(" ({})", one_line(why))).unwrap_or_default();
    let mut facts = vec![
        format!("finding   {} (revision {})", finding.finding_id, finding.revision),
        format!("detector  {} (version {})", finding.detector_id, finding.detector_version),
        format!("org       {}", org(finding)),
        format!("subject   {}", subject(&finding.subject)),
        format!("status    {}{reason}{standing}", finding.status),
        format!("triage    {}", triage(finding)),
        format!("raised    {}", second(finding.raised_time)),
        format!("events    from {} to {}", second(finding.first_time), second(finding.last_time)),
    ];
    facts.extend(finding.replaced_by.as_ref().map(|id| format!("replaced  by {id}")));
    facts
}

/// People's word in a few of them.
pub(crate) fn triage(finding: &Finding) -> String {
    let verdict = finding.verdict.map(|verdict| format!(", {verdict}")).unwrap_or_default();
    let assignee = finding.assignee.as_deref().map(|who| format!(", assigned to {who}")).unwrap_or_default();
    let comment = finding.comment.as_deref().map(|words| format!(": {words}")).unwrap_or_default();
    one_line(&format!("{}{verdict}{assignee}{comment}", finding.triage))
}

fn subject(subject: &Subject) -> String {
    let parts: Vec<String> = subject.iter().map(|(column, value)| format!("{column} = {value}")).collect();
    one_line(&parts.join(", "))
}

fn comparison(one: &Comparison) -> String {
    let numbers = [("observed", one.observed), ("expected", one.expected), ("threshold", one.threshold)];
    let said: Vec<String> =
        numbers.iter().filter_map(|(word, number)| number.map(|number| format!("{word} {number}"))).collect();
    one_line(&format!("{}: {} ({})", one.name, said.join(", "), one.unit))
}

fn revision(finding: &Finding) -> String {
    let reason = finding.status_reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    one_line(&format!(
        "{}  {}  {:<8}  {:<10}  {} events, by {}{reason}",
        finding.revision,
        second(finding.recorded_time),
        finding.severity.as_str(),
        finding.status.as_str(),
        finding.event_count,
        finding.changed_by,
    ))
}

fn lines_of(text: &str) -> Vec<String> {
    text.trim_end().lines().map(one_line).collect()
}

fn section_if(text: &mut String, title: &str, lines: &[String]) {
    if !lines.is_empty() {
        section(text, title, lines);
    }
}

fn section(text: &mut String, title: &str, lines: &[String]) {
    if !text.is_empty() {
        text.push('\n');
    }
    // Writing to a String cannot fail.
    let _infallible = writeln!(text, "{title}");
    for line in lines {
        let _infallible = writeln!(text, "{}", format!("  {line}").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use credwatch_schemas::finding::{EXAMPLE, Severity, Status};
    use credwatch_schemas::ids::{DetectorId, FindingId};

    use super::*;

    fn finding() -> Finding {
        let example: Finding = serde_json::from_str(EXAMPLE).unwrap();
        let (finding_id, detector_id) = (FindingId::new("f_7k2m9q4t1x8cabcd"), DetectorId::new("storm"));
        let (only, sql) = (example.first_time, "SELECT * FROM events WHERE seq <= 9".into());
        let compared = vec![Comparison { threshold: Some(4.5), ..example.compared[0].clone() }];
        let times = Finding { last_time: only, raised_time: only, recorded_time: only, ..example };
        Finding { finding_id, detector_id, sql, compared, ..times }
    }

    #[test]
    fn a_list_is_one_line_a_finding_in_columns() {
        let quiet = Finding {
            severity: Severity::Low,
            status: Status::Digest,
            org_id: None,
            title: "new host\u{1b}[2J".into(),
            ..finding()
        };
        let expected = "\
SEVERITY  RAISED                ORG    FINDING             TITLE
HIGH      2026-06-01 11:02:41Z  org_7  f_7k2m9q4t1x8cabcd  Retries on a revoked Slack connection
LOW       2026-06-01 11:02:41Z  -      f_7k2m9q4t1x8cabcd  new host\u{fffd}[2J  [digest]
";
        assert_eq!(list(&[finding(), quiet]), expected);
        assert_eq!(list(&[]), "");
    }

    #[test]
    fn a_page_answers_without_another_command() {
        let second =
            Finding { revision: 2, status: Status::Withdrawn, status_reason: Some("a late event".into()), ..finding() };
        let page = page(&[finding(), second], None, "| time |\n| 11:02 |\n");
        for part in [
            "HIGH  Retries on a revoked Slack connection\n",
            "  subject   connection_id = conn_7_12_slack\n",
            "  status    withdrawn (a late event), provisional: late events may still change it\n",
            "What was compared\n  consecutive auth failures: observed 4, expected 1, threshold 4.5 (calls)\n",
            "What could not be seen\n  retry_after_ms: broker-eu never sends it\n",
            "Evidence (4 events)\n  | time |\n  | 11:02 |\n",
            "The same rows again\n  SELECT * FROM events WHERE seq <= 9\n",
            "Revisions\n  1  2026-06-01 11:02:41Z  high      open        4 events, by engine\n  2  ",
        ] {
            assert!(page.contains(part), "{part:?} is not in\n{page}");
        }
    }

    #[test]
    fn what_was_left_out_is_counted_by_kind() {
        assert_eq!(left_out(LeftOut::default()), None);
        let counts = LeftOut { digest: 12, suppressed: 0, withdrawn: 1 };
        assert_eq!(left_out(counts).as_deref(), Some("12 digest, 1 withdrawn"));
    }
}
