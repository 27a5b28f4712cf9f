//! JSON as a tree that borrows from its text. Numbers stay text, so that no digit is lost.
//!
//! A list or object below the deepest allowed level becomes [`Json::TooDeep`]; what is in it is still checked to be
//! JSON. So a record that is not JSON says so whatever else is wrong with it, and one element of a list that is too
//! deep does not hide its neighbours.

use std::borrow::Cow;

use jiter::{Jiter, JiterError, Peek};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Object(Vec<Member<'a>>),
    TooDeep,
}

pub(crate) type Member<'a> = (Cow<'a, str>, Json<'a>);

/// What one record holds.
#[derive(Debug, PartialEq)]
pub(crate) enum Document<'a> {
    One(Json<'a>),
    /// A list, or the list in an object whose only member is `Records`.
    Many(Vec<Element<'a>>),
}

/// One value of a list, with the text that it was read from.
#[derive(Debug, PartialEq)]
pub(crate) struct Element<'a> {
    pub(crate) json: Json<'a>,
    pub(crate) raw: &'a str,
}

/// Why it is not JSON: a fragment with the place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotJson(pub(crate) String);

/// The only key of an object that is a list in disguise.
pub(crate) const RECORDS: &str = "Records";

/// Reads a whole text. Each value of a list may be `most_levels` deep.
pub(crate) fn read(text: &str, most_levels: usize) -> Result<Document<'_>, NotJson> {
    let mut reader = Reader { text, jiter: Jiter::new(text.as_bytes()), most_levels };
    let document = reader.document().and_then(|document| reader.jiter.finish().map(|()| document));
    document.map_err(|error| NotJson(error.description(&reader.jiter)))
}

impl<'a> Json<'a> {
    /// The member of an object; `null` is as good as absent.
    pub(crate) fn get(&self, key: &str) -> Option<&Json<'a>> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(name, value)| name == key && *value != Self::Null).map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, in the words of a reject.
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) | Self::TooDeep => "an object",
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    jiter: Jiter<'a>,
    most_levels: usize,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Document<'a>, JiterError> {
        match self.jiter.peek()? {
            Peek::Array => self.elements().map(Document::Many),
            Peek::Object => self.object_or_records(),
            other => self.value(other, self.most_levels).map(Document::One),
        }
    }

    fn elements(&mut self) -> Result<Vec<Element<'a>>, JiterError> {
        let mut elements = Vec::new();
        let mut next = self.jiter.known_array()?;
        while let Some(peek) = next {
            let start = self.jiter.current_index();
            let json = self.value(peek, self.most_levels)?;
            let raw = self.text.get(start..self.jiter.current_index()).unwrap_or_default();
            elements.push(Element { json, raw });
            next = self.jiter.array_step()?;
        }
        Ok(elements)
    }

    fn object_or_records(&mut self) -> Result<Document<'a>, JiterError> {
        let text = self.text;
        let first = self.jiter.known_object()?.map(|key| borrowed(text, key));
        let Some(key) = first else { return Ok(Document::One(Json::Object(Vec::new()))) };
        let peek = self.jiter.peek()?;
        if key != RECORDS || peek != Peek::Array {
            return self.members(key, peek, self.most_levels).map(|members| Document::One(Json::Object(members)));
        }
        let elements = self.elements()?;
        match self.jiter.next_key()?.map(|key| borrowed(text, key)) {
            None => Ok(Document::Many(elements)),
            Some(next) => {
                let list = Json::List(elements.into_iter().map(|element| element.json).collect());
                let peek = self.jiter.peek()?;
                let mut members = vec![(key, list)];
                members.extend(self.members(next, peek, self.most_levels)?);
                Ok(Document::One(Json::Object(members)))
            }
        }
    }

    /// A value of at most `levels` levels.
    fn value(&mut self, peek: Peek, levels: usize) -> Result<Json<'a>, JiterError> {
        match peek {
            Peek::Array | Peek::Object if levels == 0 => self.skip(peek).map(|()| Json::TooDeep),
            Peek::Array => self.list(levels),
            Peek::Object => {
                let text = self.text;
                match self.jiter.known_object()?.map(|key| borrowed(text, key)) {
                    None => Ok(Json::Object(Vec::new())),
                    Some(key) => {
                        let peek = self.jiter.peek()?;
                        self.members(key, peek, levels).map(Json::Object)
                    }
                }
            }
            scalar => self.scalar(scalar),
        }
    }

    fn list(&mut self, levels: usize) -> Result<Json<'a>, JiterError> {
        let mut values = Vec::new();
        let mut next = self.jiter.known_array()?;
        while let Some(peek) = next {
            values.push(self.value(peek, levels - 1)?);
            next = self.jiter.array_step()?;
        }
        Ok(Json::List(values))
    }

    fn members(&mut self, first: Cow<'a, str>, peek: Peek, levels: usize) -> Result<Vec<Member<'a>>, JiterError> {
        let text = self.text;
        let mut members = Vec::with_capacity(if levels == self.most_levels { 40 } else { 4 });
        let (mut key, mut peek) = (first, peek);
        loop {
            members.push((key, self.value(peek, levels.saturating_sub(1))?));
            match self.jiter.next_key()?.map(|key| borrowed(text, key)) {
                None => return Ok(members),
                Some(next) => key = next,
            }
            peek = self.jiter.peek()?;
        }
    }

    fn scalar(&mut self, peek: Peek) -> Result<Json<'a>, JiterError> {
        let text = self.text;
        match peek {
            Peek::Null => self.jiter.known_null().map(|()| Json::Null),
            Peek::True | Peek::False => self.jiter.known_bool(peek).map(Json::Bool),
            Peek::String => self.jiter.known_str().map(|found| Json::Text(borrowed(text, found))),
            number => {
                let start = self.jiter.current_index();
                self.jiter.known_number_bytes(number)?;
                Ok(Json::Number(text.get(start..self.jiter.current_index()).unwrap_or_default()))
            }
        }
    }

    /// Passes over a value of any depth without recursion.
    fn skip(&mut self, first: Peek) -> Result<(), JiterError> {
        let mut open = Vec::new();
        let mut next = Some(first);
        while let Some(peek) = next {
            let inner = match peek {
                Peek::Array => self.jiter.known_array()?.inspect(|_| open.push(Peek::Array)),
                Peek::Object => match self.jiter.known_object()?.is_some() {
                    true => {
                        open.push(Peek::Object);
                        Some(self.jiter.peek()?)
                    }
                    false => None,
                },
                scalar => self.scalar(scalar).map(|_| None)?,
            };
            next = match inner {
                Some(peek) => Some(peek),
                None => self.step_out(&mut open)?,
            };
        }
        Ok(())
    }

    /// The value after this one in the innermost container that has another; `None` when all are closed.
    fn step_out(&mut self, open: &mut Vec<Peek>) -> Result<Option<Peek>, JiterError> {
        while let Some(container) = open.last() {
            let next = match *container {
                Peek::Array => self.jiter.array_step()?,
                _ => match self.jiter.next_key()?.is_some() {
                    true => Some(self.jiter.peek()?),
                    false => None,
                },
            };
            if next.is_some() {
                return Ok(next);
            }
            open.pop();
        }
        Ok(None)
    }
}

/// The same string as a part of the text where it is one: only strings with escapes are copied. The parser hands out
/// strings whose lifetime does not say which of the two they are, their address does.
fn borrowed<'a>(text: &'a str, found: &str) -> Cow<'a, str> {
    let start = (found.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
    match start.checked_add(found.len()).and_then(|end| text.get(start..end)) {
        Some(part) if std::ptr::eq(part.as_ptr(), found.as_ptr()) => Cow::Borrowed(part),
        _ => Cow::Owned(found.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Json<'_> {
        match read(text, 64).unwrap() {
            Document::One(json) => json,
            Document::Many(many) => panic!("{many:?}"),
        }
    }

    #[test]
    fn numbers_keep_every_digit() {
        let json = one(r#"{"a":123456789012345678901234567890,"b":1.10,"c":-0,"d":1E400}"#);
        assert_eq!(json.get("a"), Some(&Json::Number("123456789012345678901234567890")));
        assert_eq!(json.get("b"), Some(&Json::Number("1.10")));
        assert_eq!(json.get("c"), Some(&Json::Number("-0")));
        assert_eq!(json.get("d"), Some(&Json::Number("1E400")));
    }

    #[test]
    fn only_strings_with_escapes_are_copied() {
        let json = one(r#"{"plain":"abc","esc\u0061ped":"a\nb","empty":"","é":"ü"}"#);
        let Json::Object(members) = json else { panic!() };
        let kinds: Vec<_> = members
            .iter()
            .map(|(key, value)| (matches!(key, Cow::Borrowed(_)), matches!(value, Json::Text(Cow::Borrowed(_)))))
            .collect();
        assert_eq!(kinds, [(true, true), (false, false), (true, true), (true, true)]);
        assert_eq!(members[1], ("escaped".into(), Json::Text("a\nb".into())));
    }

    #[test]
    fn a_list_keeps_the_text_of_each_value() {
        let Document::Many(elements) = read(r#" [ {"a":1} , 2,"x" ] "#, 64).unwrap() else { panic!() };
        assert_eq!(elements.iter().map(|element| element.raw).collect::<Vec<_>>(), [r#"{"a":1}"#, "2", r#""x""#]);
    }

    #[test]
    fn an_object_with_records_alone_is_a_list() {
        let Document::Many(elements) = read(r#"{"Records":[{"a":1},{}]}"#, 64).unwrap() else { panic!() };
        assert_eq!(elements.len(), 2);
        assert!(matches!(read(r#"{"Records":[{}],"more":1}"#, 64).unwrap(), Document::One(_)));
        assert!(matches!(read(r#"{"Records":{}}"#, 64).unwrap(), Document::One(_)));
    }

    #[test]
    fn what_is_too_deep_is_marked_and_its_neighbours_are_read() {
        let text = format!("[{}1{},{{\"a\":1}}]", "[".repeat(500), "]".repeat(500));
        let Document::Many(elements) = read(&text, 64).unwrap() else { panic!() };
        assert_eq!(elements[1].json.get("a"), Some(&Json::Number("1")));
    }

    #[test]
    fn the_deepest_allowed_level_is_read() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let deepest = |levels| match read(&format!(r#"{{"a":{}}}"#, nested(levels)), 3).unwrap() {
            Document::One(json) => format!("{json:?}").contains("TooDeep"),
            Document::Many(_) => panic!(),
        };
        assert!(!deepest(2));
        assert!(deepest(3));
    }

    #[test]
    fn what_is_broken_below_the_deepest_level_is_still_not_json() {
        let text = format!(r#"{{"a":{}{{"b":}}{}}}"#, "[".repeat(100), "]".repeat(100));
        assert!(read(&text, 64).is_err());
    }

    #[test]
    fn depth_costs_no_stack() {
        let text = format!("{}{}", "[".repeat(300_000), "]".repeat(300_000));
        assert!(matches!(read(&text, 64), Ok(Document::Many(_))));
    }

    #[test]
    fn what_is_not_json_says_where() {
        assert_eq!(read(r#"{"a":1,}"#, 64), Err(NotJson("trailing comma at line 1 column 8".into())));
        for text in ["{", "{\"a\"}", "nul", "{} {}", "{'a':1}", "[1 2]", "01", "1.", "\"\u{1}\"", "\"\\ud800\"", "NaN"]
        {
            assert!(read(text, 64).is_err(), "{text}");
        }
    }
}
