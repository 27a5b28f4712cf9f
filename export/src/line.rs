//! What the two formats of one line have in common: a head of fixed places, and named values in the order that they are
//! put in.

use serde_json::Value;

/// Named values on their way into a line; what is not there is left out.
#[derive(Debug, Default)]
pub(crate) struct Extension(Vec<(&'static str, String)>);

impl Extension {
    pub(crate) fn put(&mut self, name: &'static str, value: impl Into<Option<Value>>) {
        if let Some(text) = value.into().as_ref().and_then(text) {
            self.0.push((name, text));
        }
    }

    /// A value in one of the places that the format keeps for others' fields, with the name that it has here.
    pub(crate) fn put_labelled(
        &mut self,
        (name, label): (&'static str, &'static str),
        what: &str,
        value: impl Into<Option<Value>>,
    ) {
        if let Some(text) = value.into().as_ref().and_then(text) {
            self.0.push((name, text));
            self.0.push((label, what.to_owned()));
        }
    }

    pub(crate) fn written(&self, delimiter: &str, write: impl Fn(&str) -> String) -> String {
        let pairs = self.0.iter().map(|(name, value)| format!("{name}={}", write(value)));
        pairs.collect::<Vec<_>>().join(delimiter)
    }
}

/// Text as it stands, lists with commas, anything else as JSON writes it; what is empty is not there.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        Value::Array(list) if list.iter().all(Value::is_string) => {
            list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
        }
        other => other.to_string(),
    };
    (!text.is_empty()).then_some(text)
}

/// Of ten, as both formats count.
pub(crate) fn severity(severity: credwatch_schemas::finding::Severity) -> u8 {
    use credwatch_schemas::finding::Severity;
    match severity {
        Severity::Info => 2,
        Severity::Low => 4,
        Severity::Medium => 6,
        Severity::High => 8,
        Severity::Critical => 10,
    }
}

/// Of a single event: what did not succeed stands out a little.
pub(crate) fn severity_of_event(outcome: Option<&str>) -> u8 {
    match outcome {
        Some("failure" | "denied") => 4,
        _ => 2,
    }
}
