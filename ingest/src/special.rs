//! The bytes that a string of JSON cannot hold as they are: quotes, backslashes and control characters. Almost no text
//! has one, so eight bytes are asked at a time.

/// Whether a byte is written as an escape.
pub(crate) fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// The place of the first special byte.
pub(crate) fn first(text: &[u8]) -> Option<usize> {
    let (words, rest) = text.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let marks = marks(u64::from_le_bytes(*word));
        if marks != 0 {
            return Some(number * 8 + marks.trailing_zeros() as usize / 8);
        }
    }
    let place = rest.iter().position(|byte| is_special(*byte))?;
    Some(words.len() * 8 + place)
}

/// The high bits of bytes that are special. Only the lowest of them can be relied on: subtraction carries upwards.
fn marks(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xFF;
    const HIGH: u64 = ONES << 7;
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | is(b'"') | is(b'\\')) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_special_byte_is_found_wherever_it_stands(
            text in "[a-z\u{7f}-\u{10ffff}\\x00-\\x23\\[-\\]]{0,30}",
        ) {
            prop_assert_eq!(first(text.as_bytes()), text.bytes().position(is_special));
        }

        #[test]
        fn any_bytes_will_do(bytes: Vec<u8>) {
            prop_assert_eq!(first(&bytes), bytes.iter().position(|byte| is_special(*byte)));
        }
    }
}
