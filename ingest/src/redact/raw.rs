//! What is kept of the bytes of a rejected record: redacted, cut at a limit, or nothing where they hide a secret behind a
//! spelling in which it cannot be cut out.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::redact::Redactor;

/// Bytes of a reject, ready to be stored.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StoredBytes {
    pub(crate) bytes: Option<Vec<u8>>,
    /// What to add to the reject's sentence.
    pub(crate) remark: Option<String>,
}

impl Redactor {
    pub(crate) fn stored_bytes(&self, raw: &[u8], most_bytes: usize) -> StoredBytes {
        let clean = self.clean_bytes(raw);
        if self.hides_a_secret(&clean) {
            let remark =
                Some("its bytes are withheld because they spell a secret with escapes or in another encoding".into());
            return StoredBytes { bytes: None, remark };
        }
        if clean.len() <= most_bytes {
            return StoredBytes { bytes: Some(clean.into_owned()), remark: None };
        }
        let hash = hex(&Sha256::digest(&clean));
        let remark = format!("kept are the first {most_bytes} of {} redacted bytes with SHA-256 {hash}", clean.len());
        StoredBytes { bytes: Some(clean[..most_bytes].to_vec()), remark: Some(remark) }
    }

    fn clean_bytes<'t>(&self, raw: &'t [u8]) -> Cow<'t, [u8]> {
        let spans = self.rules.find(raw);
        if spans.is_empty() {
            return Cow::Borrowed(raw);
        }
        let mut clean = Vec::with_capacity(raw.len());
        let mut from = 0;
        for span in &spans {
            clean.extend_from_slice(&raw[from..span.start]);
            clean.extend_from_slice(self.mark(span.kind, &raw[span.start..span.end]).as_bytes());
            from = span.end;
        }
        clean.extend_from_slice(&raw[from..]);
        Cow::Owned(clean)
    }

    fn hides_a_secret(&self, clean: &[u8]) -> bool {
        let spellings = [unescaped(clean), without_nul(clean)];
        spellings.iter().flatten().any(|spelling| !self.rules.find(spelling).is_empty())
    }
}

/// With the escapes of JSON undone that can spell an ASCII character; `None` without such.
fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let has_escape = text.windows(2).any(|pair| matches!(pair, br"\u" | br"\/"));
    if !has_escape {
        return None;
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let (byte, after) = match (first, tail) {
            (b'\\', [b'/', after @ ..]) => (b'/', after),
            (b'\\', [b'u', b'0', b'0', high, low, after @ ..]) => match hex_pair(*high, *low) {
                Some(byte) => (byte, after),
                None => (*first, tail),
            },
            _ => (*first, tail),
        };
        plain.push(byte);
        rest = after;
    }
    Some(plain)
}

/// UTF-16 of ASCII is ASCII with NUL bytes between.
fn without_nul(text: &[u8]) -> Option<Vec<u8>> {
    text.contains(&0).then(|| text.iter().copied().filter(|byte| *byte != 0).collect())
}

fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value & 0xF)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::key::RedactionKey;

    const SECRET: &str = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";

    fn redactor() -> Redactor {
        Redactor::new(RedactionKey::from_bytes([7; 32]))
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_but_for_their_secrets() {
        let raw = [b"\xff\xfe ", SECRET.as_bytes(), b" \x80"].concat();
        let stored = redactor().stored_bytes(&raw, 1_000).bytes.unwrap();
        assert!(stored.starts_with(b"\xff\xfe [redacted:github:"));
        assert!(stored.ends_with(b"] \x80"));
    }

    #[test]
    fn a_secret_at_the_cut_does_not_lose_its_mark_to_it() {
        let raw = [vec![b'.'; 90], SECRET.as_bytes().to_vec(), vec![b'.'; 90]].concat();
        let stored = redactor().stored_bytes(&raw, 100);
        assert_eq!(stored.bytes.unwrap().split_at(90).1, b"[redacted:");
        assert!(stored.remark.unwrap().contains("with SHA-256 "));
    }

    #[test]
    fn a_secret_spelt_with_escapes_or_in_utf16_is_not_kept() {
        let escaped = SECRET.replacen('g', "\\u0067", 1);
        let utf16: Vec<u8> = SECRET.bytes().flat_map(|byte| [byte, 0]).collect();
        let url = br"postgres:\/\/admin:hunter2@db".to_vec();
        for raw in [escaped.into_bytes(), utf16] {
            let stored = redactor().stored_bytes(&raw, 1_000);
            assert_eq!(stored.bytes, None);
            assert!(stored.remark.is_some());
        }
        let stored = redactor().stored_bytes(&url, 1_000);
        assert!(!stored.bytes.is_some_and(|bytes| bytes.windows(7).any(|part| part == b"hunter2")));
    }
}
