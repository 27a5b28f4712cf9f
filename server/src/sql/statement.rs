//! A statement as it is asked for: its text, the values of its parameters, the shape of its answer, and limits of its own.
//! Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use credwatch_query::{Limits, Params};
use datafusion::scalar::ScalarValue;
use serde::Deserialize;
use serde_json::Value;

use crate::answer::Streamed;
use crate::problem::Problem;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Statement {
    pub(super) sql: String,
    #[serde(default)]
    pub(super) params: Given,
    #[serde(default)]
    pub(super) format: Format,
    /// A name to find it by while it runs, and to stop it; without one it is given one.
    pub(super) query_id: Option<String>,
    /// Limits of the statement's own, below the server's.
    timeout_ms: Option<u64>,
    max_rows: Option<usize>,
}

/// Values for `$1`, `$2`, ... or for `$name`.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub(super) enum Given {
    #[default]
    None,
    Positional(Vec<Value>),
    Named(BTreeMap<String, Value>),
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    #[default]
    Json,
    Ndjson,
    Csv,
    Arrow,
    Parquet,
}

/// As the audit tells them.
impl std::fmt::Display for Given {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => out.write_str("none"),
            Self::Positional(values) => write!(out, "{}", Value::from(values.clone())),
            Self::Named(values) => write!(out, "{}", serde_json::json!(values)),
        }
    }
}

impl Format {
    pub(super) fn shape(self) -> Streamed {
        match self {
            Self::Json => Streamed::Json,
            Self::Ndjson => Streamed::Ndjson,
            Self::Csv => Streamed::Csv,
            Self::Arrow => Streamed::Arrow,
            Self::Parquet => Streamed::Parquet,
        }
    }
}

impl Statement {
    /// What was asked for where it is less than what may be had; more is refused, so that nobody takes a cut for a whole.
    pub(super) fn limits(&self, most: Limits) -> Result<Limits, Problem> {
        let most_ms = u64::try_from(most.time.as_millis()).unwrap_or(u64::MAX);
        let refused = |what: &str, most: u64| Err(Problem::bad_request("bad_limit", format!("{what} is 1 to {most}")));
        let mut limits = most;
        match self.timeout_ms {
            Some(0) => return refused("timeout_ms", most_ms),
            Some(ms) if ms > most_ms => return refused("timeout_ms", most_ms),
            Some(ms) => limits.time = Duration::from_millis(ms),
            None => {}
        }
        match self.max_rows {
            Some(0) => return refused("max_rows", most.rows as u64),
            Some(rows) if rows > most.rows => return refused("max_rows", most.rows as u64),
            Some(rows) => limits.rows = rows,
            None => {}
        }
        Ok(limits)
    }
}

/// A name that its giver can find it by: short and plain, because it stands in a path and in headers.
pub(super) fn query_id(given: Option<String>) -> Result<String, Problem> {
    let is_plain = |id: &String| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !id.is_empty() && id.len() <= 64 && id.bytes().all(plain)
    };
    match given {
        None => Ok(uuid::Uuid::new_v4().simple().to_string()),
        Some(id) if is_plain(&id) => Ok(id),
        Some(_) => Err(Problem::bad_request("bad_query_id", "query_id is at most 64 letters, digits, - and _")),
    }
}

pub(super) fn params(given: Given) -> Result<Params, Problem> {
    match given {
        Given::None => Ok(Params::None),
        Given::Positional(values) if values.is_empty() => Ok(Params::None),
        Given::Positional(values) => {
            let numbered = values.into_iter().enumerate();
            let scalars = numbered.map(|(place, value)| scalar(&(place + 1).to_string(), value));
            Ok(Params::Positional(scalars.collect::<Result<_, _>>()?))
        }
        Given::Named(values) => {
            let scalars = values.into_iter().map(|(name, value)| scalar(&name, value).map(|scalar| (name, scalar)));
            Ok(Params::Named(scalars.collect::<Result<_, _>>()?))
        }
    }
}

fn scalar(name: &str, value: Value) -> Result<ScalarValue, Problem> {
    let refused = |what: &str| Err(Problem::bad_request("sql.parameter", format!("parameter ${name} is {what}")));
    match value {
        Value::Null => Ok(ScalarValue::Null),
        Value::Bool(value) => Ok(ScalarValue::Boolean(Some(value))),
        Value::String(value) => Ok(ScalarValue::Utf8(Some(value))),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Ok(ScalarValue::Int64(Some(integer))),
            (None, Some(float)) if number.is_f64() => Ok(ScalarValue::Float64(Some(float))),
            _ => refused("a number beyond 64 bits"),
        },
        Value::Array(_) | Value::Object(_) => refused("neither text nor number, boolean or null"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(params: Value) -> Result<Params, Problem> {
        super::params(serde_json::from_value(params).unwrap())
    }

    #[test]
    fn values_keep_their_types() {
        let expected = vec![
            ScalarValue::Int64(Some(7)),
            ScalarValue::Float64(Some(0.5)),
            ScalarValue::Utf8(Some("x".into())),
            ScalarValue::Boolean(Some(true)),
            ScalarValue::Null,
        ];
        assert_eq!(read(json!([7, 0.5, "x", true, null])).unwrap(), Params::Positional(expected));
        let named = BTreeMap::from([("org".to_owned(), ScalarValue::Utf8(Some("a".into())))]);
        assert_eq!(read(json!({"org": "a"})).unwrap(), Params::Named(named));
    }

    #[test]
    fn what_is_no_single_value_is_refused() {
        for bad in [json!([[1]]), json!([{"a": 1}]), json!([u64::MAX])] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
