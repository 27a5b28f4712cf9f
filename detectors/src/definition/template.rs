//! Texts with holes: `{column}` is filled from a claim. Sentences for people, and predicates for the evidence's SQL.
//!
//! In a predicate a hole becomes a quoted literal, never bare text: values come from events, and events from anybody.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Hole(String),
}

impl Template {
    /// `{{` and `}}` are braces.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let brace = &rest[at..=at];
            plain.push_str(&rest[..at]);
            if rest[at + 1..].starts_with(brace) {
                plain.push_str(brace);
                rest = &rest[at + 2..];
                continue;
            }
            let end = rest[at..]
                .find('}')
                .filter(|end| *end > 0)
                .ok_or_else(|| format!("a brace in {text:?} has no partner"))?;
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
            pieces.push(Piece::Hole(rest[at + 1..at + end].trim().to_owned()));
            rest = &rest[at + end + 1..];
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        Ok(Self(pieces))
    }

    pub fn holes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Hole(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    pub fn fill(&self, value: impl Fn(&str) -> String) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Hole(name) => text.push_str(&value(name)),
            }
        }
        text
    }
}

impl fmt::Display for Template {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => out.write_str(&plain.replace('{', "{{").replace('}', "}}"))?,
                Piece::Hole(name) => write!(out, "{{{name}}}")?,
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(input)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled_and_double_braces_are_braces() {
        let template = Template::parse("{agent_id} said {{x}} to { dest_host }.").unwrap();
        assert_eq!(template.holes().collect::<Vec<_>>(), ["agent_id", "dest_host"]);
        assert_eq!(template.fill(str::to_uppercase), "AGENT_ID said {x} to DEST_HOST.");
    }

    #[test]
    fn a_brace_needs_its_partner() {
        for text in ["{agent_id", "agent_id}", "a } b { c"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_template_prints_as_it_was_written() {
        let text = "{a} {{b}} c";
        assert_eq!(Template::parse(text).unwrap().to_string(), text);
    }
}
