//! Answers as text, batch by batch: CSV, JSON and NDJSON. The pieces, one after the other, are what
//! [`credwatch_query::format::write`] would have written at once.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use credwatch_query::format::{OutputFormat, write};

/// The shapes of text that need not be whole before they are begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    Csv,
    Json,
    Ndjson,
}

impl Text {
    pub(super) fn format(self) -> OutputFormat {
        match self {
            Self::Csv => OutputFormat::Csv,
            Self::Json => OutputFormat::Json,
            Self::Ndjson => OutputFormat::Ndjson,
        }
    }
}

/// The text of one answer; ask for [`Self::batch`] as often as there are batches, then once for [`Self::end`].
#[derive(Debug)]
pub(super) struct AnswerText {
    shape: Text,
    schema: SchemaRef,
    header: Vec<u8>,
    is_begun: bool,
}

impl AnswerText {
    pub(super) fn new(shape: Text, schema: SchemaRef) -> Result<Self, ArrowError> {
        let header = match shape {
            Text::Csv => write(OutputFormat::Csv, &schema, &[])?,
            Text::Json => b"[".to_vec(),
            Text::Ndjson => Vec::new(),
        };
        Ok(Self { shape, schema, header, is_begun: false })
    }

    pub(super) fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
        if batch.num_rows() == 0 {
            return Ok(Vec::new());
        }
        let whole = write(self.shape.format(), &self.schema, std::slice::from_ref(batch))?;
        let (before, rows) = match self.shape {
            Text::Csv => (&b""[..], whole.strip_prefix(&self.header[..]).unwrap_or(&whole)),
            Text::Json => (if self.is_begun { &b","[..] } else { &b""[..] }, inside(&whole)),
            Text::Ndjson => (&b""[..], &whole[..]),
        };
        let mut text = self.begin();
        text.extend_from_slice(before);
        text.extend_from_slice(rows);
        Ok(text)
    }

    pub(super) fn end(&mut self) -> Vec<u8> {
        let mut text = self.begin();
        if self.shape == Text::Json {
            text.extend_from_slice(b"]\n");
        }
        text
    }

    fn begin(&mut self) -> Vec<u8> {
        if std::mem::replace(&mut self.is_begun, true) { Vec::new() } else { self.header.clone() }
    }
}

/// What stands between the brackets of a JSON array.
fn inside(array: &[u8]) -> &[u8] {
    let array = array.trim_ascii();
    array.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(array)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn batch(numbers: &[i64]) -> RecordBatch {
        let words: StringArray = numbers.iter().map(|number| Some(format!("w, {number}"))).collect();
        let columns: [(&str, ArrayRef); 2] =
            [("n", Arc::new(Int64Array::from(numbers.to_vec()))), ("a, b", Arc::new(words))];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn streamed(shape: Text, batches: &[RecordBatch]) -> String {
        let mut text = AnswerText::new(shape, batch(&[]).schema()).unwrap();
        let mut bytes: Vec<u8> = batches.iter().flat_map(|batch| text.batch(batch).unwrap()).collect();
        bytes.extend(text.end());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_pieces_are_what_would_have_been_written_at_once() {
        for shape in [Text::Csv, Text::Json, Text::Ndjson] {
            for batches in [vec![], vec![batch(&[])], vec![batch(&[1, 2]), batch(&[]), batch(&[3])]] {
                let whole = write(shape.format(), &batch(&[]).schema(), &batches).unwrap();
                assert_eq!(streamed(shape, &batches), String::from_utf8(whole).unwrap(), "{shape:?}");
            }
        }
    }

    #[test]
    fn an_answer_without_rows_still_has_its_header_or_brackets() {
        assert_eq!(streamed(Text::Csv, &[]), "n,\"a, b\"\n");
        assert_eq!(streamed(Text::Json, &[]), "[]\n");
        assert_eq!(streamed(Text::Ndjson, &[]), "");
    }
}
