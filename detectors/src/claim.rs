//! What a detector's SQL returned, read row by row: claims. A claim says that something happened to a subject, since
//! when it was certain, and by which numbers; it becomes a finding in `reconcile.rs`.
//!
//! A claim that breaks the rules (no time, no subject, a word that is none) fails its detector with a sentence: a
//! detector that half works is worse than one that says it does not.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use credwatch_schemas::event::{self, timestamp};
use credwatch_schemas::finding::{Comparison, Finding, NotSeen, Severity, Status, Subject, Triage};
use credwatch_schemas::ids::{DetectorVersion, FindingId, OrgId};
use credwatch_schemas::rows;
use credwatch_schemas::significant::rounded;
use credwatch_schemas::time::Micros;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::definition::check::CLAIM_COLUMNS;
use crate::definition::{Definition, Template};
use crate::evidence;

/// A finding shows this many of its events.
const MOST_EVENT_IDS: usize = 100;

#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum ClaimError {
    #[error("the claims have no column \"{0}\"")]
    NoColumn(String),
    #[error("a claim has no \"{0}\"")]
    Missing(&'static str),
    #[error("a claim's \"{column}\" is {value}, which is not {expected}")]
    Wrong { column: String, value: String, expected: &'static str },
    #[error("a claim of severity {0} is above the highest that the file names, {1}")]
    TooSevere(Severity, Severity),
    #[error("two claims name the same org, subject and episode: {0}")]
    Twice(String),
    #[error("read the claims: {0}")]
    Unreadable(String),
}

/// Checks that the columns are there before anything runs: a file with a missing one never fails only once it fires.
pub(crate) fn check_columns(definition: &Definition, schema: &Schema) -> Result<(), ClaimError> {
    let compared = definition.compared.keys().map(|name| format!("{name}_observed"));
    let holes =
        [&definition.text.title, &definition.text.summary, &definition.evidence].into_iter().flat_map(Template::holes);
    let needed = CLAIM_COLUMNS.iter().copied().chain(["event_ids"]).chain(holes).map(str::to_owned);
    for column in needed.chain(definition.subject.iter().cloned()).chain(compared) {
        if schema.index_of(&column).is_err() {
            return Err(ClaimError::NoColumn(column));
        }
    }
    Ok(())
}

/// What is the same for all claims of one judgement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) version: &'a DetectorVersion,
    /// The highest `seq` of `records` that the judgement saw.
    pub(crate) data_seq: i64,
    pub(crate) now: Micros,
}

/// The claims as findings of revision 1, ordered by id.
pub(crate) fn findings(stamp: Stamp<'_>, batches: &[RecordBatch]) -> Result<BTreeMap<FindingId, Finding>, ClaimError> {
    let mut found = BTreeMap::new();
    for batch in batches {
        check_columns(stamp.definition, &batch.schema())?;
        for row in readable_rows(batch)? {
            let finding = Row(row).finding(stamp)?;
            let name = format!("{} {:?} {}", finding.finding_id, finding.subject, finding.episode);
            if found.insert(finding.finding_id.clone(), finding).is_some() {
                return Err(ClaimError::Twice(name));
            }
        }
    }
    Ok(found)
}

/// Rows as JSON, with every time in microseconds and UTC.
fn readable_rows(batch: &RecordBatch) -> Result<Vec<Map<String, Value>>, ClaimError> {
    let unreadable = |error: arrow::error::ArrowError| ClaimError::Unreadable(error.to_string());
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let target = match field.data_type() {
            DataType::Timestamp(..) => timestamp(),
            other => other.clone(),
        };
        columns.push(cast(column, &target).map_err(unreadable)?);
        fields.push(Field::new(field.name(), target, true));
    }
    let batch = RecordBatch::try_new(std::sync::Arc::new(Schema::new(fields)), columns).map_err(unreadable)?;
    rows::from_batch(&batch).map_err(unreadable)
}

struct Row(Map<String, Value>);

impl Row {
    fn finding(&self, stamp: Stamp<'_>) -> Result<Finding, ClaimError> {
        let definition = stamp.definition;
        let subject = self.subject(definition);
        if subject.is_empty() {
            return Err(ClaimError::Missing("subject"));
        }
        let org_id = self.text("org_id").map(OrgId::new);
        let episode: String = self.needed("episode", self.text("episode"))?;
        let (first_time, last_time) = (self.time("first_time")?, self.time("last_time")?);
        let mut event_ids: Vec<String> = self.list("event_ids")?;
        event_ids.truncate(MOST_EVENT_IDS);
        let filled = |template: &Template| template.fill(|column| spoken(self.value(column)));
        let predicate = definition.evidence.fill(|column| evidence::literal(self.value(column)));
        Ok(Finding {
            finding_id: FindingId::of(&definition.id, org_id.as_ref(), &subject, &episode),
            revision: 1,
            seq: None,
            detector_id: definition.id.clone(),
            detector_version: stamp.version.clone(),
            sql: evidence::statement(org_id.as_ref(), (first_time, last_time), &predicate, stamp.data_seq),
            org_id,
            subject,
            episode,
            title: filled(&definition.text.title),
            summary: filled(&definition.text.summary),
            severity: self.severity(definition)?,
            status: self.word("status", Status::parse, "a status")?,
            provisional: true,
            triage: Triage::New,
            verdict: None,
            assignee: None,
            comment: None,
            changed_by: "engine".to_owned(),
            first_time,
            last_time,
            raised_time: self.time("raised_time")?,
            recorded_time: stamp.now,
            event_count: self.needed("event_count", self.value("event_count").as_i64())?,
            event_ids,
            compared: self.compared(definition)?,
            members: self.members()?,
            data_seq: stamp.data_seq,
            not_seen: self.list::<NotSeen>("not_seen")?,
            replaced_by: None,
            status_reason: self.text("status_reason").map(str::to_owned),
        })
    }

    fn value(&self, column: &str) -> &Value {
        self.0.get(column).unwrap_or(&Value::Null)
    }

    fn text(&self, column: &str) -> Option<&str> {
        self.value(column).as_str()
    }

    fn needed<T, U: From<T>>(&self, column: &'static str, value: Option<T>) -> Result<U, ClaimError> {
        value.map(U::from).ok_or(ClaimError::Missing(column))
    }

    fn time(&self, column: &'static str) -> Result<Micros, ClaimError> {
        let text = self.text(column).ok_or(ClaimError::Missing(column))?;
        Micros::parse(text).ok_or_else(|| self.wrong(column, "a time"))
    }

    fn wrong(&self, column: &str, expected: &'static str) -> ClaimError {
        ClaimError::Wrong { column: column.to_owned(), value: self.value(column).to_string(), expected }
    }

    fn word<T>(
        &self,
        column: &'static str,
        parse: fn(&str) -> Option<T>,
        expected: &'static str,
    ) -> Result<T, ClaimError> {
        let text = self.text(column).ok_or(ClaimError::Missing(column))?;
        parse(text).ok_or_else(|| self.wrong(column, expected))
    }

    fn severity(&self, definition: &Definition) -> Result<Severity, ClaimError> {
        let severity = self.word("severity", Severity::parse, "a severity")?;
        if severity > definition.severity {
            return Err(ClaimError::TooSevere(severity, definition.severity));
        }
        Ok(severity)
    }

    /// Absent columns stay out: they are unknown, and a finding is not about the unknown.
    fn subject(&self, definition: &Definition) -> Subject {
        let named = definition.subject.iter().filter(|column| !self.value(column).is_null());
        named.map(|column| (column.clone(), spoken(self.value(column)))).collect()
    }

    fn compared(&self, definition: &Definition) -> Result<Vec<Comparison>, ClaimError> {
        let mut compared = Vec::new();
        for (name, shown) in &definition.compared {
            let comparison = Comparison {
                name: shown.title.clone(),
                observed: self.number(&format!("{name}_observed"))?,
                expected: self.number(&format!("{name}_expected"))?,
                threshold: self.number(&format!("{name}_threshold"))?,
                unit: shown.unit.clone(),
            };
            if comparison.observed.is_some() || comparison.expected.is_some() || comparison.threshold.is_some() {
                compared.push(comparison);
            }
        }
        Ok(compared)
    }

    fn number(&self, column: &str) -> Result<Option<f64>, ClaimError> {
        match self.value(column) {
            Value::Null => Ok(None),
            value => value.as_f64().map(|number| Some(rounded(number))).ok_or_else(|| self.wrong(column, "a number")),
        }
    }

    fn list<T: DeserializeOwned>(&self, column: &'static str) -> Result<Vec<T>, ClaimError> {
        match self.value(column) {
            Value::Null => Ok(Vec::new()),
            value => serde_json::from_value(value.clone()).map_err(|_| self.wrong(column, "such a list")),
        }
    }

    fn members(&self) -> Result<Vec<Subject>, ClaimError> {
        let members: Vec<Map<String, Value>> = self.list("members")?;
        let known = |(column, value): (&String, &Value)| {
            (event::field(column).is_some() && !value.is_null()).then(|| (column.clone(), spoken(value)))
        };
        Ok(members.iter().map(|member| member.iter().filter_map(known).collect()).collect())
    }
}

/// A value in a sentence.
fn spoken(value: &Value) -> String {
    match value {
        Value::Null => "unknown".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.to_string(),
            None => rounded(number.as_f64().unwrap_or(0.0)).to_string(),
        },
        Value::Array(items) => items.iter().map(spoken).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, ListBuilder, StringArray, StringBuilder, TimestampMicrosecondArray};
    use std::sync::Arc;

    fn texts(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    fn claim(changes: &[(&str, Option<&str>)]) -> RecordBatch {
        let mut ids = ListBuilder::new(StringBuilder::new());
        ids.append_value([Some("e1")]);
        let time: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1_780_305_243_221_000]));
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("org_id", texts(&[Some("org_a")])),
            ("dest_host", texts(&[Some("it's.example")])),
            ("episode", texts(&[Some("w1")])),
            ("raised_time", time.clone()),
            ("first_time", time.clone()),
            ("last_time", time),
            ("event_count", Arc::new(Int64Array::from(vec![1]))),
            ("event_ids", Arc::new(ids.finish())),
            ("severity", texts(&[Some("medium")])),
            ("status", texts(&[Some("open")])),
            ("status_reason", texts(&[None])),
            ("calls_observed", Arc::new(Int64Array::from(vec![3]))),
        ];
        for (name, value) in changes {
            let place = columns.iter().position(|(known, _)| known == name).unwrap();
            columns[place].1 = texts(&[*value]);
        }
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
            .unwrap()
    }

    fn read(batches: &[RecordBatch]) -> Result<Vec<Finding>, ClaimError> {
        let definition = Definition::parse("first-host", crate::definition::tests::SMALL).unwrap();
        let version = DetectorVersion::new("v");
        let stamp = Stamp { definition: &definition, version: &version, data_seq: 9, now: Micros(1) };
        findings(stamp, batches).map(|found| found.into_values().collect())
    }

    #[test]
    fn a_claim_is_a_finding_with_its_texts_and_its_sql() {
        let found = read(&[claim(&[])]).unwrap();
        assert_eq!(found[0].title, "first call to it's.example");
        assert_eq!(found[0].summary, "it's.example was called at 2026-06-01T09:14:03.221Z");
        assert!(found[0].sql.contains("dest_host = 'it''s.example'"), "{}", found[0].sql);
        assert_eq!(found[0].compared[0].observed, Some(3.0));
        assert_eq!(found[0].compared[0].expected, None);
    }

    #[test]
    fn a_claim_that_breaks_the_rules_fails_with_a_sentence() {
        for (column, value, named) in [
            ("severity", Some("loud"), "severity"),
            ("severity", Some("critical"), "critical"),
            ("status", Some("shut"), "status"),
            ("episode", None, "episode"),
            ("raised_time", None, "raised_time"),
            ("dest_host", None, "subject"),
        ] {
            let said = read(&[claim(&[(column, value)])]).unwrap_err().to_string();
            assert!(said.contains(named), "{column}: {said}");
        }
    }

    #[test]
    fn two_claims_of_one_name_are_refused() {
        assert!(matches!(read(&[claim(&[]), claim(&[])]), Err(ClaimError::Twice(_))));
    }
}
