//! The words of a query string, taken one by one; a word that nobody took is refused, because a misspelt filter that is
//! ignored reads as "nothing happened".

use std::collections::BTreeSet;

use axum::http::Uri;
use credwatch_export::{OcsfVersion, Vocabulary};
use credwatch_schemas::time::Micros;
use url::form_urlencoded;

use super::reader::ORG;
use crate::problem::Problem;

#[derive(Debug)]
pub(crate) struct Asked(Vec<(String, String)>);

/// Rows of a page.
pub(crate) const MOST_ROWS: usize = 1_000;
/// Seconds that a request may wait for news.
const LONGEST_WAIT: u64 = 30;
/// Kinds that one filter may name.
const MOST_KINDS: usize = 20;

impl Asked {
    /// Without the word that says whose rows: it is the reader's.
    pub(crate) fn of(uri: &Uri) -> Self {
        Self(words(uri).into_iter().filter(|(name, _)| name != ORG).collect())
    }

    fn many(&mut self, name: &str) -> Vec<String> {
        let (taken, left) = std::mem::take(&mut self.0).into_iter().partition(|(key, _)| key == name);
        self.0 = left;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    pub(crate) fn one(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        let mut values = self.many(name);
        match values.len() {
            0 | 1 => Ok(values.pop()),
            _ => Err(bad(format!("{name} stands more than once"))),
        }
    }

    pub(crate) fn limit(&mut self) -> Result<Option<usize>, Problem> {
        self.one("limit")?.map(|text| limit(text.parse().ok())).transpose()
    }

    pub(crate) fn time(&mut self, name: &'static str) -> Result<Option<Micros>, Problem> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        // A plus sign that nobody escaped is a space by now; no time has a space before its zone.
        let text = text.replace(' ', "+");
        let known = Micros::parse(&text).or_else(|| text.parse().ok().and_then(Micros::from_epoch));
        known.map(Some).ok_or_else(|| bad(format!("{name} is a time such as 2026-06-01T09:00:00Z")))
    }

    /// Seconds.
    pub(crate) fn wait(&mut self) -> Result<Option<u64>, Problem> {
        let Some(text) = self.one("wait")? else { return Ok(None) };
        let known = text.parse().ok().filter(|wait| *wait <= LONGEST_WAIT);
        known.map(Some).ok_or_else(|| bad(format!("wait is 0 to {LONGEST_WAIT} seconds")))
    }

    /// A word says all; `format=ocsf&ocsf_version=1.5.0` is another way to say `format=ocsf-1.5`.
    pub(crate) fn format(&mut self) -> Result<Vocabulary, Problem> {
        let (word, version) = (self.one("format")?, self.one("ocsf_version")?);
        let words = || bad(format!("format is one of {}", Vocabulary::ALL.map(Vocabulary::as_str).join(", ")));
        let known = word.map_or(Ok(Vocabulary::default()), |word| Vocabulary::parse(&word).ok_or_else(words))?;
        match (known, version) {
            (known, None) => Ok(known),
            (Vocabulary::Ocsf(OcsfVersion::V1_8), Some(number)) => of_ocsf(&number),
            (_, Some(_)) => Err(bad("ocsf_version goes with format=ocsf".to_owned())),
        }
    }

    /// For answers that are JSON as a whole.
    pub(crate) fn format_in_json(&mut self) -> Result<Vocabulary, Problem> {
        let format = self.format()?;
        let lines = || {
            bad(format!(
                "format={} is lines of text: it is had from /v1/events and /v1/findings/revisions",
                format.as_str()
            ))
        };
        if format.is_json() { Ok(format) } else { Err(lines()) }
    }

    pub(crate) fn flag(&mut self, name: &'static str) -> Result<Option<bool>, Problem> {
        let Some(word) = self.one(name)? else { return Ok(None) };
        word.parse().map(Some).map_err(|_| bad(format!("{name} is true or false")))
    }

    pub(crate) fn kinds(&mut self) -> Result<BTreeSet<String>, Problem> {
        let kinds: BTreeSet<String> = self.many("kind").into_iter().collect();
        if kinds.len() > MOST_KINDS {
            return Err(bad(format!("at most {MOST_KINDS} kinds at once")));
        }
        Ok(kinds)
    }

    pub(crate) fn nothing_left(&self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(bad(format!("there is no parameter {name:?} here"))),
        }
    }
}

fn of_ocsf(number: &str) -> Result<Vocabulary, Problem> {
    let numbers = || bad(format!("ocsf_version is one of {}", OcsfVersion::ALL.map(OcsfVersion::number).join(", ")));
    OcsfVersion::ALL.into_iter().find(|one| one.number() == number).map(Vocabulary::Ocsf).ok_or_else(numbers)
}

pub(crate) fn words(uri: &Uri) -> Vec<(String, String)> {
    let query = uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

pub(crate) fn limit(given: Option<usize>) -> Result<usize, Problem> {
    let known = given.filter(|limit| (1..=MOST_ROWS).contains(limit));
    known.ok_or_else(|| Problem::bad_request("bad_limit", format!("limit is 1 to {MOST_ROWS}")))
}

pub(crate) fn bad(detail: String) -> Problem {
    Problem::bad_request("bad_query", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Asked {
        Asked::of(&format!("/v1/events?{query}").parse().unwrap())
    }

    #[test]
    fn every_word_is_taken_once_and_what_is_left_is_refused() {
        let mut asked = asked("limit=7&kind=auth&kind=tool_call&wait=3&since=2026-06-01T09:00:00+00:00&kinds=x");
        assert_eq!(asked.limit().unwrap(), Some(7));
        assert_eq!(asked.kinds().unwrap().len(), 2);
        assert_eq!(asked.wait().unwrap(), Some(3));
        assert_eq!(asked.time("since").unwrap(), Micros::parse("2026-06-01T09:00:00Z"));
        assert!(asked.nothing_left().is_err());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for query in ["limit=0", "limit=1001", "limit=x", "limit=1&limit=2"] {
            assert!(asked(query).limit().is_err(), "{query}");
        }
        assert!(asked("wait=31").wait().is_err());
        assert!(asked("since=yesterday").time("since").is_err());
        assert!(asked("format=xml").format().is_err());
    }

    #[test]
    fn a_version_of_ocsf_is_named_in_two_ways() {
        let expected = Vocabulary::Ocsf(OcsfVersion::V1_5);
        for query in ["format=ocsf-1.5", "format=ocsf&ocsf_version=1.5.0"] {
            let mut asked = asked(query);
            assert_eq!((asked.format().unwrap(), asked.nothing_left().is_ok()), (expected, true), "{query}");
        }
        for query in ["format=ocsf&ocsf_version=1.4.0", "format=ecs&ocsf_version=1.5.0", "ocsf_version=1.5.0"] {
            assert!(asked(query).format().is_err(), "{query}");
        }
    }
}
