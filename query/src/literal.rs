//! The one place that turns values into SQL text, for statements that people copy: the `sql` of a finding.
//!
//! Everything else binds parameters. A literal reads back as exactly the value that went in, whatever stands in it.

use std::fmt::Write;

use credwatch_schemas::time::Micros;

/// A text. Control characters, which other tools cut or mangle, are written as bytes in hexadecimal.
pub fn text(value: &str) -> String {
    if value.chars().any(char::is_control) {
        return hexadecimal(value);
    }
    format!("'{}'", value.replace('\'', "''"))
}

fn hexadecimal(value: &str) -> String {
    let mut literal = String::from("CAST(X'");
    for byte in value.bytes() {
        // Writing to a String cannot fail.
        write!(literal, "{byte:02x}").unwrap_or_default();
    }
    literal.push_str("' AS VARCHAR)");
    literal
}

/// A text, or NULL.
pub fn optional_text(value: Option<&str>) -> String {
    value.map_or_else(|| "NULL".to_owned(), text)
}

pub fn integer(value: i64) -> String {
    match value {
        // Its digits alone are one too many for a number that a minus sign is put before.
        i64::MIN => format!("({} - 1)", i64::MIN + 1),
        _ => value.to_string(),
    }
}

/// A finite number with all its digits; what is not finite by its name.
pub fn float(value: f64) -> String {
    if value.is_finite() { format!("CAST({value:e} AS DOUBLE)") } else { format!("CAST('{value}' AS DOUBLE)") }
}

pub fn boolean(value: bool) -> String {
    if value { "TRUE" } else { "FALSE" }.to_owned()
}

/// An instant in UTC.
pub fn time(value: Micros) -> String {
    format!("TIMESTAMP '{value}'")
}

/// A name of a table or column.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::Array;
    use datafusion::common::DFSchema;
    use datafusion::prelude::SessionContext;
    use datafusion::scalar::ScalarValue;
    use proptest::prelude::*;

    fn evaluate(literal: &str) -> ScalarValue {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let context = SessionContext::new();
            let parsed = context.parse_sql_expr(literal, &DFSchema::empty()).unwrap();
            let rows = context.read_empty().unwrap().select([parsed]).unwrap();
            let batches = rows.collect().await.unwrap();
            assert_eq!((batches[0].num_rows(), batches[0].num_columns()), (1, 1));
            let column = batches[0].column(0);
            assert!(column.is_valid(0));
            ScalarValue::try_from_array(column, 0).unwrap()
        })
    }

    fn text_of(value: &ScalarValue) -> String {
        value.try_as_str().unwrap().unwrap().to_owned()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_text_reads_back_as_itself(value in "(?s).{0,40}") {
            prop_assert_eq!(text_of(&evaluate(&text(&value))), value);
        }

        #[test]
        fn hostile_text_reads_back_as_itself(value in r#"['"\\;\-\x00\n$%{}/* ]{0,20}"#) {
            prop_assert_eq!(text_of(&evaluate(&text(&value))), value);
        }

        #[test]
        fn any_integer_reads_back_as_itself(value: i64) {
            prop_assert_eq!(evaluate(&integer(value)), ScalarValue::Int64(Some(value)));
        }

        #[test]
        fn any_float_reads_back_as_itself(value in prop::num::f64::NORMAL | prop::num::f64::ZERO) {
            prop_assert_eq!(evaluate(&float(value)), ScalarValue::Float64(Some(value)));
        }

        #[test]
        fn any_time_reads_back_as_itself(value in 1_262_304_000_000_000_i64..4_000_000_000_000_000) {
            let literal = format!("CAST(CAST({} AS TIMESTAMP) AS BIGINT) / 1000", time(Micros(value)));
            prop_assert_eq!(evaluate(&literal), ScalarValue::Int64(Some(value)));
        }
    }

    #[test]
    fn the_edges_of_integers_and_texts_read_back() {
        for value in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX] {
            assert_eq!(evaluate(&integer(value)), ScalarValue::Int64(Some(value)));
        }
        for value in ["", "'", "\\'", "\0", "x' OR '1'='1", "a\u{2028}b", "\u{202e}'", "$1", "\u{0130}\u{1F600}"] {
            assert_eq!(text_of(&evaluate(&text(value))), value);
        }
    }

    #[test]
    fn a_name_cannot_end_its_quotes() {
        assert_eq!(identifier("a\"; --"), "\"a\"\"; --\"");
    }
}
