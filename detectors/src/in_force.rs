//! What holds in a lake at an event time, and how far its detectors have come: for whoever speaks of a stretch of time, and
//! must say the same whichever files lie beside them.

use credwatch_lake::{LakeSnapshot, TableName};
use credwatch_schemas::ids::DetectorId;
use credwatch_schemas::time::Micros;
use credwatch_schemas::weekly_report::Column;

use crate::configuration::Setting;
use crate::definition::{Definition, Judged, ParameterValue};
use crate::error::EngineError;
use crate::recording::recorded;
use crate::view::judged_key;

/// A detector whose file the lake holds.
#[derive(Debug, Clone, PartialEq)]
pub struct InForce {
    pub id: DetectorId,
    pub title: String,
    /// What is to be done about what it finds.
    pub next_step: String,
    /// An org is only learnt for so long, in microseconds.
    pub warm_up: Option<i64>,
    /// For a detector that tests.
    pub chance: Option<Chance>,
    pub section: Section,
    /// Rows of `records` that it has judged; 0: none yet.
    pub data_seq: i64,
    /// For a detector of windows: the end of the last one that it has judged.
    pub window: Option<Reached>,
    /// How long its windows are, in microseconds.
    pub every: Option<i64>,
}

/// What chance makes of the findings of a detector that tests.
#[derive(Debug, Clone, PartialEq)]
pub struct Chance {
    /// So many it raises for an agent in a day.
    pub findings: f64,
    /// As findings name what is compared: observed is the probability of what was seen, threshold what it had to stay below.
    pub compared: String,
}

/// How reports list its findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub title: String,
    pub columns: Vec<Column>,
}

/// How far the windows of a detector are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    Nothing,
    Until(Micros),
}

/// Detectors by id, as the lake's own configuration has them at an event time.
pub async fn detectors_in_force(snapshot: &LakeSnapshot, time: Micros) -> Result<Vec<InForce>, EngineError> {
    let configuration = recorded(snapshot).await?;
    let of = |id: DetectorId| {
        let file = Definition::parse(id.as_str(), configuration.detector(&id, time)?).ok()?;
        Some(in_force(snapshot, id, &file))
    };
    Ok(configuration.detectors().into_iter().filter_map(of).collect())
}

/// Those that are in force and that this program cannot read: an older build, or a file that somebody spoilt.
pub async fn detectors_unread(snapshot: &LakeSnapshot, time: Micros) -> Result<Vec<DetectorId>, EngineError> {
    let configuration = recorded(snapshot).await?;
    let is_unread = |id: &DetectorId| {
        configuration.detector(id, time).is_some_and(|content| Definition::parse(id.as_str(), content).is_err())
    };
    Ok(configuration.detectors().into_iter().filter(is_unread).collect())
}

fn in_force(snapshot: &LakeSnapshot, id: DetectorId, file: &Definition) -> InForce {
    let transaction = |name: &str| snapshot.table(&TableName::Findings).and_then(|findings| findings.transaction(name));
    let value = |name: &str| file.parameters.get(name)?.typed();
    let warm_up = match file.warm_up.as_deref().and_then(value) {
        Some(ParameterValue::Integer(micros)) => Some(micros),
        _ => None,
    };
    let chance = file.by_chance().zip(file.statistical.as_ref());
    let chance = chance
        .and_then(|(findings, of)| Some(Chance { findings, compared: file.compared.get(&of.chance)?.title.clone() }));
    let section = Section { title: file.section_title().to_owned(), columns: file.section_columns() };
    let window = match file.judged {
        Judged::Eager => None,
        Judged::Every(_) => {
            let until = transaction(&format!("dw/{id}"));
            Some(until.map_or(Reached::Nothing, |until| Reached::Until(Micros(until))))
        }
    };
    let every = match file.judged {
        Judged::Eager => None,
        Judged::Every(span) => Some(span.micros()),
    };
    let data_seq = transaction(&judged_key(&id)).unwrap_or(0);
    let next_step = file.next_step.clone();
    InForce { title: file.title.clone(), next_step, warm_up, chance, section, data_seq, window, every, id }
}

/// Every org's settings as they hold at an event time.
pub async fn settings_in_force(snapshot: &LakeSnapshot, time: Micros) -> Result<Vec<Setting>, EngineError> {
    Ok(recorded(snapshot).await?.settings(time))
}
