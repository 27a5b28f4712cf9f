//! A change of a setting, and what must be recorded so that it holds.
//!
//! It holds from its time on, without end or until one: where something else was recorded for later, that is changed too and not
//! lost. Pure; `recording.rs` writes.

use credwatch_schemas::configuration::ConfigurationKind;
use credwatch_schemas::time::Micros;
use serde_json::Value;

use super::{InvalidSetting, OrgSetting, time};
use crate::configuration::{BEGINNING, Configuration, Draft};

/// What is to become of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    verb: Verb,
    setting: OrgSetting,
    /// From here on all is as it was.
    until: Option<Micros>,
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

impl Edit {
    pub fn new(verb: Verb, setting: OrgSetting) -> Result<Self, InvalidSetting> {
        match verb {
            Verb::Add if !setting.key.is_list() => Err(InvalidSetting::One(setting.key.as_str())),
            Verb::Set if setting.key.is_list() => Err(InvalidSetting::List(setting.key.as_str())),
            Verb::Add | Verb::Set | Verb::Remove => Ok(Self { verb, setting, until: None }),
        }
    }

    /// The same, until a time.
    #[must_use]
    pub fn ending(self, until: Option<Micros>) -> Self {
        Self { until, ..self }
    }

    pub fn until(&self) -> Option<Micros> {
        self.until
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
        for time in [Some(from), self.until.filter(|until| *until > from)].into_iter().flatten() {
            if let Some(there) = values.range(..=time).next_back().map(|(_, there)| there.clone()) {
                values.insert(time, there);
            }
        }
        let (mut drafts, mut recorded) = (Vec::new(), None);
        for (time, before) in values.range(from..) {
            let is_over = self.until.is_some_and(|until| *time >= until);
            let after = if is_over { before.clone() } else { self.applied(before) };
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

#[cfg(test)]
pub(super) mod tests {
    use credwatch_schemas::ids::OrgId;

    use super::*;
    use crate::org_setting::SettingKey;

    fn edit(verb: Verb, key: SettingKey, value: &str) -> Edit {
        Edit::new(verb, OrgSetting::new(OrgId::new("org_a"), key, value).unwrap()).unwrap()
    }

    pub(in crate::org_setting) fn add(value: &str) -> Edit {
        edit(Verb::Add, SettingKey::Partners, value)
    }

    pub(in crate::org_setting) fn remove(value: &str) -> Edit {
        edit(Verb::Remove, SettingKey::Partners, value)
    }

    /// What is known after these edits, one after the other.
    pub(in crate::org_setting) fn after(edits: &[(Edit, Option<i64>)]) -> Configuration {
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
    fn a_list_is_added_to_and_a_single_value_is_set() {
        let setting = |key, text| OrgSetting::new(OrgId::new("org_a"), key, text).unwrap();
        let list = setting(SettingKey::Partners, "org_b");
        assert_eq!(Edit::new(Verb::Set, list), Err(InvalidSetting::List("partners")));
        let one = setting(SettingKey::TimeZone, "UTC");
        assert_eq!(Edit::new(Verb::Add, one), Err(InvalidSetting::One("time_zone")));
    }
}
