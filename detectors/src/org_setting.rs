//! Settings of orgs: which there are, what a value must be, and what must be recorded so that a change holds.
//!
//! A change holds from its time on, without end: where something else was recorded for later, that is changed too and
//! not lost. A setting that is misspelt would silently mean nothing, so keys and values are checked before they become
//! an [`OrgSetting`]. Pure; `recording.rs` writes.

use std::collections::BTreeMap;

use credwatch_schemas::configuration::ConfigurationKind;
use credwatch_schemas::ids::OrgId;
use credwatch_schemas::time::Micros;
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use crate::configuration::{BEGINNING, Configuration, Draft};

/// What of an org can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SettingKey {
    /// Orgs that share data with it by contract.
    Partners,
    /// Connections that came to it from another org: `conn_9 from org_b`.
    MovedConnections,
    /// The IANA name of the zone in which its days begin.
    TimeZone,
}

/// A value that fits its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgSetting {
    pub org: OrgId,
    pub key: SettingKey,
    pub value: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidSetting {
    #[error("{0:?} is no setting; there are {names}", names = SettingKey::names())]
    Key(String),
    #[error("partners takes the id of one other org, such as org_b; {0:?} is not one")]
    Partner(String),
    #[error(
        "moved_connections takes a connection and the org it came from, such as \"conn_9 from org_b\"; {0:?} is not so"
    )]
    Move(String),
    #[error("time_zone takes the IANA name of a zone, such as Europe/Berlin; {0:?} is none")]
    TimeZone(String),
    #[error("{org} needs no setting to be allowed to meet itself")]
    Itself { org: OrgId },
    #[error("{0} is a list: values are added and removed")]
    List(&'static str),
    #[error("{0} has one value: it is set, not added to")]
    One(&'static str),
}

/// What is to become of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    verb: Verb,
    setting: OrgSetting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// One more value of a list.
    Add,
    /// The value no longer holds.
    Remove,
    /// The value, whatever it was.
    Set,
}

/// What a change came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Changed {
    /// It was so already.
    Nothing,
    /// It is so from here on; `None` is the beginning.
    From(Option<Micros>),
}

/// A value of an org, and the event time in which it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    pub org_id: OrgId,
    pub key: String,
    pub value: String,
    /// `None` is the beginning.
    pub from_time: Option<Micros>,
    /// `None`: it holds still.
    pub until_time: Option<Micros>,
}

impl SettingKey {
    pub const ALL: [Self; 3] = [Self::Partners, Self::MovedConnections, Self::TimeZone];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Partners => "partners",
            Self::MovedConnections => "moved_connections",
            Self::TimeZone => "time_zone",
        }
    }

    pub fn parse(text: &str) -> Result<Self, InvalidSetting> {
        let found = Self::ALL.into_iter().find(|key| key.as_str() == text);
        found.ok_or_else(|| InvalidSetting::Key(text.to_owned()))
    }

    fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    fn is_list(self) -> bool {
        match self {
            Self::Partners | Self::MovedConnections => true,
            Self::TimeZone => false,
        }
    }
}

impl OrgSetting {
    pub fn new(org: OrgId, key: SettingKey, text: &str) -> Result<Self, InvalidSetting> {
        let value = match key {
            SettingKey::Partners => partner(&org, text)?,
            SettingKey::MovedConnections => moved_connection(&org, text)?,
            SettingKey::TimeZone => time_zone(text)?,
        };
        Ok(Self { org, key, value })
    }
}

fn partner(org: &OrgId, text: &str) -> Result<String, InvalidSetting> {
    let other = name(text).ok_or_else(|| InvalidSetting::Partner(text.to_owned()))?;
    of_another(org, other)?;
    Ok(other.to_owned())
}

fn moved_connection(org: &OrgId, text: &str) -> Result<String, InvalidSetting> {
    let parts = text.split_once(" from ").and_then(|(connection, other)| Some((name(connection)?, name(other)?)));
    let (connection, other) = parts.ok_or_else(|| InvalidSetting::Move(text.to_owned()))?;
    of_another(org, other)?;
    Ok(format!("{connection} from {other}"))
}

fn time_zone(text: &str) -> Result<String, InvalidSetting> {
    let zone: chrono_tz::Tz = text.trim().parse().map_err(|_| InvalidSetting::TimeZone(text.to_owned()))?;
    Ok(zone.name().to_owned())
}

/// One id. Whoever writes several into one value would allow none of them.
fn name(text: &str) -> Option<&str> {
    let text = text.trim();
    let separates = |one: char| one.is_whitespace() || one.is_control() || one == ',';
    (!text.is_empty() && !text.contains(separates)).then_some(text)
}

fn of_another(org: &OrgId, other: &str) -> Result<(), InvalidSetting> {
    // Detectors compare orgs without regard to case.
    if org.as_str().trim().to_lowercase() == other.to_lowercase() {
        return Err(InvalidSetting::Itself { org: org.clone() });
    }
    Ok(())
}

impl Edit {
    pub fn new(verb: Verb, setting: OrgSetting) -> Result<Self, InvalidSetting> {
        match verb {
            Verb::Add if !setting.key.is_list() => Err(InvalidSetting::One(setting.key.as_str())),
            Verb::Set if setting.key.is_list() => Err(InvalidSetting::List(setting.key.as_str())),
            Verb::Add | Verb::Set | Verb::Remove => Ok(Self { verb, setting }),
        }
    }

    pub fn verb(&self) -> Verb {
        self.verb
    }

    pub fn setting(&self) -> &OrgSetting {
        &self.setting
    }

    /// The rows to record; none when everything from `from` on is so already.
    pub(crate) fn drafts(&self, known: &Configuration, from: Option<Micros>) -> Vec<Draft> {
        let from = from.unwrap_or(BEGINNING);
        let mut values = known.values(&self.setting.org, self.setting.key.as_str());
        if let Some(there) = values.range(..=from).next_back().map(|(_, there)| there.clone()) {
            values.insert(from, there);
        }
        let (mut drafts, mut recorded) = (Vec::new(), None);
        for (time, before) in values.range(from..) {
            let after = self.applied(before);
            // A row that is recorded now outlasts all that were recorded before it, so what follows must be said again.
            if after != *recorded.as_ref().unwrap_or(before) {
                drafts.push(self.draft(&after, *time));
                recorded = Some(after);
            }
        }
        drafts
    }

    fn applied(&self, before: &[String]) -> Vec<String> {
        let value = &self.setting.value;
        let mut after = before.to_vec();
        match self.verb {
            Verb::Add if before.contains(value) => {}
            Verb::Add => after.push(value.clone()),
            Verb::Remove => after.retain(|one| one != value),
            Verb::Set => after = vec![value.clone()],
        }
        after
    }

    fn draft(&self, values: &[String], from: Micros) -> Draft {
        let one = || values.first().map(|value| Value::String(value.clone()).to_string());
        Draft {
            kind: ConfigurationKind::OrgSettings,
            org_id: Some(self.setting.org.clone()),
            name: self.setting.key.as_str().to_owned(),
            content: if self.setting.key.is_list() { Some(Value::from(values).to_string()) } else { one() },
            from_time: time(from),
        }
    }
}

/// Every value that was ever set, by org, key, value and time.
pub(crate) fn held(known: &Configuration) -> Vec<Held> {
    let mut all = Vec::new();
    for (org, key) in known.keys_of_orgs() {
        all.extend(held_of(org, key, &known.values(org, key)));
    }
    all.sort_by(|a, b| (&a.org_id, &a.key, &a.value, a.from_time).cmp(&(&b.org_id, &b.key, &b.value, b.from_time)));
    all
}

fn held_of(org: &OrgId, key: &str, values: &BTreeMap<Micros, Vec<String>>) -> Vec<Held> {
    let mut began: BTreeMap<&String, Micros> = BTreeMap::new();
    let mut all = Vec::new();
    let one = |value: &String, from: Micros, until: Option<Micros>| Held {
        org_id: org.clone(),
        key: key.to_owned(),
        value: value.clone(),
        from_time: time(from),
        until_time: until,
    };
    for (now, there) in values {
        let ended: Vec<_> = began.extract_if(.., |value, _| !there.contains(value)).collect();
        all.extend(ended.into_iter().map(|(value, from)| one(value, from, Some(*now))));
        for value in there {
            began.entry(value).or_insert(*now);
        }
    }
    all.extend(began.into_iter().map(|(value, from)| one(value, from, None)));
    all
}

fn time(from: Micros) -> Option<Micros> {
    (from != BEGINNING).then_some(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(verb: Verb, key: SettingKey, value: &str) -> Edit {
        Edit::new(verb, OrgSetting::new(OrgId::new("org_a"), key, value).unwrap()).unwrap()
    }

    fn add(value: &str) -> Edit {
        edit(Verb::Add, SettingKey::Partners, value)
    }

    fn remove(value: &str) -> Edit {
        edit(Verb::Remove, SettingKey::Partners, value)
    }

    /// What is known after these edits, one after the other.
    fn after(edits: &[(Edit, Option<i64>)]) -> Configuration {
        let mut rows = Vec::new();
        for (edit, from) in edits {
            for draft in edit.drafts(&Configuration::new(rows.clone()), from.map(Micros)) {
                let mut row = draft.recorded(Micros(0), "1");
                row.seq = Some(rows.len() as i64 + 1);
                rows.push(row);
            }
        }
        Configuration::new(rows)
    }

    fn at(known: &Configuration, time: i64) -> Vec<String> {
        known.settings(Micros(time)).into_iter().map(|setting| setting.value).collect()
    }

    #[test]
    fn a_change_holds_from_its_time_on() {
        let known = after(&[(add("org_b"), Some(100))]);
        assert_eq!((at(&known, 99), at(&known, 100)), (vec![], vec!["org_b".to_owned()]));
    }

    #[test]
    fn a_backdated_change_does_not_lose_what_was_recorded_for_later() {
        let known = after(&[(add("org_b"), Some(100)), (remove("org_b"), Some(200)), (add("org_c"), None)]);
        assert_eq!(at(&known, 0), ["org_c"]);
        assert_eq!(at(&known, 100), ["org_b", "org_c"]);
        assert_eq!(at(&known, 200), ["org_c"]);
    }

    #[test]
    fn what_is_so_already_is_not_recorded_again() {
        let known = after(&[(add("org_b"), Some(100))]);
        assert_eq!(add("org_b").drafts(&known, Some(Micros(100))), []);
        assert_eq!(add("org_b").drafts(&known, Some(Micros(500))), []);
        assert_eq!(remove("org_x").drafts(&known, None), []);
        assert_eq!(add("org_b").drafts(&known, None).len(), 1);
    }

    #[test]
    fn what_is_removed_from_the_beginning_never_held() {
        let known = after(&[(add("org_b"), Some(100)), (add("org_c"), Some(200)), (remove("org_b"), None)]);
        assert_eq!((at(&known, 100), at(&known, 200)), (vec![], vec!["org_c".to_owned()]));
    }

    #[test]
    fn the_one_value_of_a_key_takes_the_place_of_another() {
        let zone = |verb, name| edit(verb, SettingKey::TimeZone, name);
        let set = [(zone(Verb::Set, "Europe/Berlin"), None), (zone(Verb::Set, "Asia/Tokyo"), Some(50))];
        assert_eq!(at(&after(&set), 49), ["Europe/Berlin"]);
        assert_eq!(at(&after(&set), 50), ["Asia/Tokyo"]);
        let removed = after(&[set.as_slice(), &[(zone(Verb::Remove, "Asia/Tokyo"), Some(60))]].concat());
        assert_eq!(at(&removed, 60), [] as [String; 0]);
    }

    #[test]
    fn a_list_of_what_held_says_from_when_until_when() {
        let known = after(&[(add("org_b"), None), (add("org_c"), Some(100)), (remove("org_b"), Some(200))]);
        let told: Vec<_> = held(&known)
            .into_iter()
            .map(|held| (held.value, held.from_time.map(|time| time.0), held.until_time.map(|time| time.0)))
            .collect();
        assert_eq!(told, [("org_b".to_owned(), None, Some(200)), ("org_c".to_owned(), Some(100), None)]);
    }

    #[test]
    fn a_value_fits_its_key_or_is_refused_with_what_would_fit() {
        let of = |key, text| OrgSetting::new(OrgId::new("org_a"), key, text).map(|setting| setting.value);
        assert_eq!(of(SettingKey::Partners, " org_b "), Ok("org_b".to_owned()));
        assert_eq!(of(SettingKey::MovedConnections, "conn_9  from org_b"), Ok("conn_9 from org_b".to_owned()));
        assert_eq!(of(SettingKey::TimeZone, "Europe/Berlin"), Ok("Europe/Berlin".to_owned()));
        for (key, text, said) in [
            (SettingKey::Partners, "", "one other org"),
            (SettingKey::Partners, "org_b, org_c", "one other org"),
            (SettingKey::Partners, "ORG_A", "itself"),
            (SettingKey::MovedConnections, "conn_9", "conn_9 from org_b"),
            (SettingKey::MovedConnections, "conn_9 from org_b from org_c", "conn_9 from org_b"),
            (SettingKey::MovedConnections, "conn_9 from org_a", "itself"),
            (SettingKey::TimeZone, "Berlin", "Europe/Berlin"),
        ] {
            let why = of(key, text).unwrap_err().to_string();
            assert!(why.contains(said), "{text:?}: {why}");
        }
    }

    #[test]
    fn a_key_that_nobody_reads_is_refused_with_those_that_there_are() {
        let why = SettingKey::parse("partner").unwrap_err().to_string();
        assert_eq!(why, "\"partner\" is no setting; there are partners, moved_connections, time_zone");
    }

    #[test]
    fn a_list_is_added_to_and_a_single_value_is_set() {
        let setting = |key, text| OrgSetting::new(OrgId::new("org_a"), key, text).unwrap();
        let list = setting(SettingKey::Partners, "org_b");
        assert_eq!(Edit::new(Verb::Set, list), Err(InvalidSetting::List("partners")));
        let one = setting(SettingKey::TimeZone, "UTC");
        assert_eq!(Edit::new(Verb::Add, one), Err(InvalidSetting::One("time_zone")));
    }
}
