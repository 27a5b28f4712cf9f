//! Settings of orgs: which there are, and what a value must be. A setting that is misspelt would silently mean nothing, so
//! keys and values are checked before they become an [`OrgSetting`].

mod edit;
mod held;

use credwatch_schemas::ids::OrgId;
use credwatch_schemas::time::Micros;
use thiserror::Error;

use crate::configuration::BEGINNING;

pub use edit::{Changed, Edit, Verb};
pub use held::Held;
pub(crate) use held::held;

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

    /// Whether its values are allowed side by side; otherwise it has one value.
    pub fn is_list(self) -> bool {
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

/// As rows say it: `None` is the beginning.
fn time(from: Micros) -> Option<Micros> {
    (from != BEGINNING).then_some(from)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
