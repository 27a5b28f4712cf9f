//! Postgres' `format(text, ...)`, with `%s`, `%I` and `%L`: clients put names of types and tables together with it.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::expr_fn::SimpleScalarUDF;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Signature, Volatility};

pub(super) fn function() -> ScalarUDF {
    let format = |arguments: &[ColumnarValue]| -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let texts = arrays.iter().map(|array| Ok(cast(array, &DataType::Utf8)?)).collect::<Result<Vec<_>>>()?;
        let columns: Vec<&StringArray> = texts.iter().map(AsArray::as_string::<i32>).collect();
        let value = |column: &StringArray, row: usize| column.is_valid(row).then(|| column.value(row).to_owned());
        // The signature leaves no call without a pattern.
        let (pattern, columns) = (columns[0], &columns[1..]);
        let rows = (0..pattern.len()).map(|row| {
            let values: Vec<_> = columns.iter().map(|column| value(column, row)).collect();
            Some(filled(&value(pattern, row)?, &values))
        });
        Ok(ColumnarValue::Array(Arc::new(rows.collect::<StringArray>())))
    };
    let signature = Signature::variadic_any(Volatility::Immutable);
    SimpleScalarUDF::new_with_signature("format", signature, DataType::Utf8, Arc::new(format)).into()
}

/// Each place takes the next value; a place without one is empty.
fn filled(pattern: &str, values: &[Option<String>]) -> String {
    let (mut text, mut values, mut rest) = (String::new(), values.iter(), pattern);
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        let mut letters = after.chars();
        match letters.next() {
            Some('%') => text.push('%'),
            Some('s') => text.push_str(values.next().and_then(Option::as_deref).unwrap_or_default()),
            Some('I') => text.push_str(&quoted('"', values.next().and_then(Option::as_deref).unwrap_or_default())),
            Some('L') => {
                let literal = values.next().and_then(Option::as_deref);
                text.push_str(&literal.map_or_else(|| "NULL".to_owned(), |value| quoted('\'', value)));
            }
            other => text.extend(std::iter::once('%').chain(other)),
        }
        rest = letters.as_str();
    }
    text + rest
}

/// A plain name stays plain.
fn quoted(mark: char, value: &str) -> String {
    let is_plain = |text: &str| text.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
    if mark == '"' && !value.is_empty() && is_plain(value) {
        return value.to_owned();
    }
    let doubled = value.replace(mark, &String::from_iter([mark, mark]));
    format!("{mark}{doubled}{mark}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_the_pattern_says() {
        let values = [Some("public".to_owned()), Some("Odd \"name\"".to_owned()), Some("it's".to_owned()), None];
        assert_eq!(filled("%I.%I = %L, %L, 100 %%", &values), "public.\"Odd \"\"name\"\"\" = 'it''s', NULL, 100 %");
        assert_eq!(filled("%s and %s", &values[..1]), "public and ");
        assert_eq!(filled("5 %", &[]), "5 %");
    }
}
