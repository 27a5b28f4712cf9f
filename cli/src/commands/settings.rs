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
use credwatch_server::detector_status::sees;

use crate::args::{Change, Settings, misuse};
use crate::output;
use crate::plain_text::{begins, one_line};
use crate::setting::Setting;
use crate::wall_clock::now;

pub(crate) async fn run(setting: &Setting, asked: Settings) -> anyhow::Result<ExitCode> {
    match asked {
        Settings::List { all } => list(setting, all).await,
        Settings::Add(asked) => change(setting, Verb::Add, &asked).await,
        Settings::Remove(asked) => change(setting, Verb::Remove, &asked).await,
        Settings::Set(asked) => change(setting, Verb::Set, &asked).await,
    }
}

async fn list(setting: &Setting, all: bool) -> anyhow::Result<ExitCode> {
    let mut held = settings(&setting.lake_to_read().await?.snapshot().await?).await?;
    held.retain(|one| sees(&setting.scope, Some(&one.org_id)) && (all || one.until_time.is_none()));
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

async fn change(setting: &Setting, verb: Verb, asked: &Change) -> anyhow::Result<ExitCode> {
    let TenantScope::Org(org) = &setting.scope else {
        return Err(misuse("a setting belongs to an org: say which with --org ID").into());
    };
    let checked = OrgSetting::new(org.clone(), asked.key, &asked.value).and_then(|one| Edit::new(verb, one));
    let edit = checked.map_err(misuse)?;
    let changed = change_setting(&setting.lake_to_judge().await?, &edit, asked.from, now()).await?;
    eprintln!("{}", one_line(&said(&edit, changed, asked.from.is_some())));
    Ok(ExitCode::SUCCESS)
}

/// What came of it; where the time was not chosen, also how to choose it.
fn said(edit: &Edit, changed: Changed, is_time_chosen: bool) -> String {
    let OrgSetting { org, key, value } = edit.setting();
    let subject = format!("{org}: {} {value}", key.as_str());
    let (becomes, is) = match edit.verb() {
        Verb::Add | Verb::Set => ("holds", "holds already"),
        Verb::Remove => ("no longer holds", "does not hold"),
    };
    match changed {
        Changed::Nothing => format!("{subject} {is}; nothing changed"),
        Changed::From(from) => {
            let hint =
                if is_time_chosen || from.is_none() { "" } else { ", and from earlier with --from TIME|beginning" };
            format!("{subject} {becomes} from {} on{hint}; `credwatch detect run` judges that again", begins(from))
        }
    }
}

#[cfg(test)]
mod tests {
    use credwatch_detectors::org_setting::SettingKey;
    use credwatch_schemas::ids::OrgId;
    use credwatch_schemas::time::Micros;

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
            said(&edit(Verb::Add), from, false),
            "org_a: partners org_b holds from 1970-01-01T00:00:00.000000Z on, and from earlier with \
             --from TIME|beginning; `credwatch detect run` judges that again"
        );
        assert_eq!(
            said(&edit(Verb::Remove), Changed::From(None), true),
            "org_a: partners org_b no longer holds from the beginning on; `credwatch detect run` judges that again"
        );
    }

    #[test]
    fn a_change_of_nothing_says_so() {
        let said = said(&edit(Verb::Add), Changed::Nothing, true);
        assert_eq!(said, "org_a: partners org_b holds already; nothing changed");
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
