//! `credwatch findings list|show|ack|assign|comment|close`.
//!
//! A list says on stderr what it left out and what could not be seen: that there is nothing in it means nothing alone.

use std::process::ExitCode;

use anyhow::bail;
use arrow::array::{Array, RecordBatch};
use credwatch_detectors::FindingFilter;
use credwatch_detectors::definition::Definition;
use credwatch_detectors::triage::{Assignee, Said};
use credwatch_query::format::{OutputFormat, write};
use credwatch_schemas::finding::{FINDINGS, Finding, Triage};
use credwatch_schemas::ids::{DetectorId, FindingId};
use credwatch_schemas::rows::to_batch;

use crate::args::Findings;
use crate::error_chain::story;
use crate::finding_source::{FindingSource, Seen, no_such};
use crate::finding_text::{left_out, list as list_text, page, triage as triage_words};
use crate::output;
use crate::plain_text::one_line;
use crate::setting::Setting;

pub(crate) async fn run(setting: &Setting, asked: Findings) -> anyhow::Result<ExitCode> {
    match asked {
        Findings::List { all, detector, min_severity } => {
            let detector = detector.map(DetectorId::new);
            let filter =
                FindingFilter { detector, severity: min_severity, with_quiet: all, ..FindingFilter::default() };
            list(setting, &filter).await
        }
        Findings::Show { id } => show(setting, &FindingId::new(id)).await,
        Findings::Ack { id, comment } => {
            say(setting, id, Said { triage: Some(Triage::Acknowledged), comment, ..Said::default() }).await
        }
        Findings::Assign { id, who, nobody: _ } => {
            let assignee = Some(who.map_or(Assignee::Nobody, Assignee::Somebody));
            say(setting, id, Said { assignee, ..Said::default() }).await
        }
        Findings::Comment { id, text } => say(setting, id, Said { comment: Some(text), ..Said::default() }).await,
        Findings::Close { id, verdict, comment } => {
            let triage = Some(Triage::Closed);
            say(setting, id, Said { triage, verdict: Some(verdict), comment, ..Said::default() }).await
        }
    }
}

async fn say(setting: &Setting, id: String, said: Said) -> anyhow::Result<ExitCode> {
    let id = FindingId::new(id);
    let finding = FindingSource::of(setting, true).await?.say(&id, &said).await?;
    eprintln!("{}", one_line(&format!("{id}: {}", triage_words(&finding))));
    Ok(ExitCode::SUCCESS)
}

async fn list(setting: &Setting, filter: &FindingFilter) -> anyhow::Result<ExitCode> {
    let mut seen = FindingSource::of(setting, false).await?.current(filter).await?;
    let order = |finding: &Finding| (finding.severity, finding.raised_time, finding.finding_id.clone());
    seen.findings.sort_by_key(|finding| std::cmp::Reverse(order(finding)));
    write_findings(setting.format, &seen.findings, || list_text(&seen.findings))?;
    for said in remarks(&seen) {
        eprintln!("{said}");
    }
    Ok(ExitCode::SUCCESS)
}

fn write_findings(format: OutputFormat, findings: &[Finding], text: impl Fn() -> String) -> anyhow::Result<()> {
    if format == OutputFormat::Table {
        output::write(text().as_bytes())?;
        return Ok(());
    }
    output::write(&write(format, &FINDINGS, &[to_batch(&FINDINGS, findings)?])?)?;
    Ok(())
}

/// How many there are, how many were left out, and where nothing means nothing.
fn remarks(seen: &Seen) -> Vec<String> {
    if seen.never_judged {
        return vec!["no detector has judged this lake yet: run `credwatch detect run`".to_owned()];
    }
    let left_out = left_out(seen.left_out).map(|words| format!("; left out: {words} (--all shows them)"));
    let count = match seen.findings.len() {
        0 => "no findings".to_owned(),
        1 => "1 finding".to_owned(),
        more => format!("{more} findings"),
    };
    let mut said = vec![format!("{count}{}", left_out.unwrap_or_default())];
    if !seen.not_seen.is_empty() {
        said.push(format!(
            "not everything could be judged ({} of it; `credwatch detect status` has all):",
            seen.not_seen.len()
        ));
        said.extend(seen.not_seen.iter().take(5).map(|line| format!("  {line}")));
    }
    said
}

async fn show(setting: &Setting, id: &FindingId) -> anyhow::Result<ExitCode> {
    let source = FindingSource::of(setting, false).await?;
    let revisions = source.revisions(id).await?;
    let Some(finding) = revisions.last() else { bail!(no_such(id)) };
    let evidence = match setting.format {
        OutputFormat::Table => evidence(&source, finding).await,
        OutputFormat::Csv | OutputFormat::Json | OutputFormat::Ndjson => String::new(),
    };
    let registry = setting.registry()?;
    let file = registry.detectors().get(&finding.detector_id);
    let definition = file.and_then(|content| Definition::parse(finding.detector_id.as_str(), content).ok());
    write_findings(setting.format, &revisions, || page(&revisions, definition.as_ref(), &evidence))?;
    Ok(ExitCode::SUCCESS)
}

/// Rows of the evidence that are shown; the SQL beside them returns all.
const ROWS_SHOWN: usize = 20;

/// The rows that the finding's own SQL returns, as a table; that it cannot be run is said in their place.
async fn evidence(source: &FindingSource, finding: &Finding) -> String {
    match source.evidence(finding, ROWS_SHOWN).await {
        Ok(batches) => table(&batches).unwrap_or_else(|error| format!("the rows cannot be shown: {error}")),
        Err(error) => format!("the rows cannot be read: {}", story(&error)),
    }
}

/// Columns of an event that tell what happened, in the order of reading; those without a value are left out.
const TELLING: [&str; 16] = [
    "time",
    "kind",
    "agent_id",
    "user_id",
    "connection_id",
    "provider",
    "dest_host",
    "method",
    "path",
    "operation",
    "outcome",
    "status",
    "error_code",
    "org_id",
    "source",
    "event_id",
];

fn table(batches: &[RecordBatch]) -> Result<String, arrow::error::ArrowError> {
    let Some(first) = batches.first() else { return Ok("(no rows)".to_owned()) };
    let is_filled = |place: usize| batches.iter().any(|batch| batch.column(place).null_count() < batch.num_rows());
    let told = TELLING.iter().filter_map(|name| first.schema().index_of(name).ok()).filter(|place| is_filled(*place));
    let places: Vec<usize> = told.collect();
    if places.is_empty() {
        return Ok("(no rows)".to_owned());
    }
    let shown: Vec<RecordBatch> = batches.iter().map(|batch| batch.project(&places)).collect::<Result<_, _>>()?;
    let schema = std::sync::Arc::new(first.schema().project(&places)?);
    Ok(String::from_utf8_lossy(&write(OutputFormat::Table, &schema, &shown)?).into_owned())
}

#[cfg(test)]
mod tests {
    use credwatch_server::reading::LeftOut;

    use super::*;

    #[test]
    fn a_lake_that_nobody_judged_is_not_said_to_have_no_findings() {
        let said = remarks(&Seen { never_judged: true, ..Seen::default() });
        assert_eq!(said, ["no detector has judged this lake yet: run `credwatch detect run`"]);
    }

    #[test]
    fn what_was_left_out_and_what_failed_stands_beside_the_list() {
        let left_out = LeftOut { digest: 2, ..LeftOut::default() };
        let said = remarks(&Seen { left_out, not_seen: vec!["d: failed".into()], ..Seen::default() });
        assert_eq!(said[0], "no findings; left out: 2 digest (--all shows them)");
        assert_eq!(said[2], "  d: failed");
    }
}
