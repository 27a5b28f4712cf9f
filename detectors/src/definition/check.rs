//! What must be true of a detector's file that types alone do not say. Each refusal names the key.

use std::collections::BTreeSet;

use credwatch_schemas::event::{FIELDS, Shape, field};
use credwatch_schemas::records::column;

use super::{Definition, Dependence, Judged, Scope, Span, section};

/// Columns that every claim has; texts may name them.
pub(crate) const CLAIM_COLUMNS: [&str; 9] = [
    "org_id",
    "episode",
    "raised_time",
    "first_time",
    "last_time",
    "event_count",
    "severity",
    "status",
    "status_reason",
];

/// Names that the engine gives to tables itself.
const OWN_TABLES: [&str; 3] = ["events", "dirty", "org_settings"];

/// Parameters that the engine binds itself.
const OWN_PARAMETERS: [&str; 2] = ["learn_until", "until"];

type Checked = Result<(), String>;

pub(super) fn check(definition: &Definition) -> Checked {
    identity(definition)?;
    time(definition)?;
    subject(definition)?;
    needs(definition)?;
    looks_at(definition)?;
    parameters(definition)?;
    tables(definition)?;
    stores(definition)?;
    section::check(definition)?;
    prose(definition)
}

fn identity(definition: &Definition) -> Checked {
    if is_kebab(definition.id.as_str()) {
        return Ok(());
    }
    Err(format!("id: \"{}\" is not lower-case words joined by hyphens", definition.id))
}

pub(crate) fn is_kebab(text: &str) -> bool {
    text.len() <= 60
        && text.starts_with(|letter: char| letter.is_ascii_lowercase())
        && text
            .split('-')
            .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

fn time(definition: &Definition) -> Checked {
    match definition.judged {
        Judged::Every(length) if length == Span::default() => Err("judged: a window needs a length".to_owned()),
        Judged::Every(_) | Judged::Eager => Ok(()),
    }
}

fn subject(definition: &Definition) -> Checked {
    if definition.subject.is_empty() {
        return Err("subject: a finding is about something; name at least one column".to_owned());
    }
    for column in &definition.subject {
        known_text(column).map_err(|why| format!("subject: {why}"))?;
    }
    let Dependence::Series(series) = &definition.dependence else { return Ok(()) };
    if series.is_empty() {
        return Err("dependence: a series needs columns".to_owned());
    }
    match series.iter().find(|column| !definition.subject.contains(column)) {
        Some(column) => Err(format!("dependence: \"{column}\" must be a column of the subject too")),
        None => series.iter().try_for_each(|column| text_column(column)),
    }
}

/// Grains are compared as text.
fn text_column(column: &str) -> Checked {
    match field(column).map(|field| field.shape) {
        Some(Shape::Text) => Ok(()),
        _ => Err(format!("dependence: \"{column}\" is not a text column")),
    }
}

fn needs(definition: &Definition) -> Checked {
    for column in definition.needs.iter().flat_map(|need| &need.columns) {
        if field(column).is_none() {
            return Err(format!("needs: the event has no column \"{column}\""));
        }
    }
    Ok(())
}

/// What places an event in time and in its grain is always seen.
fn looks_at(definition: &Definition) -> Checked {
    let Some(looks_at) = &definition.looks_at else { return Ok(()) };
    if let Some(column) = looks_at.columns.iter().find(|name| field(name).is_none() && *name != column::CONTENT_HASH) {
        return Err(format!("looks_at: the event has no column \"{column}\""));
    }
    if let Some((place, column)) =
        looks_at.columns.iter().enumerate().find(|(place, name)| looks_at.columns[..*place].contains(name))
    {
        return Err(format!("looks_at: \"{column}\" stands twice, again at place {}", place + 1));
    }
    let needed = [column::ORG_ID, column::TIME].into_iter().chain(definition.grain());
    match needed.into_iter().find(|name| !looks_at.columns.iter().any(|column| column == name)) {
        Some(column) => Err(format!("looks_at: columns must hold {column}")),
        None => Ok(()),
    }
}

fn parameters(definition: &Definition) -> Checked {
    for (name, parameter) in &definition.parameters {
        if !is_name(name) || OWN_PARAMETERS.contains(&name.as_str()) {
            return Err(format!("parameters.{name}: is not a free lower-case name"));
        }
        if parameter.typed().is_none() {
            return Err(format!("parameters.{name}: its value is not of its unit"));
        }
        if parameter.why.trim().is_empty() {
            return Err(format!("parameters.{name}: a value without a reason cannot be judged; say why"));
        }
    }
    let Some(warm_up) = &definition.warm_up else { return Ok(()) };
    match definition.parameters.get(warm_up).map(|parameter| parameter.unit) {
        Some(super::Unit::Duration) => Ok(()),
        _ => Err(format!("warm_up: \"{warm_up}\" is not a duration among the parameters")),
    }
}

fn tables(definition: &Definition) -> Checked {
    let mut taken: BTreeSet<&str> = OWN_TABLES.into_iter().collect();
    let declared = definition.ledgers.keys().chain(definition.rollups.keys()).chain(&definition.data);
    for name in declared {
        if !is_name(name) {
            return Err(format!("\"{name}\" is not a table's name: lower-case letters, digits and _"));
        }
        if !taken.insert(name) {
            return Err(format!("the table \"{name}\" stands twice"));
        }
    }
    Ok(())
}

fn stores(definition: &Definition) -> Checked {
    for (name, ledger) in &definition.ledgers {
        keys(&ledger.keys).map_err(|why| format!("ledgers.{name}: {why}"))?;
    }
    for (name, rollup) in &definition.rollups {
        keys(&rollup.keys).map_err(|why| format!("rollups.{name}: {why}"))?;
        if rollup.every == Span::default() {
            return Err(format!("rollups.{name}: an interval needs a length"));
        }
        if let Some(column) = rollup.aggregates.keys().find(|column| !is_name(column) || *column == "start") {
            return Err(format!("rollups.{name}: \"{column}\" is not a free lower-case name"));
        }
    }
    Ok(())
}

fn keys(keys: &[String]) -> Checked {
    if !keys.iter().any(|key| key == "org_id") {
        return Err("keys must hold org_id".to_owned());
    }
    keys.iter().try_for_each(|key| known_text(key))
}

fn known_text(column: &str) -> Checked {
    match field(column).map(|field| field.shape) {
        Some(Shape::Text | Shape::Int32 | Shape::Int64 | Shape::Bool) => Ok(()),
        Some(_) => Err(format!("\"{column}\" cannot name a thing: it is no text, number or truth value")),
        None => Err(format!("the event has no column \"{column}\" ({} it has)", FIELDS.len())),
    }
}

fn prose(definition: &Definition) -> Checked {
    for (key, text) in [
        ("title", &definition.title),
        ("claims", &definition.claims),
        ("meaning", &definition.meaning),
        ("false_positives", &definition.false_positives),
        ("next_step", &definition.next_step),
    ] {
        if text.trim().is_empty() {
            return Err(format!("{key}: is empty"));
        }
    }
    if definition.scope == Scope::Operator && definition.subject.iter().any(|column| column == "org_id") {
        return Err("subject: org_id is not part of it; a finding has its org".to_owned());
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    text.len() <= 60
        && text.starts_with(|letter: char| letter.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
