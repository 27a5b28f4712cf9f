//! From a JSON value to the type of its column.
//!
//! Nothing is guessed: a number in a text field, a text in a number field or a number that does not fit is a wrong
//! type. A number is an integer when its value is one, however it is spelt (`5.0` is 5), as in the content hash.

use std::borrow::Cow;

use credwatch_schemas::event::Shape;
use credwatch_schemas::time::Micros;

use crate::json::{Json, Member};

/// What goes into one cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    Int64(i64),
    Int32(i32),
    Float64(f64),
    Bool(bool),
    Time(Micros),
    Texts(Vec<Option<Cow<'a, str>>>),
    Steps(Vec<StepValue<'a>>),
}

/// One step of the pipeline; `None` is absent.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct StepValue<'a> {
    pub(crate) name: Option<Cow<'a, str>>,
    pub(crate) time: Option<Micros>,
    pub(crate) outcome: Option<Cow<'a, str>>,
    pub(crate) connection_id: Option<Cow<'a, str>>,
    pub(crate) org_id: Option<Cow<'a, str>>,
}

/// A value of another type than its field's, as a fragment: what was expected and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrongType(pub(crate) String);

/// Members of steps that have no place in a step: (number of the step, key, value).
pub(crate) type Leftover<'a> = (usize, Cow<'a, str>, Json<'a>);

/// `json` is not null, and `shape` is not a map: attributes are collected one by one.
pub(crate) fn typed<'a>(
    shape: Shape,
    json: Json<'a>,
    leftovers: &mut Vec<Leftover<'a>>,
) -> Result<Value<'a>, WrongType> {
    match (shape, json) {
        (Shape::Text, Json::Text(text)) => Ok(Value::Text(text)),
        (Shape::Bool, Json::Bool(value)) => Ok(Value::Bool(value)),
        (Shape::Int64, Json::Number(digits)) => integer(digits).map(Value::Int64).ok_or_else(|| out_of("an int64")),
        (Shape::Int32, Json::Number(digits)) => {
            let narrow = integer(digits).and_then(|value| i32::try_from(value).ok());
            narrow.map(Value::Int32).ok_or_else(|| out_of("an int32"))
        }
        (Shape::Float64, Json::Number(digits)) => {
            let finite = digits.parse::<f64>().ok().filter(|value| value.is_finite());
            finite.map(Value::Float64).ok_or_else(|| out_of("a float64"))
        }
        (Shape::Time, json) => time(&json).map(Value::Time).ok_or_else(|| wrong("a time", &json)),
        (Shape::TextList, Json::List(values)) => {
            values.into_iter().map(list_text).collect::<Result<_, _>>().map(Value::Texts)
        }
        (Shape::Steps, Json::List(values)) => {
            let steps = values.into_iter().enumerate();
            steps.map(|(number, json)| step(number, json, leftovers)).collect::<Result<_, _>>().map(Value::Steps)
        }
        (shape, json) => Err(wrong(expected(shape), &json)),
    }
}

/// RFC 3339, or an epoch number in s, ms, us or ns by its magnitude.
pub(crate) fn time(json: &Json<'_>) -> Option<Micros> {
    match json {
        Json::Text(text) => Micros::parse(text),
        Json::Number(digits) => match integer(digits) {
            Some(number) => Micros::from_epoch(number),
            None => fractional_epoch(digits.parse().ok()?),
        },
        _ => None,
    }
}

/// Seconds and milliseconds may have a fraction; the unit is told by the magnitude as in [`Micros::from_epoch`].
fn fractional_epoch(number: f64) -> Option<Micros> {
    let scale = match number.abs() {
        size if size < 1e11 => 1e6,
        size if size < 1e14 => 1e3,
        size if size < 1e17 => 1.0,
        size if size < 9.2e18 => 1e-3,
        _ => return None,
    };
    // Below 9.2e18 / 1000 the cast is exact to the microsecond; not-a-number fell through above.
    Some(Micros((number * scale).round() as i64))
}

/// An integer however it is spelt, if it fits.
fn integer(digits: &str) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    digits.parse().ok().or_else(|| {
        let is_spelt_as_float = digits.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
        let value = digits.parse::<f64>().ok().filter(|_| is_spelt_as_float)?;
        (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i64)
    })
}

fn list_text(json: Json<'_>) -> Result<Option<Cow<'_, str>>, WrongType> {
    match json {
        Json::Text(text) => Ok(Some(text)),
        Json::Null => Ok(None),
        other => Err(WrongType(format!("a list with {} where a list of strings is expected", other.what()))),
    }
}

fn step<'a>(number: usize, json: Json<'a>, leftovers: &mut Vec<Leftover<'a>>) -> Result<StepValue<'a>, WrongType> {
    let Json::Object(members) = json else { return Err(wrong("a list of objects", &json)) };
    let mut step = StepValue::default();
    for (key, value) in members {
        step.take(number, (key, value), leftovers)?;
    }
    Ok(step)
}

impl<'a> StepValue<'a> {
    fn take(&mut self, number: usize, member: Member<'a>, leftovers: &mut Vec<Leftover<'a>>) -> Result<(), WrongType> {
        let (key, value) = member;
        if value == Json::Null {
            return Ok(());
        }
        let cell = match key.as_ref() {
            "name" => &mut self.name,
            "outcome" => &mut self.outcome,
            "connection_id" => &mut self.connection_id,
            "org_id" => &mut self.org_id,
            "time" => {
                self.time = Some(time(&value).ok_or_else(|| wrong("a step whose time is a time", &value))?);
                return Ok(());
            }
            _ => {
                leftovers.push((number, key, value));
                return Ok(());
            }
        };
        match value {
            Json::Text(text) => *cell = Some(text),
            other => return Err(wrong("a step of strings", &other)),
        }
        Ok(())
    }
}

fn expected(shape: Shape) -> &'static str {
    match shape {
        Shape::Text => "a string",
        Shape::Int64 | Shape::Int32 => "an integer",
        Shape::Float64 => "a number",
        Shape::Bool => "a boolean",
        Shape::Time => "a time",
        Shape::TextList => "a list of strings",
        Shape::Steps => "a list of steps",
        Shape::TextMap => "an object",
    }
}

pub(crate) fn wrong(expected: &str, found: &Json<'_>) -> WrongType {
    WrongType(format!("{} where {expected} is expected", found.what()))
}

fn out_of(range: &str) -> WrongType {
    WrongType(format!("a number that is not {range}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(shape: Shape, json: Json<'_>) -> Result<Value<'_>, WrongType> {
        typed(shape, json, &mut Vec::new())
    }

    #[test]
    fn an_integer_is_a_value_and_not_a_spelling() {
        for digits in ["5", "5.0", "5e0", "0.5E1"] {
            assert_eq!(read(Shape::Int32, Json::Number(digits)), Ok(Value::Int32(5)), "{digits}");
        }
        assert_eq!(read(Shape::Int64, Json::Number("-9223372036854775808")), Ok(Value::Int64(i64::MIN)));
        for (shape, digits) in [
            (Shape::Int32, "2147483648"),
            (Shape::Int64, "9223372036854775808"),
            (Shape::Int64, "1.5"),
            (Shape::Int64, "1e300"),
            (Shape::Float64, "1e999"),
        ] {
            assert!(read(shape, Json::Number(digits)).is_err(), "{digits}");
        }
    }

    #[test]
    fn nothing_is_guessed() {
        assert!(read(Shape::Text, Json::Number("5")).is_err());
        assert!(read(Shape::Int32, Json::Text("5".into())).is_err());
        assert!(read(Shape::Bool, Json::Text("true".into())).is_err());
        assert!(read(Shape::TextList, Json::Text("a".into())).is_err());
        assert!(read(Shape::TextList, Json::List(vec![Json::Number("1")])).is_err());
        assert!(read(Shape::Steps, Json::List(vec![Json::Null])).is_err());
    }

    #[test]
    fn a_time_may_have_a_fraction_in_every_unit() {
        let expected = Some(Micros(1_780_305_243_221_500));
        for digits in
            ["1780305243.2215", "1780305243221.5", "1780305243221500", "1780305243221500000", "1.7803052432215e9"]
        {
            assert_eq!(time(&Json::Number(digits)), expected, "{digits}");
        }
        assert_eq!(time(&Json::Text("2026-06-01T09:14:03.2215Z".into())), expected);
        for digits in ["1e300", "-1e300"] {
            assert_eq!(time(&Json::Number(digits)), None, "{digits}");
        }
    }

    #[test]
    fn a_step_keeps_what_it_has_no_place_for() {
        let mut leftovers = Vec::new();
        let members = vec![
            ("name".into(), Json::Text("auth".into())),
            ("took".into(), Json::Number("3")),
            ("time".into(), Json::Null),
        ];
        let value = typed(Shape::Steps, Json::List(vec![Json::Object(members)]), &mut leftovers);
        assert_eq!(value, Ok(Value::Steps(vec![StepValue { name: Some("auth".into()), ..StepValue::default() }])));
        assert_eq!(leftovers, [(0, "took".into(), Json::Number("3"))]);
    }
}
