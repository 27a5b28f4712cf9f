//! What a client comes back with: a statement's text and the values that were bound to it, and nothing of who may run it.

use credwatch_query::Params;
use serde::{Deserialize, Serialize};

use super::bound::Bound;
use crate::problem::Problem;

/// A statement and its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Handle {
    pub(super) sql: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    values: Vec<Bound>,
}

impl Handle {
    pub(super) fn of(sql: String) -> Self {
        Self { sql, values: Vec::new() }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, Problem> {
        let foreign = |_| Problem::bad_request("bad_handle", "the handle is none of this server's");
        serde_json::from_slice(bytes).map_err(foreign)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        serde_json::json!(self).to_string().into_bytes()
    }

    /// With these values instead of any others.
    pub(super) fn binding(self, values: Params) -> Result<Self, Problem> {
        let values = match values {
            Params::Positional(values) => values.into_iter().map(Bound::try_from).collect::<Result<_, _>>()?,
            Params::None | Params::Named(_) => Vec::new(),
        };
        Ok(Self { values, ..self })
    }

    pub(super) fn params(&self) -> Params {
        match self.values.is_empty() {
            true => Params::None,
            false => Params::Positional(self.values.iter().cloned().map(Into::into).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::scalar::ScalarValue;

    use super::*;

    #[test]
    fn a_statement_and_its_values_come_back_as_they_went() {
        let handle = Handle::of("SELECT $1, $2 -- \"quoted\" ä".into());
        assert_eq!(handle.params(), Params::None);
        let values = vec![
            ScalarValue::Int64(Some(i64::MIN)),
            ScalarValue::UInt64(Some(u64::MAX)),
            ScalarValue::Float64(Some(f64::NEG_INFINITY)),
            ScalarValue::Utf8(Some("it's \u{0} ä".into())),
            ScalarValue::Boolean(Some(true)),
            ScalarValue::Date32(Some(-1)),
            ScalarValue::TimestampNanosecond(Some(1), Some("Europe/Berlin".into())),
            ScalarValue::Null,
        ];
        let bound = handle.binding(Params::Positional(values.clone())).unwrap();
        let back = Handle::read(&bound.bytes()).unwrap();
        assert_eq!((back.sql.as_str(), back.params()), ("SELECT $1, $2 -- \"quoted\" ä", Params::Positional(values)));
    }

    #[test]
    fn what_is_no_plain_value_is_refused_by_its_type() {
        let span = ScalarValue::DurationSecond(Some(1));
        let refused = Handle::of("SELECT $1".into()).binding(Params::Positional(vec![span])).unwrap_err();
        assert!(refused.code() == "sql.parameter" && refused.detail().contains("Duration"), "{refused:?}");
    }

    #[test]
    fn what_is_no_handle_is_refused_and_not_run() {
        for bytes in [
            &b""[..],
            b"SELECT 1",
            b"{}",
            br#"{"sql":"SELECT 1","more":1}"#,
            br#"{"sql":"SELECT $1","values":"AAAA"}"#,
            br#"{"sql":"SELECT $1","values":[{"list":[1]}]}"#,
        ] {
            assert_eq!(Handle::read(bytes).unwrap_err().code(), "bad_handle");
        }
    }
}
