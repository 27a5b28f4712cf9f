//! Values of a statement on their way through a client: of a few plain kinds, in JSON. What comes back is read as that and
//! never as anything that states its own length.

use credwatch_query::QueryError;
use datafusion::scalar::ScalarValue;
use serde::{Deserialize, Serialize};

/// A value for one of `$1`, `$2`, ...
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Bound {
    Null,
    Bool(bool),
    Int64(i64),
    Uint64(u64),
    /// By its bits: JSON has no infinity.
    Float64(u64),
    Text(String),
    Date32(i32),
    Time(Unit, i64, Option<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unit {
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
}

impl TryFrom<ScalarValue> for Bound {
    type Error = QueryError;

    fn try_from(value: ScalarValue) -> Result<Self, QueryError> {
        use ScalarValue as V;
        if value.is_null() {
            return Ok(Self::Null);
        }
        let zone = |zone: Option<std::sync::Arc<str>>| zone.map(|zone| zone.to_string());
        match value {
            V::Boolean(Some(value)) => Ok(Self::Bool(value)),
            V::Int8(Some(value)) => Ok(Self::Int64(value.into())),
            V::Int16(Some(value)) => Ok(Self::Int64(value.into())),
            V::Int32(Some(value)) => Ok(Self::Int64(value.into())),
            V::Int64(Some(value)) => Ok(Self::Int64(value)),
            V::UInt8(Some(value)) => Ok(Self::Int64(value.into())),
            V::UInt16(Some(value)) => Ok(Self::Int64(value.into())),
            V::UInt32(Some(value)) => Ok(Self::Int64(value.into())),
            V::UInt64(Some(value)) => Ok(Self::Uint64(value)),
            V::Float32(Some(value)) => Ok(Self::Float64(f64::from(value).to_bits())),
            V::Float64(Some(value)) => Ok(Self::Float64(value.to_bits())),
            V::Utf8(Some(value)) | V::LargeUtf8(Some(value)) | V::Utf8View(Some(value)) => Ok(Self::Text(value)),
            V::Date32(Some(value)) => Ok(Self::Date32(value)),
            V::TimestampSecond(Some(value), of) => Ok(Self::Time(Unit::Second, value, zone(of))),
            V::TimestampMillisecond(Some(value), of) => Ok(Self::Time(Unit::Millisecond, value, zone(of))),
            V::TimestampMicrosecond(Some(value), of) => Ok(Self::Time(Unit::Microsecond, value, zone(of))),
            V::TimestampNanosecond(Some(value), of) => Ok(Self::Time(Unit::Nanosecond, value, zone(of))),
            other => Err(QueryError::Parameter(format!("a value of the type {} cannot be bound", other.data_type()))),
        }
    }
}

impl From<Bound> for ScalarValue {
    fn from(bound: Bound) -> Self {
        match bound {
            Bound::Null => Self::Null,
            Bound::Bool(value) => Self::Boolean(Some(value)),
            Bound::Int64(value) => Self::Int64(Some(value)),
            Bound::Uint64(value) => Self::UInt64(Some(value)),
            Bound::Float64(bits) => Self::Float64(Some(f64::from_bits(bits))),
            Bound::Text(value) => Self::Utf8(Some(value)),
            Bound::Date32(days) => Self::Date32(Some(days)),
            Bound::Time(unit, value, zone) => {
                let (value, zone) = (Some(value), zone.map(Into::into));
                match unit {
                    Unit::Second => Self::TimestampSecond(value, zone),
                    Unit::Millisecond => Self::TimestampMillisecond(value, zone),
                    Unit::Microsecond => Self::TimestampMicrosecond(value, zone),
                    Unit::Nanosecond => Self::TimestampNanosecond(value, zone),
                }
            }
        }
    }
}
