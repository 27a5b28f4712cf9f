//! Reads the spelling that most producers write, in one pass: one object without white space and without escapes,
//! whose values are scalars and lists of scalars, and whose numbers stand as the canonical form has them. The canonical
//! form of such an object is its own members in the order of their keys, so it is had by copying them.
//!
//! Any other text is left to the general reader (`json`), and so is every fault. Where this one answers, it says what
//! the general one says; a property test holds it to that.

use std::borrow::Cow;

use crate::canonical::{first_bytes, utf16_order, write_number};
use crate::json::{Json, Member, RECORDS};
use crate::special;

/// An object whose keys are sorted and differ.
#[derive(Debug, PartialEq)]
pub(crate) struct Plain<'a> {
    pub(crate) members: Vec<Member<'a>>,
    pub(crate) canonical: Vec<u8>,
}

/// Levels of lists and objects that it may have.
pub(crate) const LEVELS: usize = 2;

/// Longer numbers are not what a producer means to write.
const LONGEST_NUMBER: usize = 40;
const USUAL_MEMBERS: usize = 48;

pub(crate) fn read(text: &str) -> Option<Plain<'_>> {
    let mut reader = Reader { text, place: 0 };
    let members = reader.object()?;
    if reader.place != text.len() || members.first()?.0 == RECORDS {
        return None;
    }
    let mut order: Vec<_> = members.iter().enumerate().map(|(place, (key, ..))| (first_bytes(key), place)).collect();
    let key = |place: usize| members[place].0;
    order.sort_unstable_by(|(a, one), (b, other)| a.cmp(b).then_with(|| utf16_order(key(*one), key(*other))));
    let has_duplicate = order.windows(2).any(|pair| pair[0].0 == pair[1].0 && key(pair[0].1) == key(pair[1].1));
    (!has_duplicate).then(|| sorted(text, members, &order))
}

/// A key, its value, and the bytes of both.
type Spelled<'a> = (&'a str, Json<'a>, &'a str);

fn sorted<'a>(text: &'a str, mut members: Vec<Spelled<'a>>, order: &[(u64, usize)]) -> Plain<'a> {
    let mut plain = Plain { members: Vec::with_capacity(members.len()), canonical: Vec::with_capacity(text.len()) };
    for (_, place) in order {
        let (key, value, spelling) = std::mem::replace(&mut members[*place], ("", Json::Null, ""));
        plain.canonical.push(if plain.members.is_empty() { b'{' } else { b',' });
        plain.canonical.extend_from_slice(spelling.as_bytes());
        plain.members.push((Cow::Borrowed(key), value));
    }
    plain.canonical.push(b'}');
    plain
}

struct Reader<'a> {
    text: &'a str,
    place: usize,
}

impl<'a> Reader<'a> {
    /// At least one member.
    fn object(&mut self) -> Option<Vec<Spelled<'a>>> {
        let mut members = Vec::with_capacity(USUAL_MEMBERS);
        self.take(b'{')?;
        loop {
            let begin = self.place;
            let key = self.string()?;
            self.take(b':')?;
            let value = if self.next()? == b'[' { self.list() } else { self.scalar() }?;
            members.push((key, value, self.text.get(begin..self.place)?));
            if self.take(b',').is_none() {
                return self.take(b'}').map(|()| members);
            }
        }
    }

    fn list(&mut self) -> Option<Json<'a>> {
        let mut values = Vec::new();
        self.take(b'[')?;
        if self.take(b']').is_some() {
            return Some(Json::List(values));
        }
        loop {
            values.push(self.scalar()?);
            if self.take(b',').is_none() {
                return self.take(b']').map(|()| Json::List(values));
            }
        }
    }

    fn scalar(&mut self) -> Option<Json<'a>> {
        match self.next()? {
            b'"' => self.string().map(|text| Json::Text(Cow::Borrowed(text))),
            b't' => self.word("true").map(|()| Json::Bool(true)),
            b'f' => self.word("false").map(|()| Json::Bool(false)),
            b'n' => self.word("null").map(|()| Json::Null),
            _ => self.number().map(Json::Number),
        }
    }

    fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let rest = self.text.get(self.place..)?;
        let length = special::first(rest.as_bytes())?;
        self.place += length;
        self.take(b'"')?;
        rest.get(..length)
    }

    /// As the canonical form has it, so that it can stay as it is.
    fn number(&mut self) -> Option<&'a str> {
        let rest = self.text.get(self.place..)?;
        let is_of_number = |byte: u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.bytes().take(LONGEST_NUMBER).position(|byte| !is_of_number(byte))?;
        let digits = rest.get(..length)?;
        self.place += length;
        (is_plain_integer(digits) || is_canonical_float(digits)).then_some(digits)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.text.get(self.place..)?.starts_with(word).then(|| self.place += word.len())
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.place).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then(|| self.place += 1)
    }
}

fn is_plain_integer(digits: &str) -> bool {
    let unsigned = digits.strip_prefix('-').unwrap_or(digits).as_bytes();
    let is_zero = digits == "0";
    is_zero || unsigned.first().is_some_and(|first| *first != b'0') && unsigned.iter().all(u8::is_ascii_digit)
}

/// What the canonical form writes is a number of JSON.
fn is_canonical_float(digits: &str) -> bool {
    let mut canonical = Vec::new();
    if digits.parse::<f64>().is_ok_and(f64::is_finite) {
        write_number(digits, &mut canonical);
    }
    digits.contains(['.', 'e']) && canonical == digits.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{Strings, sort_keys, write};
    use crate::json::{Document, read as read_json};
    use proptest::prelude::*;

    /// What the general reader makes of it: an object of the same kind, or nothing of the kind.
    fn in_general(text: &str) -> Option<Plain<'_>> {
        let Ok(Document::One(mut json)) = read_json(text, LEVELS) else { return None };
        sort_keys(&mut json).ok()?;
        let mut canonical = Vec::new();
        write(&json, None, Strings::AsTheyAre, &mut canonical);
        let Json::Object(members) = json else { return None };
        Some(Plain { members, canonical })
    }

    #[test]
    fn the_usual_spelling_of_an_event_is_read_here() {
        let text = r#"{"time":"2026-06-01T09:14:03Z","kind":"tool_call","status":200,"path":"/é/ü","cost_usd":0.25,"zero":0,"minus":-7,"via_broker":true,"no":false,"x":null,"scopes_granted":["a","b"],"none":[]}"#;
        let plain = read(text).unwrap();
        assert_eq!(Some(&plain), in_general(text).as_ref());
        assert!(
            plain.canonical.starts_with(br#"{"cost_usd":0.25,"kind":"tool_call","minus":-7,"no":false,"none":[],"#)
        );
    }

    #[test]
    fn every_other_spelling_is_left_to_the_general_reader() {
        for text in [
            "",
            "{}",
            "{",
            "[]",
            "[1]",
            "1",
            "null",
            " {\"a\":1}",
            "{\"a\":1} ",
            "{\"a\": 1}",
            r#"{"a":1,}"#,
            r#"{"a":1"#,
            r#"{"a":1}{}"#,
            r#"{"a":"\n"}"#,
            r#"{"\u0061":1}"#,
            "{\"a\":\"\u{1}\"}",
            r#"{"a":{}}"#,
            r#"{"a":[[]]}"#,
            r#"{"a":[{}]}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":-0}"#,
            r#"{"a":01}"#,
            r#"{"a":1.0}"#,
            r#"{"a":1.}"#,
            r#"{"a":.5}"#,
            r#"{"a":+1}"#,
            r#"{"a":-}"#,
            r#"{"a":1e5}"#,
            r#"{"a":1E400}"#,
            r#"{"a":tru}"#,
            r#"{"a":1,"b":2,"a":3}"#,
            r#"{"Records":[]}"#,
            r#"{"Records":1}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    /// Pieces of which most texts are almost a plain object.
    fn almost_plain() -> impl Strategy<Value = String> {
        let string = "\"[a-c\\ue000\u{10000}é!# \\\\]{0,9}\"";
        let number = "-?[01]{0,2}(\\.[05]{0,2})?([eE][+-]?[012]{1,2})?|[1-9][0-9]{0,20}";
        let scalar = prop_oneof![4 => string, 2 => number, 1 => "true|false|null|nul|\\{\\}"].boxed();
        let list = proptest::collection::vec(scalar.clone(), 0..3).prop_map(|values| format!("[{}]", values.join(",")));
        let member = (string, prop_oneof![3 => scalar, 1 => list]).prop_map(|(key, value)| format!("{key}:{value}"));
        let object = proptest::collection::vec(member, 1..6).prop_map(|members| format!("{{{}}}", members.join(",")));
        let noise = (any::<prop::sample::Index>(), prop_oneof![9 => Just(String::new()), 1 => "[ ,:\"\\[\\]{}0-]"]);
        (object, noise).prop_map(|(mut text, (place, noise)): (String, (prop::sample::Index, String))| {
            let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
            text.insert_str(places[place.index(places.len())], &noise);
            text
        })
    }

    proptest! {
        #[test]
        fn it_says_what_the_general_reader_says(text in almost_plain()) {
            if let Some(plain) = read(&text) {
                prop_assert_eq!(Some(plain), in_general(&text));
            }
        }
    }
}
