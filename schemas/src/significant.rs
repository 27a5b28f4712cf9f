//! Numbers of six significant digits: what two machines may disagree about lies behind them.
//!
//! A reader of JSON may miss the last bit of a number as small as a probability of a test. Rounded again when it is read, it is
//! the number that was written, and written once more it is the same bytes.

use serde::{Deserialize, Deserializer, Serializer};

pub fn rounded(number: f64) -> f64 {
    format!("{number:.5e}").parse().unwrap_or(number)
}

pub(crate) fn read<'de, D: Deserializer<'de>>(input: D) -> Result<f64, D::Error> {
    f64::deserialize(input).map(again)
}

/// A count as one.
pub(crate) fn write<S: Serializer>(number: &f64, output: S) -> Result<S::Ok, S::Error> {
    match is_whole(*number) {
        true => output.serialize_i64(*number as i64),
        false => output.serialize_f64(*number),
    }
}

pub(crate) fn read_some<'de, D: Deserializer<'de>>(input: D) -> Result<Option<f64>, D::Error> {
    Ok(Option::<f64>::deserialize(input)?.map(again))
}

/// What is whole is exact, however many digits it has.
fn again(number: f64) -> f64 {
    if is_whole(number) { number } else { rounded(number) }
}

fn is_whole(number: f64) -> bool {
    number.fract() == 0.0 && number.abs() < 9e15
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Deserialize, Serialize)]
    struct Read(#[serde(deserialize_with = "read", serialize_with = "write")] f64);

    #[test]
    fn six_digits_are_kept_and_nothing_is_moved() {
        assert_eq!((rounded(0.123_456_789), rounded(0.0), rounded(4.5)), (0.123_457, 0.0, 4.5));
    }

    #[test]
    fn a_count_is_written_as_one_and_keeps_all_its_digits() {
        let again = |text: &str| serde_json::to_string(&serde_json::from_str::<Read>(text).unwrap()).unwrap();
        for text in ["12", "12345678", "-3", "0.25", "1e-9", "0"] {
            assert_eq!(again(text), text);
        }
    }

    /// Among these are some that the reader of JSON misses by a bit.
    #[test]
    fn a_number_as_small_as_it_may_be_is_the_same_after_it_was_written_and_read() {
        for exponent in 0..300 {
            for digits in [1.0, 3.660_95, 9.999_99, 1.234_57] {
                let number = rounded(digits * 10_f64.powi(-exponent));
                let text = serde_json::to_string(&number).unwrap();
                let Read(again) = serde_json::from_str(&text).unwrap();
                assert_eq!(again.to_bits(), number.to_bits(), "{text}");
            }
        }
    }
}
