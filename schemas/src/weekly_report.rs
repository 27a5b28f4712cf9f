//! The weekly report, version 1: one page about one org's ISO week, or about everybody's for the operator.
//!
//! What can be seen comes first and what was found after it, so that nobody takes silence for health. A document depends
//! on what the lake says of that week and of the one before, and on nothing else: made again it is the same bytes, until
//! something that it tells of has changed; then it is the next edition and says what. `schemas/wire/weekly-report-v1.schema.json`
//! is this as JSON Schema.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{PartialSchema, ToSchema};

use crate::finding::{Comparison, Severity, Status, Subject};
use crate::ids::{DetectorId, FindingId, OrgId, SourceId};
use crate::outcome::Outcome;
use crate::significant::{read, write};
use crate::time::Micros;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WeeklyReport {
    /// `weekly-report`.
    pub report: String,
    /// 1.
    pub version: i64,
    /// Null: everybody, for the operator.
    pub org_id: Option<OrgId>,
    /// ISO 8601, such as `2026-W46`.
    pub week: String,
    /// IANA name of the zone in which the week begins and ends.
    pub time_zone: String,
    /// Event time, inclusive.
    pub from_time: Micros,
    /// Event time, exclusive.
    pub to_time: Micros,
    /// 1, 2, ...
    pub edition: i64,
    /// The highest `seq` of the events that there were, of any week, when this edition was made.
    pub data_seq: i64,
    /// What is other than in the edition before.
    pub changed: Vec<Changed>,
    /// Changes beyond those listed.
    pub changed_more: i64,
    #[serde(flatten)]
    pub content: Content,
}

/// Everything but the edition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportContent)]
pub struct Content {
    /// False in a lake without clocks whose last event lies in this week: more of it may be imported.
    pub ended: bool,
    pub coverage: Coverage,
    pub findings: Findings,
    pub calls: Calls,
    /// Hosts that an agent called for the first time ever, as far back as the lake reaches.
    pub new_destinations: Vec<NewDestination>,
    pub new_destinations_more: i64,
    /// What providers said to credentials, the worst first.
    pub credentials: Vec<CredentialTrouble>,
    pub credentials_more: i64,
    /// Events whose credential or target belongs to another org.
    pub other_orgs: Vec<OtherOrg>,
    pub other_orgs_more: i64,
    /// What each detector found that was in force when the week ended, in columns that its own file declares.
    #[serde(default)]
    pub sections: Vec<Section>,
    /// What orgs allow (partners, moved connections) that ended in this week or ends in the four after it, the first to end first.
    #[serde(default)]
    pub exceptions_ending: Vec<ExceptionEnding>,
    #[serde(default)]
    pub exceptions_ending_more: i64,
    pub against_last_week: AgainstLastWeek,
}

/// What this page can speak of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportCoverage)]
pub struct Coverage {
    pub events: i64,
    /// Records with a time of this week that did not become events; null for an org, which does not see those that name no org.
    pub rejects: Option<i64>,
    /// Rejects without a time that came in this week; null likewise.
    pub rejects_undated: Option<i64>,
    /// Offsets that Kafka deleted before anybody read them, found out in this week. Whose records they were nobody knows, so
    /// every org is told of all.
    #[serde(default)]
    pub lost: i64,
    /// By org and source: all that were ever heard before the end of the week, also those that said nothing in it.
    pub sources: Vec<Source>,
    pub detectors: Vec<Detector>,
}

/// Who tells of events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportSource)]
pub struct Source {
    pub org_id: Option<OrgId>,
    pub source: Option<SourceId>,
    pub events: i64,
    /// Events that came more than 15 minutes after they happened.
    pub late: i64,
    /// Hours of the week without an event, together, from the first event of the source on.
    pub silent_hours: i64,
    /// The longest stretch of them.
    pub longest_silence: Option<Stretch>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportStretch)]
pub struct Stretch {
    pub from_time: Micros,
    pub to_time: Micros,
}

/// Whether a detector has judged this week, every event of it that is there, and what it could not see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportDetector)]
pub struct Detector {
    pub detector_id: DetectorId,
    pub title: String,
    /// `behind` where there is an event or a window of the week that it has not judged.
    pub outcome: Outcome,
    /// Findings of this week that stand, quiet ones left out.
    pub findings: i64,
    /// Sources of which the absence of findings means nothing.
    pub blind: Vec<Blind>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportBlind)]
pub struct Blind {
    pub org_id: Option<OrgId>,
    pub source: Option<SourceId>,
    pub outcome: Outcome,
    /// Columns that the source never fills.
    pub columns: Vec<String>,
    pub detail: Option<String>,
}

/// What was raised in this week.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportFindings)]
pub struct Findings {
    /// Those that stand, by severity, the worst first.
    pub by_severity: Vec<Counted>,
    /// At most ten, the worst first.
    pub top: Vec<Ranked>,
    /// So many findings of statistical detectors are expected by chance: what their budgets allow for the agents and days of the
    /// week that are there, times the part of it that is spent where nothing is wrong; null where no detector is statistical.
    pub expected_by_chance: Option<f64>,
    /// Findings of statistical detectors that stand; null where no detector is statistical.
    #[serde(default)]
    pub statistical: Option<i64>,
    /// Those of them that stand at a false discovery rate of a tenth (Benjamini and Hochberg); null likewise.
    #[serde(default)]
    pub beyond_chance: Option<i64>,
    /// Learnt, below the paging line.
    pub digest: i64,
    /// An exception matched.
    pub suppressed: i64,
    /// Later events took them back.
    pub withdrawn: i64,
    /// At most ten of those that were suppressed, and why.
    pub suppressed_because: Vec<Suppressed>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportCounted)]
pub struct Counted {
    pub severity: Severity,
    pub findings: i64,
    pub last_week: i64,
}

/// A finding in short; `credwatch findings show ID` and `GET /v1/findings/{id}` give it whole, with its evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportRanked)]
pub struct Ranked {
    pub finding_id: FindingId,
    pub detector_id: DetectorId,
    pub org_id: Option<OrgId>,
    pub severity: Severity,
    pub status: Status,
    pub title: String,
    pub summary: String,
    #[schema(inline)]
    pub subject: Subject,
    pub first_time: Micros,
    pub last_time: Micros,
    pub event_count: i64,
    pub compared: Vec<Comparison>,
    /// Of the week's findings that are at least so improbable, the share that chance makes; null where its detector is not
    /// statistical, and beyond a hundred thousand findings.
    #[serde(default)]
    pub false_discovery_rate: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportSuppressed)]
pub struct Suppressed {
    pub finding_id: FindingId,
    pub title: String,
    pub because: Option<String>,
}

/// Calls through the broker: requests per host per agent, and how they ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportCalls)]
pub struct Calls {
    /// All together.
    pub total: Ended,
    pub agents: i64,
    pub hosts: i64,
    /// An element for each hour from `from_time` on.
    pub hours: Vec<Hour>,
    /// By org, agent and host, the most called first.
    pub series: Vec<Series>,
    pub series_more: i64,
    /// Where the share of failures has grown most against the week before: the intervals do not touch.
    pub worse: Vec<Series>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportHour)]
pub struct Hour {
    pub calls: i64,
    pub failures: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportSeries)]
pub struct Series {
    pub org_id: Option<OrgId>,
    pub agent_id: Option<String>,
    pub dest_host: Option<String>,
    #[serde(flatten)]
    pub ended: Ended,
    /// The same in the week before; null: there was no call.
    pub last_week: Option<Ended>,
}

/// How calls ended.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportEnded)]
pub struct Ended {
    pub calls: i64,
    /// With `outcome = 'failure'`.
    pub failures: i64,
    /// With `outcome = 'denied'`: the broker did not let them out.
    pub denied: i64,
    /// Without an outcome, or with another word: nobody knows.
    pub unknown: i64,
    /// Failures of those with an outcome that were let out; null where there is none.
    pub failure_rate: Option<Rate>,
}

/// A share with its interval of 95 % (Wilson): small numbers say little.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportRate)]
pub struct Rate {
    pub rate: f64,
    pub low: f64,
    pub high: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportNewDestination)]
pub struct NewDestination {
    pub org_id: Option<OrgId>,
    pub agent_id: Option<String>,
    pub dest_host: String,
    pub first_time: Micros,
    /// Until the end of the week.
    pub calls: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportCredentialTrouble)]
pub struct CredentialTrouble {
    pub org_id: Option<OrgId>,
    pub provider: Option<String>,
    pub refreshes: i64,
    pub refreshes_failed: i64,
    pub revocations: i64,
    /// Connections that had to be authorised again, or should be.
    pub reauthorisations: i64,
    /// Calls that the provider answered with 401, 403 and 429.
    pub unauthorized: i64,
    pub forbidden: i64,
    pub rate_limited: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportOtherOrg)]
pub struct OtherOrg {
    pub org_id: Option<OrgId>,
    pub connection_id: Option<String>,
    /// Whose credential it was, where it was another's.
    pub credential_org_id: Option<OrgId>,
    /// Whom it went to, where that was another.
    pub target_org_id: Option<OrgId>,
    pub events: i64,
    pub first_time: Micros,
    pub last_time: Micros,
}

/// What one detector found: those of its findings that were raised in this week and stand, the worst ten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportSection)]
pub struct Section {
    pub detector_id: DetectorId,
    pub title: String,
    pub columns: Vec<Column>,
    pub rows: Vec<SectionRow>,
    pub more: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportColumn)]
pub struct Column {
    /// Of the subject, of what is compared, or of the finding.
    pub name: String,
    pub title: String,
    /// Null: a name. `time`: text as times are written here.
    pub unit: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportSectionRow)]
pub struct SectionRow {
    pub finding_id: FindingId,
    pub org_id: Option<OrgId>,
    pub severity: Severity,
    pub status: Status,
    /// By the names of the columns; what the finding does not say is not there.
    pub values: BTreeMap<String, SectionValue>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = WeeklyReportSectionValue)]
pub enum SectionValue {
    Number(#[serde(deserialize_with = "read", serialize_with = "write")] f64),
    Text(String),
}

/// Something that an org allows until a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportExceptionEnding)]
pub struct ExceptionEnding {
    pub org_id: OrgId,
    /// `partners` or `moved_connections`.
    pub key: String,
    pub value: String,
    /// Event time from which on it is not allowed.
    pub until_time: Micros,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportAgainstLastWeek)]
pub struct AgainstLastWeek {
    /// All calls of the week before.
    pub total: Ended,
    /// Agents that call this week and did not in the one before, at most ten.
    pub agents_new: Vec<Agent>,
    pub agents_new_more: i64,
    pub agents_gone: Vec<Agent>,
    pub agents_gone_more: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportAgent)]
pub struct Agent {
    pub org_id: Option<OrgId>,
    pub agent_id: Option<String>,
}

/// One value that is another than in the edition before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = WeeklyReportChanged)]
pub struct Changed {
    /// A JSON Pointer into the document; elements of lists stand under what names them.
    pub what: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

impl WeeklyReport {
    /// Whether two editions would tell a reader the same.
    pub fn says_the_same(&self, other: &Self) -> bool {
        (&self.content, &self.time_zone, self.from_time, self.to_time)
            == (&other.content, &other.time_zone, other.from_time, other.to_time)
    }
}

/// `report`.
pub const NAME: &str = "weekly-report";
/// `version`.
pub const VERSION: i64 = 1;

/// `schemas/wire/weekly-report-v1.schema.json`.
pub fn json_schema() -> serde_json::Value {
    let mut definitions = Vec::new();
    WeeklyReport::schemas(&mut definitions);
    let mut schema = serde_json::json!(WeeklyReport::schema());
    let definitions: serde_json::Map<String, serde_json::Value> =
        definitions.into_iter().map(|(name, schema)| (name, serde_json::json!(schema))).collect();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "credwatch weekly report, version 1".into();
    schema["$defs"] = definitions.into();
    in_defs(&mut schema);
    schema
}

/// References as JSON Schema has them.
fn in_defs(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => {
            if let Some(name) = text.strip_prefix("#/components/schemas/") {
                *text = format!("#/$defs/{name}");
            }
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(in_defs),
        serde_json::Value::Object(members) => members.values_mut().for_each(in_defs),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After a change to the document, `CREDWATCH_BLESS=1` writes the file anew.
    #[test]
    fn the_committed_schema_is_the_derived_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/wire/weekly-report-v1.schema.json");
        let derived = format!("{:#}\n", json_schema());
        if std::env::var_os("CREDWATCH_BLESS").is_some() {
            std::fs::write(path, &derived).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), derived);
        assert!(!derived.contains("#/components"), "every reference can be followed");
        // Beside the API's other types: two of one name would be one in its description.
        let shared =
            ["Comparison", "DetectorId", "FindingId", "OrgId", "Outcome", "Severity", "SourceId", "Status", "Time"];
        let schema = json_schema();
        let names = schema["$defs"].as_object().unwrap().keys();
        let own: Vec<_> = names.filter(|name| !shared.contains(&name.as_str())).collect();
        assert!(own.iter().all(|name| name.starts_with("WeeklyReport")), "{own:?}");
    }
}
