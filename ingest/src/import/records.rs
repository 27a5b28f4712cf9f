//! Cuts the bytes of a file into records, one at a time, and holds no more of one than its limit.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use crate::import::layout::{BYTE_ORDER_MARK, Layout, is_blank, layout};

/// Bytes by which the layout of a file is told.
const HEAD: u64 = 1 << 16;

type Source = Box<dyn BufRead + Send>;

/// One record of a file.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    /// Of the line or value, from 0.
    pub(crate) number: i64,
    /// At most one byte more than the limit: then it is too large, and the rest was passed over.
    pub(crate) bytes: &'a [u8],
}

impl Found<'_> {
    pub(crate) fn is_blank(&self) -> bool {
        self.bytes.iter().all(|byte| is_blank(*byte))
    }
}

pub(crate) struct Records {
    source: Source,
    cutter: Cutter,
    next_number: i64,
    record: Kept,
}

enum Cutter {
    Lines,
    Values(Values),
}

/// The bytes of a record, up to the limit and one more.
struct Kept {
    bytes: Vec<u8>,
    most: usize,
}

impl Records {
    /// `limit` is the size of the largest record.
    pub(crate) fn new(bytes: impl Read + Send + 'static, limit: usize) -> Self {
        let mut source = BufReader::with_capacity(1 << 17, bytes);
        let mut head = Vec::new();
        // An error is met again where it happened, after the bytes that could be read before it.
        let failure = source.by_ref().take(HEAD).read_to_end(&mut head).err();
        let is_whole_file = failure.is_none() && (head.len() as u64) < HEAD;
        let layout = layout(&head, is_whole_file);
        let mut head = Cursor::new(head);
        let cutter = match layout {
            Layout::Lines => Cutter::Lines,
            Layout::Values => {
                let mark = if head.get_ref().starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
                head.set_position(mark as u64);
                Cutter::Values(Values::default())
            }
            Layout::Records(start) => {
                head.set_position(start as u64);
                Cutter::Values(Values { open: Open::Records, has_values: false })
            }
        };
        let source = Box::new(head.chain(BufReader::with_capacity(1, Failure(failure))).chain(source));
        let record = Kept { bytes: Vec::new(), most: limit.saturating_add(1) };
        Self { source, cutter, next_number: 0, record }
    }

    /// The next record, blank lines too; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Found<'_>>> {
        self.record.bytes.clear();
        let is_there = match &mut self.cutter {
            Cutter::Lines => line(&mut self.source, &mut self.record)?,
            Cutter::Values(values) => values.next(&mut self.source, &mut self.record)?,
        };
        if !is_there {
            return Ok(None);
        }
        let number = self.next_number;
        self.next_number += 1;
        Ok(Some(Found { number, bytes: &self.record.bytes }))
    }
}

/// Fails once, if it has something to fail with.
struct Failure(Option<io::Error>);

impl Read for Failure {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

impl Kept {
    fn add(&mut self, bytes: &[u8]) {
        let room = self.most - self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// A line without its end. The last one need not have an end; an empty rest is no line.
fn line(source: &mut Source, record: &mut Kept) -> io::Result<bool> {
    let mut is_there = false;
    loop {
        let bytes = source.fill_buf()?;
        if bytes.is_empty() {
            return Ok(is_there);
        }
        is_there = true;
        let end = bytes.iter().position(|byte| *byte == b'\n');
        record.add(&bytes[..end.unwrap_or(bytes.len())]);
        let used = end.map_or(bytes.len(), |end| end + 1);
        source.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// What surrounds the values at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Open {
    #[default]
    Nothing,
    List,
    /// The list in an object.
    Records,
    /// That list is closed, its object is not.
    AfterRecords,
}

/// JSON values one after another. It only counts brackets: whether a value is JSON is the decoder's question.
#[derive(Debug, Default)]
struct Values {
    open: Open,
    /// Whether the open list had a value.
    has_values: bool,
}

impl Values {
    fn next(&mut self, source: &mut Source, record: &mut Kept) -> io::Result<bool> {
        loop {
            let Some(byte) = self.peek(source)? else { return Ok(false) };
            match (self.open, byte) {
                (Open::Nothing, b'[') => *self = Self { open: Open::List, has_values: false },
                (Open::List | Open::Records, b']') => {
                    let was_empty = !self.has_values;
                    let open = if self.open == Open::Records { Open::AfterRecords } else { Open::Nothing };
                    *self = Self { open, has_values: false };
                    if was_empty {
                        source.consume(1);
                        // An empty list is a record: one that is rejected as empty.
                        record.add(b"[]");
                        return Ok(true);
                    }
                }
                (Open::AfterRecords, b'}') => self.open = Open::Nothing,
                _ => {
                    self.has_values = true;
                    value(source, record)?;
                    return Ok(true);
                }
            }
            source.consume(1);
        }
    }

    /// The next byte that is not between values.
    fn peek(&self, source: &mut Source) -> io::Result<Option<u8>> {
        loop {
            let bytes = source.fill_buf()?;
            let Some(byte) = bytes.first().copied() else { return Ok(None) };
            let separates = byte == b',' && matches!(self.open, Open::List | Open::Records);
            if !separates && !is_blank(byte) {
                return Ok(Some(byte));
            }
            source.consume(1);
        }
    }
}

/// One value, from its first byte to its last; at the end of the file, what there is of it.
fn value(source: &mut Source, record: &mut Kept) -> io::Result<()> {
    let mut scan = Scan::default();
    loop {
        let bytes = source.fill_buf()?;
        if bytes.is_empty() {
            return Ok(());
        }
        let end = bytes.iter().position(|byte| scan.ends_before(*byte));
        let used = end.unwrap_or(bytes.len());
        record.add(&bytes[..used]);
        source.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

/// Where in a value it is.
#[derive(Debug, Default)]
struct Scan {
    open: u64,
    is_text: bool,
    is_escaped: bool,
    /// Its brackets or its string are closed: it is over.
    is_closed: bool,
    has_begun: bool,
}

impl Scan {
    /// Whether the value was over before this byte; else the byte is part of it.
    fn ends_before(&mut self, byte: u8) -> bool {
        if self.is_closed {
            return true;
        }
        let is_bare = self.has_begun && self.open == 0 && !self.is_text;
        if is_bare && (is_blank(byte) || matches!(byte, b',' | b'[' | b']' | b'{' | b'}' | b'"')) {
            return true;
        }
        self.has_begun = true;
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' if self.is_text => self.is_escaped = true,
            b'"' => {
                self.is_text = !self.is_text;
                self.is_closed = !self.is_text && self.open == 0;
            }
            b'{' | b'[' if !self.is_text => self.open += 1,
            b'}' | b']' if !self.is_text => {
                self.open = self.open.saturating_sub(1);
                self.is_closed = self.open == 0;
            }
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &[u8], limit: usize) -> Vec<String> {
        // One byte at a time, so that every boundary of a buffer is met.
        let mut records = Records::new(Cursor::new(text.to_vec()), limit);
        let mut found = Vec::new();
        while let Some(record) = records.next().unwrap() {
            assert_eq!(record.number, i64::try_from(found.len()).unwrap());
            found.push(String::from_utf8_lossy(record.bytes).into_owned());
        }
        found
    }

    #[test]
    fn lines_are_records_and_the_last_needs_no_end() {
        assert_eq!(all(b"{\"a\":1}\n\n{\"a\":2}", 99), ["{\"a\":1}", "", "{\"a\":2}"]);
        assert_eq!(all(b"{}\n", 99), ["{}"]);
        assert!(all(b"", 99).is_empty());
    }

    #[test]
    fn a_line_over_the_limit_is_cut_and_its_neighbours_are_whole() {
        let text = format!("{{}}\n\"{}\"\n{{}}", "x".repeat(1 << 20));
        let found = all(text.as_bytes(), 10);
        assert_eq!(found.iter().map(String::len).collect::<Vec<_>>(), [2, 11, 2]);
    }

    #[test]
    fn the_values_of_a_document_are_records() {
        assert_eq!(all(b"[\n {\"a\": [1, \"]\"]},\n \"x\\\"\", 7 ]", 99), ["{\"a\": [1, \"]\"]}", "\"x\\\"\"", "7"]);
        assert_eq!(all(b"{\n \"a\": 1\n}\n{\n \"b\": 2\n}\n", 99), ["{\n \"a\": 1\n}", "{\n \"b\": 2\n}"]);
        assert_eq!(all(b"{ \"Records\": [\n{\"a\":1},{\"b\":2}\n]}\n", 99), ["{\"a\":1}", "{\"b\":2}"]);
        assert_eq!(all(b"[\n]\n", 99), ["[]"]);
        assert_eq!(all(b"{\n\"Records\":[]}", 99), ["[]"]);
    }

    #[test]
    fn a_long_list_on_one_line_is_read_value_by_value() {
        let values: Vec<String> = (0..20_000).map(|number| format!("{{\"n\":{number}}}")).collect();
        let text = format!("{{\"Records\":[{}]}}", values.join(","));
        assert_eq!(all(text.as_bytes(), 99), values);
    }

    #[test]
    fn a_document_that_breaks_off_or_goes_on_loses_nothing() {
        assert_eq!(all(b"[\n{\"a\":1},\n{\"b\":", 99), ["{\"a\":1}", "{\"b\":"]);
        assert_eq!(all(b"{\n\"Records\":[{}],\n\"more\":1}", 99), ["{}", ",", "\"more\"", ":1"]);
    }

    #[test]
    fn an_error_comes_after_what_could_be_read_before_it() {
        let bytes = Cursor::new(b"{}\n{}\n".to_vec()).chain(Failure(Some(io::Error::other("gone"))));
        let mut records = Records::new(bytes, 99);
        assert!(records.next().unwrap().is_some());
        assert!(records.next().unwrap().is_some());
        assert!(records.next().is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(prop::sample::select(b"[]{}\",:1\\\n \xEF\xFF".to_vec()), 0..60)) {
            let found = all(&bytes, 7);
            prop_assert!(found.len() <= bytes.len() + 1);
        }

        #[test]
        fn the_values_of_a_printed_list_are_what_it_was_made_of(values in prop::collection::vec(any::<(String, i64)>(), 1..8)) {
            let values: Vec<_> = values.iter().map(|value| serde_json::json!({"k": value.0, "v": [value.1]})).collect();
            let text = serde_json::to_string_pretty(&values).unwrap();
            let found: Vec<serde_json::Value> =
                all(text.as_bytes(), 1 << 20).iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            prop_assert_eq!(found, values);
        }
    }
}
