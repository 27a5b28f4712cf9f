//! Values of parameters as programs give them, in JSON: an array for `$1`, `$2`, ..., or an object for `$name`.

use std::collections::BTreeMap;

use datafusion::scalar::ScalarValue;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::QueryError;
use crate::params::Params;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Given {
    #[default]
    None,
    Positional(Vec<Value>),
    Named(BTreeMap<String, Value>),
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

impl TryFrom<Given> for Params {
    type Error = QueryError;

    fn try_from(given: Given) -> Result<Self, QueryError> {
        match given {
            Given::None => Ok(Self::None),
            Given::Positional(values) if values.is_empty() => Ok(Self::None),
            Given::Positional(values) => {
                let numbered = (1..).zip(values);
                let scalars = numbered.map(|(place, value): (usize, Value)| scalar(&place.to_string(), value));
                Ok(Self::Positional(scalars.collect::<Result<_, _>>()?))
            }
            Given::Named(values) => {
                let scalars = values.into_iter().map(|(name, value)| scalar(&name, value).map(|scalar| (name, scalar)));
                Ok(Self::Named(scalars.collect::<Result<_, _>>()?))
            }
        }
    }
}

fn scalar(name: &str, value: Value) -> Result<ScalarValue, QueryError> {
    let refused = |what: &str| Err(QueryError::Parameter(format!("${name} is {what}")));
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

    fn read(params: Value) -> Result<Params, QueryError> {
        serde_json::from_value::<Given>(params).unwrap().try_into()
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
