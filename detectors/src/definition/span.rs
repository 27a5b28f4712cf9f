//! A length of event time as people write it: `0s`, `90m`, `7d`.

use std::fmt;

use credwatch_schemas::time::{DAY, HOUR, MINUTE, SECOND};
use serde::{Deserialize, Deserializer, de};

/// Microseconds, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(i64);

const UNITS: [(&str, i64); 5] = [("ms", 1_000), ("s", SECOND), ("m", MINUTE), ("h", HOUR), ("d", DAY)];

impl Span {
    pub const DAY: Self = Self(DAY);

    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
        Some(Self(number.parse::<i64>().ok()?.checked_mul(*size)?))
    }

    pub fn micros(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |size: &i64| self.0 % size == 0;
        let (name, size) = UNITS.iter().rev().find(|(_, size)| fits(size)).unwrap_or(&("ms", 1_000));
        if self.0 == 0 { out.write_str("0s") } else { write!(out, "{}{name}", self.0 / size) }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format!("{text:?} is not a duration such as 30s, 5m or 7d")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        assert_eq!(Span::parse("7d").unwrap().micros(), 7 * DAY);
        assert_eq!(Span::parse("250ms").unwrap().micros(), 250_000);
        assert_eq!(Span::parse("90m").unwrap().to_string(), "90m");
        assert_eq!(Span::parse("0s").unwrap().to_string(), "0s");
    }

    #[test]
    fn a_number_without_unit_is_not_a_duration() {
        for text in ["", "7", "d", "-1d", "1w", "1.5h", "99999999999999999d"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }
}
