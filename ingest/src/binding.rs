//! What to do with the records of a topic or door: configuration, one entry a binding.
//!
//! Where a binding names source or org, the binding decides; where it does not, the payload does.

use credwatch_schemas::ids::{OrgId, SourceId};
use regex::Regex;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Binding {
    /// How people call it: `credwatch import --binding NAME`.
    pub name: String,
    /// Topic or door: a name, or a pattern that begins with `^`. Without it the binding is reached by name alone.
    pub topic: Option<String>,
    pub source: Option<SourceId>,
    pub org: Option<OrgId>,
    pub adapter: AdapterChoice,
    pub identity: IdentityRule,
}

/// Who reads the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdapterChoice {
    /// The first adapter that recognises the shape of the record.
    #[default]
    Auto,
    EventV1,
    #[serde(rename = "cloudtrail")]
    CloudTrail,
}

/// What the id of an event is made of that brings none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityRule {
    /// Its content: equal records are one event.
    #[default]
    Content,
    /// Its position: equal records are different events.
    Position,
}

impl Binding {
    /// Whether it decides about records of this topic or door.
    pub fn is_for(&self, topic: &str) -> bool {
        match (&self.topic, self.pattern()) {
            (Some(_), Ok(Some(pattern))) => pattern.is_match(topic),
            (Some(name), Ok(None)) => name == topic,
            _ => false,
        }
    }

    /// Its topic as a pattern, if it is one.
    pub fn pattern(&self) -> Result<Option<Regex>, regex::Error> {
        self.topic.as_deref().filter(|topic| topic.starts_with('^')).map(Regex::new).transpose()
    }

    /// What it decides about a record, as text that never changes: part of an import's identity. Its name and topic
    /// are not in it, because they decide nothing.
    pub fn decisions(&self) -> String {
        let Self { name: _, topic: _, source, org, adapter, identity } = self;
        let source = source.as_ref().map(SourceId::as_str);
        let org = org.as_ref().map(OrgId::as_str);
        format!("source={source:?} org={org:?} adapter={adapter:?} identity={identity:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_without_decisions_leaves_all_to_the_payload() {
        assert_eq!(Binding::default().decisions(), "source=None org=None adapter=Auto identity=Content");
    }

    #[test]
    fn its_name_decides_nothing() {
        let named = Binding { name: "eu".into(), topic: Some("^audit".into()), ..Binding::default() };
        assert_eq!(named.decisions(), Binding::default().decisions());
    }

    #[test]
    fn an_absent_org_is_another_decision_than_one_called_none() {
        let named = Binding { org: Some(OrgId::new("None")), ..Binding::default() };
        assert_ne!(named.decisions(), Binding::default().decisions());
    }

    #[test]
    fn a_topic_is_a_name_or_a_pattern_and_none_fits_nothing() {
        let binding = |topic: &str| Binding { topic: Some(topic.into()), ..Binding::default() };
        assert!(binding("audit").is_for("audit") && !binding("audit").is_for("audit-eu"));
        assert!(binding("^audit-").is_for("audit-eu") && !binding("^audit-").is_for("audit"));
        assert!(!binding("^(").is_for("(") && binding("^(").pattern().is_err());
        assert!(!Binding::default().is_for("audit"));
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let read: Result<Binding, _> = serde_json::from_str(r#"{"name":"eu","orgg":"typo"}"#);
        assert!(read.is_err());
    }

    #[test]
    fn the_words_of_the_configuration_are_those_of_the_command_line() {
        let read: Binding = serde_json::from_str(r#"{"adapter":"cloudtrail","identity":"position"}"#).unwrap();
        assert_eq!((read.adapter, read.identity), (AdapterChoice::CloudTrail, IdentityRule::Position));
        let read: Binding = serde_json::from_str(r#"{"adapter":"event-v1"}"#).unwrap();
        assert_eq!(read.adapter, AdapterChoice::EventV1);
    }
}
