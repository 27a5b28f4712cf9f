//! Common Event Format, version 0: one line a row. Of an event nothing is dropped: what has no key of its own stands as JSON
//! under `cwFields`. A finding is its short form; `externalId` is what it is looked up by.

use credwatch_schemas::finding::Finding;
use credwatch_schemas::time::Micros;
use serde_json::{Value, json};

use crate::fields::Fields;
use crate::line::{Extension, severity, severity_of_event};
use crate::stored_event::StoredEvent;

const MICROS_A_MILLI: i64 = 1_000;

pub(crate) fn event(event: &StoredEvent) -> String {
    let mut fields = Fields::of(event);
    let kind = event.event.kind.clone().unwrap_or_default();
    let severity = severity_of_event(event.event.outcome.as_deref());
    fields.take("kind");
    fields.take("time");
    let mut extension = Extension::default();
    extension.put("rt", event.event.time.map(millis));
    extension.put("externalId", fields.take("event_id"));
    extension.put("deviceExternalId", fields.take("source"));
    extension.put("outcome", fields.take("outcome"));
    extension.put("reason", fields.take("error_message").or_else(|| fields.take("error_code")));
    extension.put("suid", fields.take("user_id"));
    extension.put("suser", fields.attribute("email"));
    extension.put("src", fields.take_address("src_ip"));
    extension.put("dst", fields.take_address("dest_ip"));
    extension.put("dhost", fields.take("dest_host"));
    extension.put("dpt", fields.take("dest_port"));
    extension.put("destinationServiceName", fields.take("provider"));
    extension.put("requestMethod", fields.take("method"));
    extension.put("request", fields.take("path"));
    extension.put("requestClientApplication", fields.take("user_agent"));
    extension.put("in", fields.take("bytes_in"));
    extension.put("out", fields.take("bytes_out"));
    extension.put_labelled(("cs1", "cs1Label"), "connectionId", fields.take("connection_id"));
    extension.put_labelled(("cs2", "cs2Label"), "orgId", fields.take("org_id"));
    extension.put_labelled(("cs3", "cs3Label"), "agentId", fields.take("agent_id"));
    extension.put_labelled(
        ("cs4", "cs4Label"),
        "scopes",
        fields.take("scope_used").or_else(|| fields.take("scopes_granted")),
    );
    extension.put_labelled(("cs5", "cs5Label"), "credentialType", fields.take("credential_class"));
    extension.put_labelled(("cs6", "cs6Label"), "promptVersion", fields.take("prompt_version"));
    extension.put_labelled(("cn1", "cn1Label"), "statusCode", fields.take("status"));
    extension.put_labelled(("cn2", "cn2Label"), "durationMs", fields.take("duration_ms"));
    extension.put_labelled(("cn3", "cn3Label"), "seq", Some(event.seq.into()));
    let ingested = Some(millis(event.ingest_time));
    extension.put_labelled(("deviceCustomDate1", "deviceCustomDate1Label"), "ingestTime", ingested);
    extension.put("cwRecordId", Some(event.record_id.as_str().into()));
    extension.put("cwFields", fields.rest());
    line(&kind, &kind.replace('_', " "), severity, &extension)
}

pub(crate) fn finding(finding: &Finding) -> String {
    let mut extension = Extension::default();
    extension.put("rt", millis(finding.raised_time));
    extension.put("start", millis(finding.first_time));
    extension.put("end", millis(finding.last_time));
    extension.put("externalId", Some(format!("{}.{}", finding.finding_id, finding.revision).into()));
    extension.put("cnt", Some(finding.event_count.into()));
    extension.put("msg", Some(finding.summary.clone().into()));
    extension.put_labelled(("cs1", "cs1Label"), "status", json!(finding.status));
    extension.put_labelled(("cs2", "cs2Label"), "orgId", json!(finding.org_id));
    extension.put_labelled(("cs3", "cs3Label"), "subject", json!(finding.subject));
    extension.put_labelled(("cs4", "cs4Label"), "triage", json!(finding.triage));
    extension.put_labelled(("cs5", "cs5Label"), "verdict", json!(finding.verdict));
    extension.put_labelled(("cs6", "cs6Label"), "detectorVersion", json!(finding.detector_version));
    extension.put_labelled(("cn1", "cn1Label"), "revision", Some(finding.revision.into()));
    line(finding.detector_id.as_str(), &finding.title, severity(finding.severity), &extension)
}

fn millis(time: Micros) -> Value {
    time.0.div_euclid(MICROS_A_MILLI).into()
}

fn line(signature: &str, name: &str, severity: u8, extension: &Extension) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let (signature, name) = (head(signature), head(name));
    format!("CEF:0|credwatch|credwatch|{version}|{signature}|{name}|{severity}|{}", extension.written(" ", value))
}

/// Readers differ in how they read an escaped pipe, so there is none.
fn head(text: &str) -> String {
    let plain = |one: char| match one {
        '|' => '/',
        one if one.is_control() => ' ',
        one => one,
    };
    text.chars().map(plain).collect::<String>().replace('\\', "\\\\")
}

fn value(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '\\' => written.push_str("\\\\"),
            '=' => written.push_str("\\="),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            one if one.is_control() => written.push(' '),
            one => written.push(one),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_its_place_its_value_or_its_line() {
        assert_eq!(head("a|b\\c\nd"), "a/b\\\\c d");
        assert_eq!(value("a=b\\c\nd|e\u{7}f"), "a\\=b\\\\c\\nd|e f");
    }
}
