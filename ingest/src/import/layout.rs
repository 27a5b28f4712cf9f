//! How the records lie in a file, told by its first bytes alone, so that every reading of a file finds the same ones.

/// What follows from the beginning of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A record a line.
    Lines,
    /// JSON values one after another, over lines or not; the values of a list at the top are the records.
    Values,
    /// The same, in an object that begins with the list `Records`: its values begin after so many bytes.
    Records(usize),
}

/// A file has lines unless its first line cannot be a record of its own: an opening bracket of a document that was
/// printed for people, or a list that is longer than `head`.
pub(crate) fn layout(head: &[u8], is_whole_file: bool) -> Layout {
    let start = head.iter().position(|byte| !is_blank(*byte) && !BYTE_ORDER_MARK.contains(byte)).unwrap_or(head.len());
    let document = &head[start..];
    let (line, ends) = match document.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&document[..end], true),
        None => (document, is_whole_file),
    };
    if ends && !goes_on(line) {
        return Layout::Lines;
    }
    match records_begin(document) {
        Some(length) => Layout::Records(start + length),
        None if ends || document.starts_with(b"[") => Layout::Values,
        None => Layout::Lines,
    }
}

pub(crate) const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether a first line is the beginning of a document: it opens more than it closes, and its last byte announces more;
/// or it lacks nothing but the end of the list. A line that merely breaks off stays a line, and costs one row.
fn goes_on(line: &[u8]) -> bool {
    let announces =
        line.iter().rfind(|byte| !is_blank(**byte)).is_some_and(|byte| matches!(byte, b'{' | b'[' | b',' | b':'));
    match open_brackets(line) {
        Some(1) => announces || line.starts_with(b"["),
        Some(open) => open > 1 && announces,
        None => false,
    }
}

/// How many brackets are open at the end of a line; `None` inside a string.
fn open_brackets(line: &[u8]) -> Option<i64> {
    let (mut open, mut is_text, mut is_escaped) = (0, false, false);
    for byte in line {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => open += 1,
            b'}' | b']' if !is_text => open -= 1,
            _ => {}
        }
    }
    (!is_text).then_some(open)
}

/// The length of `{"Records":[`, however it is spaced.
fn records_begin(document: &[u8]) -> Option<usize> {
    let mut rest = document;
    for part in [b"{".as_slice(), b"\"Records\"", b":", b"["] {
        rest = rest.trim_ascii_start().strip_prefix(part)?;
    }
    Some(document.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Layout {
        layout(text.as_bytes(), true)
    }

    #[test]
    fn what_is_one_value_a_line_has_lines() {
        for text in [
            "",
            "\n",
            "{\"a\":1}\n{\"a\":2}\n",
            "[1]\n[2]",
            "{\"Records\":[]}\n{\"Records\":[{}]}",
            "x\ny",
            "\u{feff}{}\n{}",
        ] {
            assert_eq!(of(text), Layout::Lines, "{text:?}");
        }
    }

    #[test]
    fn what_was_printed_for_people_has_values() {
        for text in [
            "{\n \"a\": 1\n}\n",
            "[\n{\"a\":1}\n]",
            "[{\"a\":1},\n{\"a\":2}]",
            "[ {\"a\":1}\n,{\"a\":2}]",
            "{ \"a\": [\n1]}",
        ] {
            assert_eq!(of(text), Layout::Values, "{text:?}");
        }
        assert_eq!(of("{\n  \"Records\": [\n {}]}"), Layout::Records(16));
    }

    #[test]
    fn a_list_that_is_longer_than_what_was_looked_at_has_values() {
        assert_eq!(layout(b"[{\"a\":1},{\"a\":", false), Layout::Values);
        assert_eq!(layout(b"\xEF\xBB\xBF{\"Records\":[{\"a\":1},{\"a\":", false), Layout::Records(15));
        assert_eq!(layout(b"{\"a\":1,\"b\":", false), Layout::Lines);
    }

    #[test]
    fn a_first_line_that_breaks_off_does_not_swallow_the_others() {
        for text in ["{\"a\":\"x\n{\"a\":2}\n", "{\"a\":1\n{\"a\":2}\n", "{\"a\":{\"b\":1}\n{}"] {
            assert_eq!(of(text), Layout::Lines, "{text:?}");
        }
    }
}
