//! A detector is a file: this is what the file may say, and what must be true of it before it is used.
//!
//! Unknown keys are refused, and so is everything that can be told wrong without an event: a [`Definition`] in hand has
//! passed. What the SQL itself may say is checked on its plan (`plan.rs`). `docs/detectors/FORMAT.md` explains the keys.

pub(crate) mod check;
mod looks_at;
mod section;
mod span;
mod store;
mod story;
mod template;

use std::collections::BTreeMap;

use credwatch_schemas::finding::Severity;
use credwatch_schemas::ids::DetectorId;
use serde::{Deserialize, Deserializer, de};
use serde_yaml_ng::Value;
use thiserror::Error;

pub use looks_at::LooksAt;
pub use section::{Section, Statistical};
pub use span::Span;
pub use store::{Aggregate, Ledger, Merge, Rollup};
pub use story::{Expected, Story, StoryEvent};
pub use template::Template;

/// A detector's file, validated.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    pub id: DetectorId,
    pub title: String,
    /// The highest that it raises.
    pub severity: Severity,
    pub scope: Scope,
    pub dependence: Dependence,
    pub judged: Judged,
    /// How long after `raised_time` events may still change what a claim says.
    #[serde(default)]
    pub window: Span,
    /// How far before `raised_time` the events must reach; ledgers and rollups reach back without end.
    #[serde(default)]
    pub history: Span,
    /// What must be filled for the detector to see, per source.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// The events that `claims` reads; without it, all with all their columns.
    #[serde(default)]
    pub looks_at: Option<LooksAt>,
    #[serde(default)]
    pub parameters: BTreeMap<String, Parameter>,
    /// Names the duration parameter that says for how long a new org is only learnt.
    #[serde(default)]
    pub warm_up: Option<String>,
    /// Data files that the SQL reads.
    #[serde(default)]
    pub data: Vec<String>,
    #[serde(default)]
    pub ledgers: BTreeMap<String, Ledger>,
    #[serde(default)]
    pub rollups: BTreeMap<String, Rollup>,
    /// Columns of a claim that name the thing.
    pub subject: Vec<String>,
    /// One statement that returns claims.
    pub claims: String,
    #[serde(default)]
    pub compared: BTreeMap<String, Compared>,
    /// How reports list its findings; without it, with everything that they show.
    #[serde(default)]
    pub section: Option<Section>,
    /// For one that tests: what chance alone raises.
    #[serde(default)]
    pub statistical: Option<Statistical>,
    pub text: Text,
    /// Predicate over events that returns a finding's evidence.
    pub evidence: Template,
    pub meaning: String,
    pub false_positives: String,
    pub next_step: String,
    #[serde(default)]
    pub stories: Vec<Story>,
}

/// Whose rows one judgement may see together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One org's.
    Tenant,
    /// All orgs': for the few that must look across.
    Operator,
}

/// How far a new event reaches: what must be judged again because of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dependence {
    /// The whole org (of an operator's detector: everything).
    Org,
    /// Only the series with the same values in these columns.
    Series(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// As soon as the events are committed.
    Eager,
    /// When the watermark passes the end of an epoch-aligned window of this length.
    Every(Span),
}

/// Of the rows that match `when`, these columns must be filled at least once, or the source cannot be observed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    pub when: String,
    pub columns: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    pub value: Value,
    pub unit: Unit,
    pub why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Duration,
    Integer,
    Number,
    Text,
}

/// A number that findings show beside what was expected.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    pub title: String,
    pub unit: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    pub title: Template,
    pub summary: Template,
}

/// A parameter as the SQL sees it.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterValue {
    Integer(i64),
    Number(f64),
    Text(String),
}

#[derive(Debug, Error)]
#[error("read detector \"{file}\": {what}")]
pub struct InvalidDefinition {
    /// The file's name without its ending, or its path.
    pub file: String,
    /// Key and reason.
    pub what: String,
}

impl Definition {
    /// Reads and validates the content of the file `name`.
    pub fn parse(name: &str, content: &str) -> Result<Self, InvalidDefinition> {
        let failed = |what| InvalidDefinition { file: name.to_owned(), what };
        let definition: Self = serde_yaml_ng::from_str(content).map_err(|error| failed(error.to_string()))?;
        if definition.id.as_str() != name {
            return Err(failed(format!("id: \"{}\" is not the name of the file", definition.id)));
        }
        check::check(&definition).map_err(failed)?;
        Ok(definition)
    }

    /// The columns whose values say what must be judged together.
    pub fn grain(&self) -> Vec<&str> {
        let org = (self.scope == Scope::Tenant).then_some("org_id");
        let series = match &self.dependence {
            Dependence::Org => &[][..],
            Dependence::Series(columns) => columns,
        };
        org.into_iter().chain(series.iter().map(String::as_str)).collect()
    }
}

impl Parameter {
    pub fn typed(&self) -> Option<ParameterValue> {
        match self.unit {
            Unit::Duration => Span::parse(self.value.as_str()?).map(|span| ParameterValue::Integer(span.micros())),
            Unit::Integer => self.value.as_i64().map(ParameterValue::Integer),
            Unit::Number => self.value.as_f64().filter(|number| number.is_finite()).map(ParameterValue::Number),
            Unit::Text => self.value.as_str().map(|text| ParameterValue::Text(text.to_owned())),
        }
    }
}

impl Judged {
    pub fn length(self) -> Option<Span> {
        match self {
            Self::Eager => None,
            Self::Every(length) => Some(length),
        }
    }
}

impl<'de> Deserialize<'de> for Dependence {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Series {
            series: Vec<String>,
        }
        match Value::deserialize(input)? {
            Value::String(word) if word == "org" => Ok(Self::Org),
            other => serde_yaml_ng::from_value::<Series>(other)
                .map(|found| Self::Series(found.series))
                .map_err(|_| de::Error::custom("dependence is `org` or `{series: [columns]}`")),
        }
    }
}

impl<'de> Deserialize<'de> for Judged {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Every {
            every: Span,
        }
        match Value::deserialize(input)? {
            Value::String(word) if word == "eager" => Ok(Self::Eager),
            other => serde_yaml_ng::from_value::<Every>(other)
                .map(|found| Self::Every(found.every))
                .map_err(|_| de::Error::custom("judged is `eager` or `{every: 5m}`")),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const SMALL: &str = r#"
id: first-host
title: First host
severity: high
scope: tenant
dependence: org
judged: eager
parameters:
  warm_up: {value: 7d, unit: duration, why: "agents learn for a week"}
ledgers:
  hosts: {keys: [org_id, dest_host], when: "dest_host IS NOT NULL"}
subject: [dest_host]
claims: |
  SELECT org_id, dest_host FROM hosts
compared:
  calls: {title: "calls", unit: calls}
text:
  title: "first call to {dest_host}"
  summary: "{dest_host} was called at {raised_time}"
evidence: "dest_host = {dest_host}"
meaning: m
false_positives: f
next_step: n
"#;

    fn refusal(from: &str, to: &str) -> String {
        assert!(SMALL.contains(from), "{from}");
        Definition::parse("first-host", &SMALL.replacen(from, to, 1)).unwrap_err().to_string()
    }

    #[test]
    fn a_small_file_is_a_detector() {
        let definition = Definition::parse("first-host", SMALL).unwrap();
        assert_eq!(definition.grain(), ["org_id"]);
        assert_eq!(definition.judged, Judged::Eager);
        assert_eq!(
            definition.parameters["warm_up"].typed(),
            Some(ParameterValue::Integer(7 * credwatch_schemas::time::DAY))
        );
    }

    #[test]
    fn an_unknown_key_is_named_with_its_file() {
        let said = refusal("title: First host", "titel: First host");
        assert!(said.contains("first-host") && said.contains("titel"), "{said}");
    }

    #[test]
    fn what_can_be_told_wrong_without_events_is_refused_with_its_key() {
        for (from, to, named) in [
            ("id: first-host", "id: First_Host", "id"),
            ("id: first-host", "id: other-host", "id"),
            ("judged: eager", "judged: hourly", "judged"),
            ("judged: eager", "judged: {every: 0s}", "judged"),
            (
                "judged: eager",
                "judged: eager\nlooks_at: {when: 'true', columns: [org_id]}",
                "looks_at: columns must hold time",
            ),
            ("judged: eager", "judged: eager\nlooks_at: {when: 'true', columns: [org_id, time, host]}", "\"host\""),
            ("judged: eager", "judged: eager\nlooks_at: {when: 'true', columns: [org_id, time, time]}", "twice"),
            ("dependence: org", "dependence: {series: [agent_id]}", "dependence"),
            ("value: 7d", "value: 7", "parameters.warm_up"),
            ("keys: [org_id, dest_host]", "keys: [dest_host]", "ledgers.hosts"),
            ("keys: [org_id, dest_host]", "keys: [org_id, host]", "ledgers.hosts"),
            ("subject: [dest_host]", "subject: []", "subject"),
            ("subject: [dest_host]", "subject: [host]", "subject"),
            ("meaning: m", "meaning: ''", "meaning"),
        ] {
            let said = refusal(from, to);
            assert!(said.contains(named), "{to}: {said}");
        }
    }
}
