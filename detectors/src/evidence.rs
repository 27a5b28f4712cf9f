//! The statement that a finding carries, so that a stranger can look at its evidence. The only place in this room where
//! a value becomes SQL text: values come from events, and events from anybody, so each is a quoted literal.

use credwatch_schemas::ids::OrgId;
use credwatch_schemas::time::Micros;
use serde_json::Value;

/// Returns the evidence rows, ordered, bounded by what the judgement saw.
pub(crate) fn statement(org: Option<&OrgId>, between: (Micros, Micros), predicate: &str, data_seq: i64) -> String {
    let org = match org {
        Some(org) => format!("org_id = {}", quoted(org.as_str())),
        None => "org_id IS NULL".to_owned(),
    };
    let (first, last) = (quoted(&between.0.to_string()), quoted(&between.1.to_string()));
    format!(
        "SELECT * FROM events WHERE {org} AND time BETWEEN {first} AND {last} AND ({}) AND seq <= {data_seq} \
         ORDER BY time, event_id, content_hash",
        predicate.trim()
    )
}

/// A JSON value as an SQL literal; an absent one is NULL, and a list is what stands after IN.
pub(crate) fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) if items.is_empty() => "(NULL)".to_owned(),
        Value::Array(items) => format!("({})", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(_) => quoted(&value.to_string()),
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_cannot_leave_its_quotes() {
        assert_eq!(literal(&json!("x' OR '1'='1")), "'x'' OR ''1''=''1'");
        assert_eq!(literal(&json!(null)), "NULL");
        assert_eq!(literal(&json!(7)), "7");
        assert_eq!(literal(&json!(["a", "b'); DROP"])), "('a', 'b''); DROP')");
        assert_eq!(literal(&json!([])), "(NULL)");
    }

    #[test]
    fn the_statement_is_bounded_by_org_time_and_seq() {
        let sql = statement(Some(&OrgId::new("o'a")), (Micros(0), Micros(1)), "kind = 'auth'\n", 5);
        assert_eq!(
            sql,
            "SELECT * FROM events WHERE org_id = 'o''a' AND time BETWEEN '1970-01-01T00:00:00.000000Z' AND \
             '1970-01-01T00:00:00.000001Z' AND (kind = 'auth') AND seq <= 5 ORDER BY time, event_id, content_hash"
        );
    }
}
