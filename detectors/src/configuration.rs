//! What a judgement depends on besides events, as recorded in the lake: detector files, data files, settings of orgs,
//! `learn_until`. Every run uses these rows and nothing else, so that it can be repeated.
//!
//! Rows hold as of event time: at t, the one recorded last among those with `from_time` <= t. A judgement uses the rows
//! of its `raised_time`, so a judged interval is cut where a row begins to hold ([`Configuration::cuts`]).

use std::collections::{BTreeMap, BTreeSet};

use credwatch_schemas::configuration::{ConfigurationKind, ConfigurationRow};
use credwatch_schemas::ids::{DetectorId, OrgId};
use credwatch_schemas::time::Micros;
use serde_json::{Map, Value};

use crate::data_file::DataTable;
use crate::definition::Definition;

/// All rows, in the order of recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configuration {
    rows: Vec<ConfigurationRow>,
}

/// One setting of one org, as a row of the table `org_settings`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setting {
    pub org_id: String,
    pub key: String,
    pub value: String,
}

/// Rows of a kind, and of a name where one is given.
#[derive(Debug, Clone, Copy)]
pub struct Concern<'a> {
    pub kind: ConfigurationKind,
    pub name: Option<&'a str>,
}

/// The beginning of event time: rows without `from_time` hold from here.
pub const BEGINNING: Micros = Micros(i64::MIN);

/// Since when something is to hold, where somebody says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    Beginning,
    Time(Micros),
}

impl Since {
    /// As rows say it: `None` is the beginning.
    pub fn from_time(self) -> Option<Micros> {
        match self {
            Self::Beginning => None,
            Self::Time(time) => Some(time),
        }
    }
}

impl Configuration {
    pub fn new(mut rows: Vec<ConfigurationRow>) -> Self {
        rows.sort_by_key(|row| row.seq);
        Self { rows }
    }

    pub fn highest_seq(&self) -> i64 {
        self.rows.iter().filter_map(|row| row.seq).max().unwrap_or(0)
    }

    /// Every detector that was ever recorded.
    pub fn detectors(&self) -> BTreeSet<DetectorId> {
        let files = self.rows.iter().filter(|row| row.kind == ConfigurationKind::Detector);
        files.map(|row| DetectorId::new(&row.name)).collect()
    }

    /// Every content that a detector's file ever had.
    pub fn contents(&self, id: &DetectorId) -> BTreeSet<&str> {
        let files = self.rows.iter().filter(|row| row.kind == ConfigurationKind::Detector && row.name == id.as_str());
        files.filter_map(|row| row.content.as_deref()).collect()
    }

    /// The row in force at `time`.
    pub fn at(
        &self,
        kind: ConfigurationKind,
        org: Option<&OrgId>,
        name: &str,
        time: Micros,
    ) -> Option<&ConfigurationRow> {
        let holds = |row: &&ConfigurationRow| {
            row.kind == kind && row.org_id.as_ref() == org && row.name == name && from(row) <= time
        };
        self.rows.iter().rev().find(holds)
    }

    /// The row recorded last, whenever it holds.
    pub fn last(&self, kind: ConfigurationKind, name: &str) -> Option<&ConfigurationRow> {
        self.rows.iter().rev().find(|row| row.kind == kind && row.name == name)
    }

    /// A detector's file in force at `time`; `None` when there is none, or it is switched off.
    pub fn detector(&self, id: &DetectorId, time: Micros) -> Option<&str> {
        self.at(ConfigurationKind::Detector, None, id.as_str(), time)?.content.as_deref()
    }

    /// The data file in force at `time`.
    pub fn data(&self, name: &str, time: Micros) -> Option<&str> {
        self.at(ConfigurationKind::Data, None, name, time)?.content.as_deref()
    }

    pub fn learn_until(&self, time: Micros) -> Option<Micros> {
        Micros::parse(self.at(ConfigurationKind::LearnUntil, None, LEARN_UNTIL, time)?.content.as_deref()?)
    }

    /// Every org's settings in force at `time`, one row an element.
    pub fn settings(&self, time: Micros) -> Vec<Setting> {
        let mut in_force: BTreeMap<(&OrgId, &str), &ConfigurationRow> = BTreeMap::new();
        for (org, row) in self.rows_of_orgs().filter(|(_, row)| from(row) <= time) {
            in_force.insert((org, &row.name), row);
        }
        in_force.into_iter().flat_map(|((org, name), row)| elements(org, name, row.content.as_deref())).collect()
    }

    /// What a key of an org says, by the time from which on, the beginning first.
    pub(crate) fn values(&self, org: &OrgId, key: &str) -> BTreeMap<Micros, Vec<String>> {
        let rows = self.rows_of_orgs().filter(|(of, row)| *of == org && row.name == key);
        let mut times = BTreeSet::from([BEGINNING]);
        times.extend(rows.map(|(_, row)| from(row)));
        let at = |time: Micros| {
            let content =
                self.at(ConfigurationKind::OrgSettings, Some(org), key, time).and_then(|row| row.content.as_deref());
            elements(org, key, content).into_iter().map(|setting| setting.value).collect()
        };
        times.into_iter().map(|time| (time, at(time))).collect()
    }

    /// Every key that was ever recorded for an org.
    pub(crate) fn keys_of_orgs(&self) -> BTreeSet<(&OrgId, &str)> {
        self.rows_of_orgs().map(|(org, row)| (org, row.name.as_str())).collect()
    }

    fn rows_of_orgs(&self) -> impl Iterator<Item = (&OrgId, &ConfigurationRow)> {
        let settings = self.rows.iter().filter(|row| row.kind == ConfigurationKind::OrgSettings);
        settings.filter_map(|row| Some((row.org_id.as_ref()?, row)))
    }

    /// Event times at which what concerns the detector changes, ascending, the beginning first.
    pub fn cuts(&self, concerns: &[Concern<'_>]) -> Vec<Micros> {
        let mut cuts = BTreeSet::from([BEGINNING]);
        cuts.extend(self.concerning(concerns).map(from));
        cuts.into_iter().collect()
    }

    /// Since when, and for whom, rows recorded after `seq` hold; `None` is everybody.
    pub fn changed_after(&self, seq: i64, concerns: &[Concern<'_>]) -> BTreeMap<Option<OrgId>, Micros> {
        let mut changed: BTreeMap<Option<OrgId>, Micros> = BTreeMap::new();
        for row in self.concerning(concerns).filter(|row| row.seq > Some(seq)) {
            let since = changed.entry(row.org_id.clone()).or_insert(from(row));
            *since = (*since).min(from(row));
        }
        changed
    }

    fn concerning<'a>(&'a self, concerns: &'a [Concern<'_>]) -> impl Iterator<Item = &'a ConfigurationRow> {
        let concerned = |row: &ConfigurationRow, one: &Concern<'_>| {
            row.kind == one.kind && one.name.is_none_or(|name| name == row.name)
        };
        self.rows.iter().filter(move |row| concerns.iter().any(|one| concerned(row, one)))
    }
}

/// Name of the one row kind that has no other name.
pub const LEARN_UNTIL: &str = "learn_until";

fn from(row: &ConfigurationRow) -> Micros {
    row.from_time.unwrap_or(BEGINNING)
}

fn elements(org: &OrgId, key: &str, content: Option<&str>) -> Vec<Setting> {
    let Some(content) = content else { return Vec::new() };
    let setting = |value: String| Setting { org_id: org.as_str().to_owned(), key: key.to_owned(), value };
    let plain = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    match serde_json::from_str::<Value>(content) {
        Ok(Value::Array(items)) => items.into_iter().map(|item| setting(plain(item))).collect(),
        Ok(value) => vec![setting(plain(value))],
        Err(_) => vec![setting(content.to_owned())],
    }
}

/// Settings of an org as rows to record: one a key, its value as JSON.
pub fn setting_rows(org: &OrgId, settings: &Map<String, Value>, from_time: Option<Micros>) -> Vec<Draft> {
    let row = |(key, value): (&String, &Value)| Draft {
        kind: ConfigurationKind::OrgSettings,
        org_id: Some(org.clone()),
        name: key.clone(),
        content: Some(value.to_string()),
        from_time,
    };
    settings.iter().map(row).collect()
}

/// A configuration row before it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub kind: ConfigurationKind,
    pub org_id: Option<OrgId>,
    pub name: String,
    pub content: Option<String>,
    pub from_time: Option<Micros>,
}

impl Draft {
    pub fn recorded(self, now: Micros, build: &str) -> ConfigurationRow {
        ConfigurationRow {
            kind: self.kind,
            org_id: self.org_id,
            name: self.name,
            content: self.content,
            from_time: self.from_time,
            seq: None,
            recorded_time: now,
            build: build.to_owned(),
        }
    }
}

/// The files of a build against the rows: what must be recorded so that they are in force.
///
/// A file holds from `from`: the watermark of the moment, or the beginning in a lake without clocks. Nothing is
/// recorded over a row of a newer build: an old process must not bring an old file back.
pub fn activations<'a>(
    known: &Configuration,
    files: impl Iterator<Item = (ConfigurationKind, &'a str, &'a str)>,
    from: Option<Micros>,
    build: &str,
) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for (kind, name, content) in files {
        let needed = match known.last(kind, name) {
            None => true,
            Some(row) => row.content.as_deref() != Some(content) && !is_newer(&row.build, build),
        };
        if needed {
            let (name, content) = (name.to_owned(), Some(content.to_owned()));
            drafts.push(Draft { kind, org_id: None, name, content, from_time: from });
        }
    }
    drafts
}

/// Compares dotted numbers; what is no number counts as 0.
fn is_newer(one: &str, other: &str) -> bool {
    let numbers =
        |build: &str| -> Vec<u64> { build.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0)).collect() };
    numbers(one) > numbers(other)
}

/// What of the configuration concerns a detector with this file.
pub fn concerns(definition: &Definition) -> Vec<Concern<'_>> {
    let mut concerns = vec![Concern { kind: ConfigurationKind::Detector, name: Some(definition.id.as_str()) }];
    let data = definition.data.iter().map(|name| Concern { kind: ConfigurationKind::Data, name: Some(name) });
    concerns.extend(data);
    if definition.claims.contains("org_settings") {
        concerns.push(Concern { kind: ConfigurationKind::OrgSettings, name: None });
    }
    if definition.claims.contains("$learn_until") {
        concerns.push(Concern { kind: ConfigurationKind::LearnUntil, name: None });
    }
    concerns
}

/// A detector's data tables as of `time`; the name of one that is missing or unreadable otherwise.
pub fn data_tables(
    configuration: &Configuration,
    definition: &Definition,
    time: Micros,
) -> Result<Vec<DataTable>, String> {
    let mut tables = Vec::new();
    for name in &definition.data {
        let content = configuration.data(name, time).ok_or_else(|| format!("the data file \"{name}\" is not there"))?;
        tables.push(DataTable::parse(name, content).map_err(|error| error.to_string())?);
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seq: i64, name: &str, content: &str, from_time: Option<i64>) -> ConfigurationRow {
        ConfigurationRow {
            kind: ConfigurationKind::Detector,
            org_id: None,
            name: name.to_owned(),
            content: Some(content.to_owned()),
            from_time: from_time.map(Micros),
            seq: Some(seq),
            recorded_time: Micros(0),
            build: "0.2.0".to_owned(),
        }
    }

    #[test]
    fn the_row_recorded_last_among_those_that_began_holds() {
        let known = Configuration::new(vec![
            row(3, "d", "later", Some(50)),
            row(1, "d", "first", None),
            row(2, "d", "second", Some(100)),
        ]);
        let id = DetectorId::new("d");
        assert_eq!(known.detector(&id, Micros(10)), Some("first"));
        assert_eq!(known.detector(&id, Micros(50)), Some("later"));
        assert_eq!(known.detector(&id, Micros(200)), Some("later"));
        assert_eq!(known.detector(&DetectorId::new("e"), Micros(200)), None);
    }

    #[test]
    fn what_was_recorded_since_says_from_when_it_holds() {
        let known = Configuration::new(vec![row(1, "d", "first", None), row(2, "d", "second", Some(100))]);
        let concerns = [Concern { kind: ConfigurationKind::Detector, name: Some("d") }];
        assert_eq!(known.cuts(&concerns), [BEGINNING, Micros(100)]);
        assert_eq!(known.changed_after(1, &concerns), BTreeMap::from([(None, Micros(100))]));
        assert_eq!(known.changed_after(2, &concerns), BTreeMap::new());
    }

    #[test]
    fn an_older_build_does_not_bring_its_file_back() {
        let known = Configuration::new(vec![row(1, "d", "new", None)]);
        let files = || [(ConfigurationKind::Detector, "d", "old")].into_iter();
        assert_eq!(activations(&known, files(), None, "0.1.9"), []);
        assert_eq!(activations(&known, files(), Some(Micros(7)), "0.2.0").len(), 1);
        assert_eq!(activations(&known, [(ConfigurationKind::Detector, "d", "new")].into_iter(), None, "0.3.0"), []);
    }

    #[test]
    fn a_list_of_settings_is_one_row_an_element() {
        let org = OrgId::new("org_a");
        let settings: Map<String, Value> =
            serde_json::from_str(r#"{"partners": ["org_b", "org_c"], "moves": {"x": 1}, "none": []}"#).unwrap();
        let rows = setting_rows(&org, &settings, None).into_iter().enumerate().map(|(place, draft)| {
            let mut row = draft.recorded(Micros(0), "1");
            row.seq = Some(place as i64 + 1);
            row
        });
        let known = Configuration::new(rows.collect());
        let values: Vec<_> = known.settings(Micros(0)).into_iter().map(|one| (one.key, one.value)).collect();
        let expected = [("moves", r#"{"x":1}"#), ("partners", "org_b"), ("partners", "org_c")];
        assert_eq!(values, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
