//! The wire contract of the event as JSON Schema, derived from the one list of fields.

use serde_json::{Map, Value, json};

use crate::event::{FIELDS, Field, Shape};

/// `schemas/wire/event-v1.schema.json`.
pub fn event() -> Value {
    let properties: Map<String, Value> = FIELDS.iter().map(|field| (field.name.to_owned(), property(field))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "credwatch audit event, version 1",
        "description": "One thing that a credential broker did, refused or learned. Absent means unknown. Fields that are not listed are kept in attributes.",
        "type": "object",
        "required": ["time", "kind"],
        "properties": properties,
        "additionalProperties": true,
    })
}

fn property(field: &Field) -> Value {
    let mut value = match field.shape {
        Shape::Text => json!({"type": ["string", "null"]}),
        Shape::Int64 => json!({"type": ["integer", "null"], "minimum": i64::MIN, "maximum": i64::MAX}),
        Shape::Int32 => json!({"type": ["integer", "null"], "minimum": i32::MIN, "maximum": i32::MAX}),
        Shape::Float64 => json!({"type": ["number", "null"]}),
        Shape::Bool => json!({"type": ["boolean", "null"]}),
        Shape::Time => json!({"type": ["string", "number", "null"], "format": "date-time"}),
        Shape::TextList => json!({"type": ["array", "null"], "items": {"type": "string"}}),
        Shape::Steps => json!({"type": ["array", "null"], "items": step()}),
        Shape::TextMap => json!({"type": ["object", "null"]}),
    };
    value["description"] = Value::from(field.meaning);
    value
}

fn step() -> Value {
    let text = json!({"type": ["string", "null"]});
    json!({"type": "object", "properties": {
        "name": text, "time": {"type": ["string", "number", "null"], "format": "date-time"},
        "outcome": text, "connection_id": text, "org_id": text,
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After a change to the fields, `CREDWATCH_BLESS=1 cargo test -p credwatch-schemas` writes the file anew.
    #[test]
    fn the_committed_schema_is_the_derived_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/wire/event-v1.schema.json");
        let derived = format!("{:#}\n", event());
        if std::env::var_os("CREDWATCH_BLESS").is_some() {
            std::fs::write(path, &derived).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), derived);
    }
}
