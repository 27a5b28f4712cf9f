//! Log Event Extended Format 2.0, for QRadar: one line a row, values between tabs. The format has no way to write a tab or
//! an end of line within a value, so each becomes a space; beyond that nothing of an event is dropped.

use credwatch_schemas::finding::Finding;
use credwatch_schemas::time::Micros;
use serde_json::{Value, json};

use crate::fields::Fields;
use crate::line::{Extension, severity, severity_of_event};
use crate::stored_event::StoredEvent;

/// As the header declares it.
const DELIMITER: &str = "\t";
const DECLARED: &str = "x09";
const MICROS_A_MILLI: i64 = 1_000;

pub(crate) fn event(event: &StoredEvent) -> String {
    let mut fields = Fields::of(event);
    let kind = event.event.kind.clone().unwrap_or_default();
    let mut extension = Extension::default();
    extension.put("devTime", event.event.time.map(millis));
    extension.put("cat", fields.take("kind"));
    extension.put("sev", Some(severity_of_event(event.event.outcome.as_deref()).into()));
    fields.take("time");
    extension.put("src", fields.take_address("src_ip"));
    extension.put("dst", fields.take_address("dest_ip"));
    extension.put("dstPort", fields.take("dest_port"));
    extension.put("usrName", fields.take("user_id"));
    extension.put("resource", fields.take("resource"));
    extension.put("url", fields.take("path"));
    extension.put("domain", fields.take("dest_host"));
    extension.put("srcBytes", fields.take("bytes_out"));
    extension.put("dstBytes", fields.take("bytes_in"));
    extension.put("eventId", fields.take("event_id"));
    extension.put("recordId", Some(event.record_id.as_str().into()));
    extension.put("seq", Some(event.seq.into()));
    extension.put("ingestTime", millis(event.ingest_time));
    extension.put("source", fields.take("source"));
    extension.put("orgId", fields.take("org_id"));
    extension.put("agentId", fields.take("agent_id"));
    extension.put("connectionId", fields.take("connection_id"));
    extension.put("provider", fields.take("provider"));
    extension.put("method", fields.take("method"));
    extension.put("outcome", fields.take("outcome"));
    extension.put("statusCode", fields.take("status"));
    extension.put("reason", fields.take("error_message"));
    extension.put("errorCode", fields.take("error_code"));
    extension.put("durationMs", fields.take("duration_ms"));
    extension.put("cwFields", fields.rest());
    line(&kind, &extension)
}

pub(crate) fn finding(finding: &Finding) -> String {
    let mut extension = Extension::default();
    extension.put("devTime", millis(finding.raised_time));
    extension.put("cat", Some("finding".into()));
    extension.put("sev", Some(severity(finding.severity).into()));
    extension.put("findingId", Some(finding.finding_id.as_str().into()));
    extension.put("revision", Some(finding.revision.into()));
    extension.put("title", Some(finding.title.clone().into()));
    extension.put("summary", Some(finding.summary.clone().into()));
    extension.put("orgId", json!(finding.org_id));
    extension.put("subject", json!(finding.subject));
    extension.put("status", json!(finding.status));
    extension.put("triage", json!(finding.triage));
    extension.put("verdict", json!(finding.verdict));
    extension.put("eventCount", Some(finding.event_count.into()));
    extension.put("firstTime", millis(finding.first_time));
    extension.put("lastTime", millis(finding.last_time));
    line(finding.detector_id.as_str(), &extension)
}

fn millis(time: Micros) -> Value {
    time.0.div_euclid(MICROS_A_MILLI).into()
}

fn line(id: &str, extension: &Extension) -> String {
    let (version, id) = (env!("CARGO_PKG_VERSION"), value(id).replace('|', "/"));
    let values = extension.written(DELIMITER, value);
    format!("LEEF:2.0|credwatch|credwatch|{version}|{id}|{DECLARED}|{values}")
}

fn value(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect()
}
