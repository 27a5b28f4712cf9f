//! Time as the lake stores it: microseconds since 1970 in UTC.
//!
//! Event time decides what is found, so it is a type of its own and never mixes with the wall clock by accident.
//! Nothing here reads a clock: the present is always an argument.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An instant, in microseconds since 1970-01-01T00:00:00Z. On the wire it is RFC 3339 with six digits and `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, utoipa::ToSchema)]
#[schema(as = Time, value_type = String, format = DateTime)]
pub struct Micros(pub i64);

pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

impl Micros {
    /// Reads RFC 3339, with `T` or a space, with or without a zone (without one, UTC), with any number of digits of
    /// a second; digits beyond the sixth are cut. `None` when the text is not a time.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(zoned) = DateTime::parse_from_rfc3339(text) {
            return Some(Self(zoned.timestamp_micros()));
        }
        for shape in ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z"] {
            if let Ok(zoned) = DateTime::parse_from_str(text, shape) {
                return Some(Self(zoned.timestamp_micros()));
            }
        }
        for shape in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"] {
            if let Ok(naive) = chrono::NaiveDateTime::parse_from_str(text.trim_end_matches(" UTC"), shape) {
                return Some(Self(naive.and_utc().timestamp_micros()));
            }
        }
        None
    }

    /// An epoch number in s, ms, us or ns, told apart by magnitude (each range holds the years 1973 to 5138).
    pub fn from_epoch(number: i64) -> Option<Self> {
        match number.checked_abs()? {
            0..100_000_000_000 => number.checked_mul(SECOND).map(Self),
            100_000_000_000..100_000_000_000_000 => number.checked_mul(1_000).map(Self),
            100_000_000_000_000..100_000_000_000_000_000 => Some(Self(number)),
            _ => Some(Self(number.div_euclid(1_000))),
        }
    }

    pub fn plus(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// Days since 1970, in UTC: the value of the partition column `date`.
    pub fn utc_day(self) -> i32 {
        i32::try_from(self.0.div_euclid(DAY)).unwrap_or(if self.0 < 0 { i32::MIN } else { i32::MAX })
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_micros(self.0) {
            Some(time) => out.write_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true)),
            None => write!(out, "{} us", self.0),
        }
    }
}

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format!("{text:?} is not an RFC 3339 time")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_one_instant_reads_the_same() {
        let expected = Some(Micros(1_780_305_243_221_000));
        for text in [
            "2026-06-01T09:14:03.221Z",
            "2026-06-01T11:14:03.221+02:00",
            "2026-06-01T09:14:03.221000000Z",
            "2026-06-01 09:14:03.221",
            "2026-06-01 09:14:03.221 UTC",
            "2026-06-01T09:14:03.2210000+0000",
        ] {
            assert_eq!(Micros::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn epoch_numbers_are_told_apart_by_magnitude() {
        for number in [1_780_305_243, 1_780_305_243_000, 1_780_305_243_000_000, 1_780_305_243_000_000_000] {
            assert_eq!(Micros::from_epoch(number), Some(Micros(1_780_305_243_000_000)), "{number}");
        }
    }

    #[test]
    fn a_day_before_1970_is_negative() {
        assert_eq!(Micros(-1).utc_day(), -1);
        assert_eq!(Micros(DAY).utc_day(), 1);
    }

    #[test]
    fn nonsense_is_not_a_time() {
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "12:00"] {
            assert_eq!(Micros::parse(text), None, "{text}");
        }
    }
}
