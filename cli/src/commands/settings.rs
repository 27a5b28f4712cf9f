//! `credwatch settings list|add|remove|set`: what orgs allow and how they count, since an event time.

use std::process::ExitCode;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use credwatch_detectors::org_setting::{Changed, Edit, Held, OrgSetting, Verb};
use credwatch_detectors::{change_setting, settings};
use credwatch_query::TenantScope;
use credwatch_query::format::{OutputFormat, write};
use credwatch_schemas::event::timestamp;
use credwatch_schemas::rows::to_batch;
use credwatch_schemas::time::Micros;
use credwatch_server::detector_status::sees;

use crate::args::{Change, Settings, misuse};
use crate::output;
use crate::plain_text::{begins, one_line};
use crate::setting::Setting;
use crate::wall_clock::now;

pub(crate) async fn run(setting: &Setting, asked: Settings) -> anyhow::Result<ExitCode> {
    match asked {
        Settings::List { all } => list(setting, all).await,
        Settings::Add { change: asked, until } => change(setting, Verb::Add, &asked, until).await,
        Settings::Remove(asked) => change(setting, Verb::Remove, &asked, None).await,
        Settings::Set(asked) => change(setting, Verb::Set, &asked, None).await,
    }
}

async fn list(setting: &Setting, all: bool) -> anyhow::Result<ExitCode> {
    let snapshot = setting.lake_to_read().await?.snapshot().await?;
    let mut held = settings(&snapshot).await?;
    // Where no clock says how late it is, nothing is over.
    let is_over = |until: Micros| snapshot.watermark(0).is_some_and(|watermark| until <= watermark);
    held.retain(|one| sees(&setting.scope, Some(&one.org_id)) && (all || !one.until_time.is_some_and(is_over)));
    match setting.format {
        OutputFormat::Table => output::write(text(&held).as_bytes())?,
        format => output::write(&write(format, &HELD, &[to_batch(&HELD, &held)?])?)?,
    }
    if held.is_empty() {
        eprintln!("no settings; `credwatch settings add --help` shows how to record one");
    }
    Ok(ExitCode::SUCCESS)
}

static HELD: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, false);
    let time = |name| Field::new(name, timestamp(), true);
    let fields = vec![text("org_id"), text("key"), text("value"), time("from_time"), time("until_time")];
    Arc::new(Schema::new(fields))
});

fn text(held: &[Held]) -> String {
    let width = |of: fn(&Held) -> &str| held.iter().map(|one| of(one).chars().count()).max().unwrap_or(0).max(5);
    let (orgs, keys, values) = (width(|one| one.org_id.as_str()), width(|one| &one.key), width(|one| &one.value));
    let line = |org: &str, key: &str, value: &str, holds: &str| {
        format!("{:<orgs$}  {:<keys$}  {:<values$}  {holds}\n", one_line(org), one_line(key), one_line(value))
    };
    let mut text = if held.is_empty() { String::new() } else { line("ORG", "KEY", "VALUE", "HOLDS") };
    for one in held {
        text.push_str(&line(one.org_id.as_str(), &one.key, &one.value, &holds(one)));
    }
    text
}

fn holds(held: &Held) -> String {
    let until = held.until_time.map(|until| format!(" until {until}")).unwrap_or_default();
    format!("from {}{until}", begins(held.from_time))
}

async fn change(setting: &Setting, verb: Verb, asked: &Change, until: Option<Micros>) -> anyhow::Result<ExitCode> {
    let TenantScope::Org(org) = &setting.scope else {
        return Err(misuse("a setting belongs to an org: say which with --org ID").into());
    };
    let checked = OrgSetting::new(org.clone(), asked.key, &asked.value).and_then(|one| Edit::new(verb, one));
    let edit = checked.map_err(misuse)?.ending(until);
    let lake = setting.lake_to_judge().await?;
    let begins = match asked.from {
        Some(from) => from.from_time(),
        None => lake.snapshot().await?.watermark(0),
    };
    if until.is_some_and(|until| Some(until) <= begins) {
        return Err(misuse("--until lies before the time from which on it would hold").into());
    }
    let changed = change_setting(&lake, &edit, asked.from, now()).await?;
    let from = if let Changed::From(from) = changed { from } else { begins };
    let ends = end(&settings(&lake.snapshot().await?).await?, &edit, from);
    eprintln!("{}", one_line(&said(&edit, changed, ends, asked.from.is_some())));
    Ok(ExitCode::SUCCESS)
}

/// When what holds at a time ends, whoever said so.
fn end(held: &[Held], edit: &Edit, at: Option<Micros>) -> Option<Micros> {
    let OrgSetting { org, key, value } = edit.setting();
    let mut its = held.iter().filter(|one| one.org_id == *org && one.key == key.as_str() && one.value == *value);
    its.find(|one| one.from_time <= at && one.until_time.is_none_or(|until| Some(until) > at))?.until_time
}

/// What came of it; where the time was not chosen, also how to choose it.
fn said(edit: &Edit, changed: Changed, ends: Option<Micros>, is_time_chosen: bool) -> String {
    let OrgSetting { org, key, value } = edit.setting();
    let subject = format!("{org}: {} {value}", key.as_str());
    let (becomes, is) = match edit.verb() {
        Verb::Add | Verb::Set => ("holds", "holds already"),
        Verb::Remove => ("no longer holds", "does not hold"),
    };
    let until = ends.map(|ends| format!(" until {ends}"));
    match changed {
        Changed::Nothing if edit.until().is_some() => {
            let until = until.unwrap_or_else(|| ", without end".to_owned());
            format!("{subject} {is}{until}; nothing changed, `credwatch settings remove --from TIME` ends it earlier")
        }
        Changed::Nothing => format!("{subject} {is}; nothing changed"),
        Changed::From(from) => {
            let hint =
                if is_time_chosen || from.is_none() { "" } else { ", and from earlier with --from TIME|beginning" };
            let until = until.unwrap_or_else(|| " on".to_owned());
            format!("{subject} {becomes} from {}{until}{hint}; `credwatch detect run` judges that again", begins(from))
        }
    }
}

#[cfg(test)]
mod tests {
    use credwatch_detectors::org_setting::SettingKey;
    use credwatch_schemas::ids::OrgId;

    use super::*;

    fn edit(verb: Verb) -> Edit {
        Edit::new(verb, OrgSetting::new(OrgId::new("org_a"), SettingKey::Partners, "org_b").unwrap()).unwrap()
    }

    fn held(value: &str, from: Option<i64>, until: Option<i64>) -> Held {
        Held {
            org_id: OrgId::new("org_a"),
            key: "partners".into(),
            value: value.into(),
            from_time: from.map(Micros),
            until_time: until.map(Micros),
        }
    }

    #[test]
    fn a_change_says_since_when_it_holds_and_how_to_choose_that() {
        let from = Changed::From(Some(Micros(0)));
        assert_eq!(
            said(&edit(Verb::Add), from, None, false),
            "org_a: partners org_b holds from 1970-01-01T00:00:00.000000Z on, and from earlier with \
             --from TIME|beginning; `credwatch detect run` judges that again"
        );
        assert_eq!(
            said(&edit(Verb::Remove), Changed::From(None), None, true),
            "org_a: partners org_b no longer holds from the beginning on; `credwatch detect run` judges that again"
        );
        assert_eq!(
            said(&edit(Verb::Add), Changed::From(None), Some(Micros(0)), true),
            "org_a: partners org_b holds from the beginning until 1970-01-01T00:00:00.000000Z; `credwatch detect run` judges that again"
        );
    }

    #[test]
    fn a_change_of_nothing_says_so() {
        let said = said(&edit(Verb::Add), Changed::Nothing, None, true);
        assert_eq!(said, "org_a: partners org_b holds already; nothing changed");
    }

    #[test]
    fn what_is_asked_for_until_a_time_and_holds_longer_is_told_with_its_own_end() {
        let known = [held("org_b", None, Some(10)), held("org_b", Some(20), None)];
        let edit = edit(Verb::Add).ending(Some(Micros(30)));
        let at = |time| end(&known, &edit, Some(Micros(time)));
        assert_eq!((at(5), at(15), at(25)), (Some(Micros(10)), None, None));
        let said = said(&edit, Changed::Nothing, at(25), true);
        assert!(said.starts_with("org_a: partners org_b holds already, without end; nothing changed"), "{said}");
    }

    #[test]
    fn a_list_says_what_holds_and_when() {
        let text = text(&[held("org_b", None, Some(0)), held("org_longer", Some(0), None)]);
        let expected = "\
ORG    KEY       VALUE       HOLDS
org_a  partners  org_b       from the beginning until 1970-01-01T00:00:00.000000Z
org_a  partners  org_longer  from 1970-01-01T00:00:00.000000Z
";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_list_has_the_columns_of_its_table() {
        assert_eq!(to_batch(&HELD, &[held("org_b", None, Some(0))]).unwrap().num_rows(), 1);
    }
}
