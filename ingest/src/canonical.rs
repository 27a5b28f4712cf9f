//! One text for one JSON value, whatever the order of its keys and the spelling of its strings and numbers: RFC 8785,
//! but that integers keep all digits. And the hash of it that is part of an event's identity.
//!
//! Frozen with the format: a change here makes every repeat look new.

use std::borrow::Cow;
use std::cmp::Ordering;

use sha2::{Digest, Sha256};

use crate::json::{Json, Member};
use crate::redact::Redactor;
use crate::special::{self, is_special};

/// Why a value cannot be brought into this form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    TooDeep,
    DuplicateKey(String),
}

/// Sorts the keys of all objects, by UTF-16 code units. Refuses what has no one reading.
pub(crate) fn sort_keys(json: &mut Json<'_>) -> Result<(), Flaw> {
    let mut duplicate = None;
    if sort(json, &mut duplicate) == Depth::TooDeep {
        return Err(Flaw::TooDeep);
    }
    duplicate.map_or(Ok(()), |key| Err(Flaw::DuplicateKey(key)))
}

#[derive(PartialEq, Eq)]
enum Depth {
    Fine,
    TooDeep,
}

fn sort(json: &mut Json<'_>, duplicate: &mut Option<String>) -> Depth {
    let deep = match json {
        Json::TooDeep => true,
        Json::List(values) => values.iter_mut().any(|value| sort(value, duplicate) == Depth::TooDeep),
        Json::Object(members) => {
            sort_members(members);
            if let Some(pair) = members.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                duplicate.get_or_insert_with(|| pair[0].0.clone().into_owned());
            }
            members.iter_mut().any(|(_, value)| sort(value, duplicate) == Depth::TooDeep)
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => false,
    };
    if deep { Depth::TooDeep } else { Depth::Fine }
}

/// Most keys differ in their first eight bytes: those are read once a key and compared as one number, and only keys
/// that are alike so far are compared whole.
fn sort_members(members: &mut [Member<'_>]) {
    members.sort_by_cached_key(|(key, _)| first_bytes(key));
    for alike in members.chunk_by_mut(|(one, _), (other, _)| first_bytes(one) == first_bytes(other)) {
        if alike.len() > 1 {
            alike.sort_by(|(one, _), (other, _)| utf16_order(one, other));
        }
    }
}

/// The beginning of a key as a number: in the order of keys, as far as eight bytes tell.
pub(crate) fn first_bytes(key: &str) -> u64 {
    let key = key.as_bytes();
    let bytes = key.first_chunk().copied().unwrap_or_else(|| {
        let mut padded = [0; 8];
        padded[..key.len()].copy_from_slice(key);
        padded
    });
    let is_ascii = u64::from_ne_bytes(bytes) & 0x8080_8080_8080_8080 == 0;
    u64::from_be_bytes(if is_ascii { bytes } else { bytes.map(rank) })
}

/// The order of two keys by UTF-16 code units.
pub(crate) fn utf16_order(one: &str, other: &str) -> Ordering {
    let (left, right) = (one.as_bytes(), other.as_bytes());
    let place = left.iter().zip(right).position(|(a, b)| a != b).unwrap_or(left.len().min(right.len()));
    left.get(place).copied().map(rank).cmp(&right.get(place).copied().map(rank))
}

/// What a byte of UTF-8 counts where two texts first differ. The order of UTF-16 is that of the bytes, except that
/// characters above U+FFFF (first byte F0 to F4) stand before U+E000 to U+FFFF (first byte EE and EF).
fn rank(byte: u8) -> u8 {
    match byte {
        0xEE | 0xEF => byte + 5,
        0xF0.. => byte - 2,
        _ => byte,
    }
}

/// How strings are written: as they are, or with secrets masked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Strings<'r> {
    AsTheyAre,
    Masked(&'r Redactor),
}

/// Writes a value whose keys are sorted. `key` is the key that it stands under.
pub(crate) fn write(json: &Json<'_>, key: Option<&str>, strings: Strings<'_>, out: &mut Vec<u8>) {
    match json {
        Json::Null | Json::TooDeep => out.extend_from_slice(b"null"),
        Json::Bool(true) => out.extend_from_slice(b"true"),
        Json::Bool(false) => out.extend_from_slice(b"false"),
        Json::Number(digits) => match masked(digits, key, strings, true) {
            Some(text) => write_text(&text, out),
            None => write_number(digits, out),
        },
        Json::Text(text) => write_text(masked(text, key, strings, false).as_deref().unwrap_or(text), out),
        Json::List(values) => {
            out.push(b'[');
            for (place, value) in values.iter().enumerate() {
                separate(place, out);
                write(value, key, strings, out);
            }
            out.push(b']');
        }
        Json::Object(members) => {
            write_object(members.iter().map(|(key, value)| (key.as_ref(), value)), strings, out);
        }
    }
}

/// Writes an object from members that are sorted already.
pub(crate) fn write_object<'v, 'j: 'v>(
    members: impl Iterator<Item = (&'v str, &'v Json<'j>)>,
    strings: Strings<'_>,
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    for (place, (key, value)) in members.enumerate() {
        separate(place, out);
        write_text(masked(key, None, strings, false).as_deref().unwrap_or(key), out);
        out.push(b':');
        write(value, Some(key), strings, out);
    }
    out.push(b'}');
}

/// The value as text, for a field without a column. Its secrets are gone already.
pub(crate) fn text_of(json: &Json<'_>) -> String {
    let mut out = Vec::new();
    write(json, None, Strings::AsTheyAre, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

fn masked<'t>(text: &'t str, key: Option<&str>, strings: Strings<'_>, is_number: bool) -> Option<Cow<'t, str>> {
    match strings {
        Strings::AsTheyAre => None,
        Strings::Masked(redactor) if is_number => redactor.masks_number(key).then_some(Cow::Borrowed("[redacted]")),
        Strings::Masked(redactor) => redactor.mask_for_hash(key, text).map(Cow::Owned),
    }
}

fn separate(place: usize, out: &mut Vec<u8>) {
    if place > 0 {
        out.push(b',');
    }
}

pub(crate) fn write_number(digits: &str, out: &mut Vec<u8>) {
    let is_integer = !digits.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    let value = if is_integer { None } else { digits.parse::<f64>().ok().filter(|value| value.is_finite()) };
    match value {
        Some(value) => out.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes()),
        None if digits == "-0" => out.push(b'0'),
        None => out.extend_from_slice(digits.as_bytes()),
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    if special::first(text.as_bytes()).is_some() {
        write_escaped(text, out);
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
}

fn write_escaped(text: &str, out: &mut Vec<u8>) {
    let mut clean_from = 0;
    for (place, byte) in text.bytes().enumerate() {
        if is_special(byte) {
            out.extend_from_slice(&text.as_bytes()[clean_from..place]);
            clean_from = place + 1;
            write_escape(byte, out);
        }
    }
    out.extend_from_slice(&text.as_bytes()[clean_from..]);
}

fn write_escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0C => b'f',
        b'\r' => b'r',
        other if other >= 0x20 => other,
        other => {
            out.extend_from_slice(format!("\\u{other:04x}").as_bytes());
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// SHA-256 over the canonical form of what the producer sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentHash([u8; 16]);

impl ContentHash {
    pub(crate) fn of(canonical: &[u8]) -> Self {
        let mut first = [0; 16];
        first.copy_from_slice(&Sha256::digest(canonical)[..16]);
        Self(first)
    }

    /// The first 64 bits, as they stand in the column.
    pub(crate) fn column(self) -> i64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        i64::from_be_bytes(first)
    }

    /// The id of an event that brings none: `h:` and 128 bits.
    pub(crate) fn event_id(self) -> String {
        format!("h:{:032x}", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, read};
    use proptest::prelude::*;

    fn canonical(text: &str) -> String {
        let Document::One(mut json) = read(text, 64).unwrap() else { panic!("{text}") };
        sort_keys(&mut json).unwrap();
        text_of(&json)
    }

    #[test]
    fn the_sample_of_rfc_8785_section_3_2_2() {
        let input = r#"{
            "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#;
        let expected = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(canonical(input), expected);
    }

    #[test]
    fn the_sorting_sample_of_rfc_8785_section_3_2_3() {
        let input = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
        let sorted = canonical(input);
        let order =
            ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"].map(|word| sorted.find(word).unwrap());
        assert!(order.is_sorted(), "{sorted}");
    }

    #[test]
    fn the_numbers_of_rfc_8785_appendix_b() {
        let bits = [
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ];
        for (bits, expected) in bits {
            let spelled = format!("{:e}", f64::from_bits(bits));
            assert_eq!(canonical(&spelled), expected, "{spelled}");
        }
    }

    #[test]
    fn integers_keep_all_digits() {
        assert_eq!(canonical("9007199254740993"), "9007199254740993");
        assert_eq!(canonical("-123456789012345678901234567890"), "-123456789012345678901234567890");
        assert_eq!(canonical(r#"{"a":[-0,-0.0,5.0,1E400]}"#), r#"{"a":[0,0,5,1E400]}"#);
    }

    #[test]
    fn a_duplicate_key_at_any_depth_is_refused() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"x":[{"a":1,"b":2,"\u0061":3}]}"#] {
            let Document::One(mut json) = read(text, 64).unwrap() else { panic!() };
            assert_eq!(sort_keys(&mut json), Err(Flaw::DuplicateKey("a".into())));
        }
    }

    #[test]
    fn too_deep_comes_before_a_duplicate_key() {
        let Document::One(mut json) = read(r#"{"a":1,"a":{"b":{}}}"#, 2).unwrap() else { panic!() };
        assert_eq!(sort_keys(&mut json), Err(Flaw::TooDeep));
    }

    #[test]
    fn hashes_are_frozen() {
        let hash = ContentHash::of(canonical(r#"{"time":1780305243,"kind":"tool_call"}"#).as_bytes());
        assert_eq!(hash.event_id(), "h:164c361747b2497dac09b26b071616ff");
        assert_eq!(hash.column(), 1_606_718_640_679_438_717);
    }

    proptest! {
        #[test]
        fn keys_are_in_utf16_order(one in "\\PC{0,4}", other in "\\PC{0,4}") {
            prop_assert_eq!(utf16_order(&one, &other), one.encode_utf16().cmp(other.encode_utf16()));
        }

        #[test]
        fn members_are_in_the_order_of_their_keys(
            keys in proptest::collection::vec("[\\x00a-c\u{e000}\u{10000}é]{0,10}", 0..12),
        ) {
            let mut members: Vec<Member<'_>> = keys.iter().map(|key| (key.as_str().into(), Json::Null)).collect();
            sort_members(&mut members);
            prop_assert!(members.is_sorted_by_key(|(key, _)| key.encode_utf16().collect::<Vec<_>>()));
        }

        #[test]
        fn the_canonical_form_of_the_canonical_form_is_itself(text in "\\PC{0,20}|[\\x00-\\x1f]{0,5}", number in any::<f64>()) {
            prop_assume!(number.is_finite());
            let mut out = Vec::new();
            write(&Json::List(vec![Json::Text(text.into()), Json::Number(&format!("{number:e}"))]), None, Strings::AsTheyAre, &mut out);
            let once = String::from_utf8(out).unwrap();
            let Document::Many(elements) = read(&once, 64).unwrap() else { panic!() };
            let again = Json::List(elements.into_iter().map(|element| element.json).collect());
            prop_assert_eq!(text_of(&again), once);
        }
    }
}
