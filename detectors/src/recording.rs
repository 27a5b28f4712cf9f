//! Configuration rows: what of this process's files is recorded in the lake, and since when it holds.
//!
//! Nothing is judged by a file that the lake does not hold. In a lake without clocks a new file holds from the beginning,
//! otherwise from the watermark of the moment; [`activate`] makes it hold earlier. Settings of orgs likewise.

use credwatch_lake::{Change, Committed, Lake, LakeSnapshot, TableName};
use credwatch_schemas::configuration::{CONFIGURATION, ConfigurationKind, ConfigurationRow};
use credwatch_schemas::ids::DetectorId;
use credwatch_schemas::records::column;
use credwatch_schemas::rows;
use credwatch_schemas::time::Micros;
use datafusion::prelude::SessionContext;

use crate::configuration::{Configuration, Draft, LEARN_UNTIL, Since, activations};
use crate::definition::Definition;
use crate::engine::LATENESS;
use crate::error::{Doing, EngineError};
use crate::org_setting::{Changed, Edit, Held, held};
use crate::registry::{Registry, RegistryError};

/// Attempts against other processes that record at the same time.
const MOST_ATTEMPTS: u32 = 20;

const BUILD: &str = env!("CARGO_PKG_VERSION");

/// All rows of a snapshot.
pub(crate) async fn recorded(snapshot: &LakeSnapshot) -> Result<Configuration, EngineError> {
    let mut all: Vec<ConfigurationRow> = Vec::new();
    if let Some(table) = snapshot.table(&TableName::Configuration) {
        let frame = SessionContext::new().read_table(table.provider()).doing("read the configuration")?;
        for batch in frame.collect().await.doing("read the configuration")? {
            all.extend(rows::from_batch::<ConfigurationRow>(&batch).doing("read the configuration")?);
        }
    }
    Ok(Configuration::new(all))
}

/// Records the registry's files that are not recorded yet, and `learn_until` where it is given. What is recorded stays so.
pub(crate) async fn record(
    lake: &Lake,
    registry: &Registry,
    learn_until: Option<Micros>,
    lateness: i64,
    now: Micros,
) -> Result<(), EngineError> {
    commit(lake, now, |known, snapshot| {
        let from = snapshot.watermark(lateness);
        let mut drafts = activations(known, files(registry), from, BUILD);
        drafts.extend(learn_until.and_then(|until| learning(known, until, from)));
        drafts
    })
    .await?;
    Ok(())
}

/// Records a detector's file, and the data files that it reads, from an earlier time: `None` is the beginning.
pub async fn activate(
    lake: &Lake,
    registry: &Registry,
    id: &DetectorId,
    from: Option<Micros>,
    now: Micros,
) -> Result<(), EngineError> {
    let content = registry.detectors().get(id).ok_or_else(|| EngineError::UnknownDetector(id.to_string()))?;
    let definition = Definition::parse(id.as_str(), content).map_err(RegistryError::from)?;
    let mut drafts = vec![draft(ConfigurationKind::Detector, id.as_str(), content.clone(), from)];
    for name in &definition.data {
        let data = registry.data().get(name).cloned();
        drafts.extend(data.map(|content| draft(ConfigurationKind::Data, name, content, from)));
    }
    commit(lake, now, |_, _| drafts.clone()).await?;
    Ok(())
}

/// Changes one setting of one org; where nobody says since when, it holds like a new file. Changes that others make at
/// the same time are kept.
pub async fn change_setting(
    lake: &Lake,
    edit: &Edit,
    since: Option<Since>,
    now: Micros,
) -> Result<Changed, EngineError> {
    let drafts = commit(lake, now, |known, snapshot| {
        edit.drafts(known, since.map_or_else(|| snapshot.watermark(LATENESS), Since::from_time))
    });
    Ok(drafts.await?.first().map_or(Changed::Nothing, |first| Changed::From(first.from_time)))
}

/// Every setting of every org, those that no longer hold too.
pub async fn settings(snapshot: &LakeSnapshot) -> Result<Vec<Held>, EngineError> {
    Ok(held(&recorded(snapshot).await?))
}

/// Records what `decide` makes of the rows that are there, under their fence; what was recorded.
pub(crate) async fn commit(
    lake: &Lake,
    now: Micros,
    decide: impl Fn(&Configuration, &LakeSnapshot) -> Vec<Draft>,
) -> Result<Vec<Draft>, EngineError> {
    for _ in 0..MOST_ATTEMPTS {
        let snapshot = lake.snapshot().await?;
        let drafts = decide(&recorded(&snapshot).await?, &snapshot);
        if drafts.is_empty() {
            return Ok(drafts);
        }
        let new: Vec<ConfigurationRow> = drafts.iter().cloned().map(|draft| draft.recorded(now, BUILD)).collect();
        let seen = snapshot.table(&TableName::Configuration).and_then(|table| table.transaction(column::SEQ));
        let change = Change {
            append: vec![rows::to_batch(&CONFIGURATION, &new).doing("write the configuration")?],
            expect: vec![(column::SEQ.to_owned(), seen)],
            ..Change::default()
        };
        if let Committed::Done { .. } = lake.commit(&TableName::Configuration, change, now).await? {
            return Ok(drafts);
        }
    }
    Err(EngineError::Contention(MOST_ATTEMPTS))
}

fn files(registry: &Registry) -> impl Iterator<Item = (ConfigurationKind, &str, &str)> {
    let data = registry.data().iter().map(|(name, text)| (ConfigurationKind::Data, name.as_str(), text.as_str()));
    let detectors = registry.detectors().iter();
    data.chain(detectors.map(|(id, text)| (ConfigurationKind::Detector, id.as_str(), text.as_str())))
}

fn learning(known: &Configuration, until: Micros, from: Option<Micros>) -> Option<Draft> {
    let last = known.last(ConfigurationKind::LearnUntil, LEARN_UNTIL);
    let said = last.and_then(|row| Micros::parse(row.content.as_deref()?));
    (said != Some(until)).then(|| draft(ConfigurationKind::LearnUntil, LEARN_UNTIL, until.to_string(), from))
}

fn draft(kind: ConfigurationKind, name: &str, content: String, from_time: Option<Micros>) -> Draft {
    Draft { kind, org_id: None, name: name.to_owned(), content: Some(content), from_time }
}
