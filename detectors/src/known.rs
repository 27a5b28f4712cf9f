//! The configuration rows of a lake and the files in them, read once: they change rarely, and every tick needs all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use credwatch_lake::{LakeSnapshot, TableName, TableSnapshot};
use credwatch_schemas::ids::DetectorId;

use crate::checked::Checked;
use crate::configuration::Configuration;
use crate::definition::{Definition, Judged};
use crate::error::EngineError;
use crate::recording::recorded;
use crate::store::Store;

/// Every file that a detector ever had, by content.
pub(crate) type Files = BTreeMap<String, Result<Definition, String>>;

/// How soon a detector is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pace {
    /// As soon as events are committed: its findings follow from single events, and somebody waits for them.
    Eager,
    /// When the watermark passes a window; nobody waits for that to the second.
    Windowed,
}

/// What is recorded at one version of the table.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) version: Option<i64>,
    pub(crate) configuration: Configuration,
    /// Statements of its files that were found sound.
    pub(crate) checked: Checked,
    detectors: BTreeMap<DetectorId, Files>,
}

impl Known {
    /// What the snapshot says; `before` when nothing was recorded since.
    pub(crate) async fn refreshed(
        before: Option<Arc<Self>>,
        snapshot: &LakeSnapshot,
    ) -> Result<Arc<Self>, EngineError> {
        let version = snapshot.table(&TableName::Configuration).map(TableSnapshot::version);
        if let Some(same) = before.filter(|known| known.version == version) {
            return Ok(same);
        }
        let configuration = recorded(snapshot).await?;
        let detectors = files_of(&configuration);
        Ok(Arc::new(Self { version, configuration, checked: Checked::default(), detectors }))
    }

    /// The detectors of a pace. One that ever had a file of windows counts as one of windows.
    pub(crate) fn detectors(&self, pace: Pace) -> impl Iterator<Item = (&DetectorId, &Files)> {
        self.detectors.iter().filter(move |(_, files)| pace_of(files) == pace)
    }

    /// What they read.
    pub(crate) fn stores(&self, pace: Pace) -> BTreeMap<TableName, Store> {
        let stores = self.definitions(pace).flat_map(Store::all_of);
        stores.map(|store| (store.table(), store)).collect()
    }

    pub(crate) fn definitions(&self, pace: Pace) -> impl Iterator<Item = &Definition> {
        self.detectors(pace).flat_map(|(_, files)| files.values().flatten())
    }
}

fn pace_of(files: &Files) -> Pace {
    let eager = files.values().flatten().all(|definition| definition.judged == Judged::Eager);
    if eager { Pace::Eager } else { Pace::Windowed }
}

fn files_of(configuration: &Configuration) -> BTreeMap<DetectorId, Files> {
    let read =
        |id: &DetectorId, content: &str| Definition::parse(id.as_str(), content).map_err(|error| error.to_string());
    let files = |id: &DetectorId| {
        configuration.contents(id).into_iter().map(|content| (content.to_owned(), read(id, content))).collect()
    };
    configuration
        .detectors()
        .into_iter()
        .map(|id| {
            let all = files(&id);
            (id, all)
        })
        .collect()
}
