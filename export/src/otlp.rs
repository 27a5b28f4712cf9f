//! OpenTelemetry log records, as OTLP writes them in JSON (opentelemetry-proto 1.x): the names of the semantic conventions
//! where there are any, `credwatch.` and the name of the contract where there are none.

use credwatch_schemas::finding::{Finding, Severity};
use credwatch_schemas::time::Micros;
use serde_json::{Map, Value, json};

use crate::fields::Fields;
use crate::stored_event::StoredEvent;

pub(crate) fn event(event: &StoredEvent) -> Value {
    let mut fields = Fields::of(event);
    let kind = event.event.kind.clone().unwrap_or_default();
    fields.take("kind");
    fields.take("time");
    let trace = fields.text("trace_id").filter(|id| is_trace(id)).map(str::to_lowercase);
    if trace.is_some() {
        fields.take("trace_id");
    }
    let mut attributes = Attributes::default();
    for (name, field) in CONVENTIONS {
        attributes.put(name, fields.take(field));
    }
    attributes.put("gen_ai.agent.name", fields.attribute("agent_name"));
    attributes.put("gen_ai.request.model", fields.attribute("model"));
    attributes.put("gen_ai.provider.name", fields.attribute("model_provider"));
    attributes.put("credwatch.record_id", Some(event.record_id.as_str().into()));
    attributes.put("credwatch.seq", Some(event.seq.into()));
    if let Some(Value::Object(rest)) = fields.rest() {
        rest.into_iter().for_each(|(name, value)| attributes.put(&format!("credwatch.{name}"), Some(value)));
    }
    let severity = match event.event.outcome.as_deref() {
        Some("failure" | "denied") => Severity::Low,
        _ => Severity::Info,
    };
    let mut record = record(event.event.time.unwrap_or(event.ingest_time), event.ingest_time, severity, attributes);
    record.insert("eventName".to_owned(), format!("credwatch.{kind}").into());
    record.insert("body".to_owned(), any(&kind.into()));
    record.extend(trace.map(|id| ("traceId".to_owned(), id.into())));
    Value::Object(record)
}

/// Attributes of the conventions, and the field that each is.
const CONVENTIONS: [(&str, &str); 14] = [
    ("log.record.uid", "event_id"),
    ("user.id", "user_id"),
    ("gen_ai.agent.id", "agent_id"),
    ("gen_ai.agent.version", "agent_version"),
    ("gen_ai.conversation.id", "task_id"),
    ("peer.service", "provider"),
    ("server.address", "dest_host"),
    ("server.port", "dest_port"),
    ("http.request.method", "method"),
    ("url.path", "path"),
    ("http.response.status_code", "status"),
    ("error.type", "error_code"),
    ("client.address", "src_ip"),
    ("user_agent.original", "user_agent"),
];

pub(crate) fn finding(finding: &Finding) -> Value {
    let mut attributes = Attributes::default();
    attributes.put("log.record.uid", Some(format!("{}.{}", finding.finding_id, finding.revision).into()));
    attributes.put("security_rule.uuid", Some(finding.detector_id.as_str().into()));
    attributes.put("security_rule.name", Some(finding.title.clone().into()));
    attributes.put("security_rule.version", Some(finding.detector_version.as_str().into()));
    if let Ok(Value::Object(all)) = serde_json::to_value(finding) {
        let others = all.into_iter().filter(|(name, _)| !matches!(name.as_str(), "detector_id" | "title" | "summary"));
        others.for_each(|(name, value)| attributes.put(&format!("credwatch.{name}"), Some(value)));
    }
    let mut record = record(finding.raised_time, finding.recorded_time, finding.severity, attributes);
    record.insert("eventName".to_owned(), "credwatch.finding".into());
    record.insert("body".to_owned(), any(&finding.summary.clone().into()));
    Value::Object(record)
}

fn record(time: Micros, observed: Micros, severity: Severity, attributes: Attributes) -> Map<String, Value> {
    let (number, text) = match severity {
        Severity::Info => (9, "INFO"),
        Severity::Low => (10, "INFO2"),
        Severity::Medium => (13, "WARN"),
        Severity::High => (17, "ERROR"),
        Severity::Critical => (21, "FATAL"),
    };
    let members = [
        ("timeUnixNano", nanos(time)),
        ("observedTimeUnixNano", nanos(observed)),
        ("severityNumber", number.into()),
        ("severityText", text.into()),
        ("attributes", attributes.0.into()),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Numbers of 64 bits are text in OTLP's JSON.
fn nanos(time: Micros) -> Value {
    (i128::from(time.0) * 1_000).to_string().into()
}

fn is_trace(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) && id.bytes().any(|byte| byte != b'0')
}

#[derive(Debug, Default)]
struct Attributes(Vec<Value>);

impl Attributes {
    fn put(&mut self, name: &str, value: Option<Value>) {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            self.0.push(json!({"key": name, "value": any(&value)}));
        }
    }
}

/// A value as OTLP names its type.
fn any(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(value) => json!({"boolValue": value}),
        Value::String(text) => json!({"stringValue": text}),
        Value::Number(number) if number.is_f64() => json!({"doubleValue": number}),
        Value::Number(number) => json!({"intValue": number.to_string()}),
        Value::Array(list) => json!({"arrayValue": {"values": list.iter().map(any).collect::<Vec<_>>()}}),
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| json!({"key": key, "value": any(value)}));
            json!({"kvlistValue": {"values": members.collect::<Vec<_>>()}})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_text_and_each_value_says_its_type() {
        let value = json!({"a": [1, 0.5, true, "x", null]});
        let expected = json!({"kvlistValue": {"values": [{"key": "a", "value": {"arrayValue": {"values": [
            {"intValue": "1"}, {"doubleValue": 0.5}, {"boolValue": true}, {"stringValue": "x"}, {},
        ]}}}]}});
        assert_eq!(any(&value), expected);
    }

    #[test]
    fn only_what_is_a_trace_is_called_one() {
        assert!(is_trace("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert!(!is_trace("00000000000000000000000000000000") && !is_trace("t-1"));
    }
}
