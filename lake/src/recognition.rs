//! Tells which accepted rows of a batch are repeats of events that the table, or the batch, already has. Correct for
//! as long as the data lives, with bounded memory.
//!
//! A true repeat has the same event time, so memory is cut into minutes of event time. A minute that is *resident*
//! knows every accepted event of its time in the table; a minute becomes resident when it is first met and no file
//! reaches into it, which is what happens while time moves forward. New files of other writers are read into the
//! resident minutes that they reach. Everything else (late events, the first minutes after a restart, minutes that
//! memory had no room for) is answered by the files: bounds of `time` in the log, bloom filter, identity columns.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use credwatch_schemas::records::{Disposition, column};
use credwatch_schemas::time::{MINUTE, Micros};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::data_file::DataFile;
use crate::error::BoxError;
use crate::identity::{IDENTITY_COLUMNS, Identity, IdentityHash};
use crate::probe::{self, Suspect};
use crate::state::State;

/// About 150 MB when it is full.
pub(crate) const MOST_IDENTITIES: usize = 4_000_000;

#[derive(Debug)]
pub(crate) struct Recognition {
    folder: PathBuf,
    hash: IdentityHash,
    resident: BTreeMap<Minute, Resident>,
    /// Identities in all resident minutes.
    held: usize,
    most: usize,
    /// Files whose rows the resident minutes know already.
    read: HashSet<Arc<str>>,
    batches: u64,
}

/// Minutes since 1970, of event time.
type Minute = i64;

#[derive(Debug, Default)]
struct Resident {
    identities: HashSet<Identity>,
    last_used: u64,
}

/// What a batch holds, against one state of the table.
#[derive(Debug)]
pub(crate) struct Recognised {
    /// For each row whether it is a repeat.
    pub(crate) repeats: Vec<bool>,
    accepted: Vec<Row>,
}

/// An accepted row of a batch.
#[derive(Debug, Clone, Copy)]
struct Row {
    index: usize,
    minute: Minute,
    identity: Identity,
}

impl Recognition {
    pub(crate) fn new(folder: PathBuf, most: usize) -> Self {
        let (hash, resident, read) = Default::default();
        Self { folder, hash, resident, held: 0, most, read, batches: 0 }
    }

    /// A repeat is an accepted event that is in `state`, or earlier in `rows`, already.
    pub(crate) fn recognise(&mut self, rows: &RecordBatch, state: &State) -> Result<Recognised, BoxError> {
        self.batches += 1;
        self.read_new_files(state)?;
        let accepted = self.accepted(rows);
        let minutes: BTreeSet<Minute> = accepted.iter().map(|row| row.minute).collect();
        let unknown = self.admit(&minutes, state);
        let mut there = self.probe_files(rows, &accepted, &unknown)?;
        let mut repeats = vec![false; rows.num_rows()];
        for row in &accepted {
            let resident = self.resident.get(&row.minute);
            let known = resident.is_some_and(|minute| minute.identities.contains(&row.identity));
            repeats[row.index] = known || !there.insert(row.identity);
        }
        Ok(Recognised { repeats, accepted })
    }

    /// After a commit of ours: its accepted rows are in the table now, in the files `paths`.
    pub(crate) fn learn(&mut self, batch: &Recognised, paths: impl Iterator<Item = Arc<str>>) {
        for row in &batch.accepted {
            if !batch.repeats[row.index] {
                self.insert(row.minute, row.identity);
            }
        }
        self.read.extend(paths);
        self.make_room();
    }

    /// After a rearrangement of ours: the rows of `made` are known if those of all files that it was made of are. Some
    /// may be another writer's and not read yet; then `made` is read like any new file.
    pub(crate) fn know(&mut self, made: Arc<str>, of: &[Arc<DataFile>]) {
        if of.iter().all(|file| self.read.contains(&file.path)) {
            self.read.insert(made);
        }
    }

    fn accepted(&self, rows: &RecordBatch) -> Vec<Row> {
        let dispositions = rows[column::DISPOSITION].as_string::<i32>();
        let minutes = minutes(rows);
        let identities = self.hash.of_rows(rows);
        let accepted = |index: &usize| dispositions.value(*index) == Disposition::Accepted.as_str();
        let row = |index| Row { index, minute: minutes[index], identity: identities[index] };
        (0..rows.num_rows()).filter(accepted).map(row).collect()
    }

    /// Makes minutes resident that no file reaches into; returns the others with the files that do.
    fn admit(&mut self, minutes: &BTreeSet<Minute>, state: &State) -> HashMap<Minute, Vec<Arc<DataFile>>> {
        let absent: Vec<Minute> =
            minutes.iter().filter(|minute| !self.resident.contains_key(minute)).copied().collect();
        let files = if absent.is_empty() { Vec::new() } else { accepted_files(state) };
        let mut unknown = HashMap::new();
        for minute in absent {
            let reaching: Vec<_> = files.iter().filter(|file| reaches(file, minute)).map(Arc::clone).collect();
            if reaching.is_empty() {
                self.resident.insert(minute, Resident::default());
            } else {
                unknown.insert(minute, reaching);
            }
        }
        for minute in minutes {
            if let Some(resident) = self.resident.get_mut(minute) {
                resident.last_used = self.batches;
            }
        }
        unknown
    }

    fn probe_files(
        &self,
        rows: &RecordBatch,
        accepted: &[Row],
        unknown: &HashMap<Minute, Vec<Arc<DataFile>>>,
    ) -> Result<HashSet<Identity>, BoxError> {
        let event_ids = rows[column::EVENT_ID].as_string::<i32>();
        let mut suspects: BTreeMap<Arc<str>, Vec<Suspect>> = BTreeMap::new();
        for row in accepted {
            for file in unknown.get(&row.minute).into_iter().flatten() {
                let event_id = event_ids.is_valid(row.index).then(|| event_ids.value(row.index).to_owned());
                suspects.entry(Arc::clone(&file.path)).or_default().push(Suspect { identity: row.identity, event_id });
            }
        }
        let mut there = HashSet::new();
        for (path, suspects) in suspects {
            there.extend(probe::probe(&self.folder.join(path.as_ref()), &self.hash, &suspects)?);
        }
        Ok(there)
    }

    /// Other writers' files, as far as they reach into resident minutes.
    fn read_new_files(&mut self, state: &State) -> Result<(), BoxError> {
        let active: HashSet<Arc<str>> = state.files().iter().map(|file| Arc::clone(&file.path)).collect();
        self.read.retain(|path| active.contains(path));
        for file in accepted_files(state) {
            if !self.read.insert(Arc::clone(&file.path)) || !self.reaches_resident(&file) {
                continue;
            }
            if let Err(error) = self.read_file(&file) {
                self.read.remove(&file.path);
                return Err(error);
            }
        }
        Ok(())
    }

    fn reaches_resident(&self, file: &DataFile) -> bool {
        match file.time_range() {
            Some((low, high)) => self.resident.range(minute_of(low.0)..=minute_of(high.0)).next().is_some(),
            None => !self.resident.is_empty(),
        }
    }

    fn read_file(&mut self, file: &DataFile) -> Result<(), BoxError> {
        let opened = ParquetRecordBatchReaderBuilder::try_new(File::open(full_path(&self.folder, file))?)?;
        let mut names = IDENTITY_COLUMNS.to_vec();
        names.push(column::TIME);
        for batch in probe::columns(opened, &names)? {
            let batch = batch?;
            let (minutes, identities) = (minutes(&batch), self.hash.of_rows(&batch));
            for (minute, identity) in minutes.into_iter().zip(identities) {
                self.insert(minute, identity);
            }
        }
        Ok(())
    }

    fn insert(&mut self, minute: Minute, identity: Identity) {
        if let Some(resident) = self.resident.get_mut(&minute) {
            self.held += usize::from(resident.identities.insert(identity));
        }
    }

    /// Forgets the minutes that were not needed for the longest time.
    fn make_room(&mut self) {
        if self.held <= self.most {
            return;
        }
        let mut by_use: Vec<(u64, Minute)> =
            self.resident.iter().map(|(minute, held)| (held.last_used, *minute)).collect();
        by_use.sort_unstable();
        for (_, minute) in by_use {
            if self.held <= self.most / 4 * 3 {
                return;
            }
            if let Some(forgotten) = self.resident.remove(&minute) {
                self.held -= forgotten.identities.len();
            }
        }
    }
}

fn accepted_files(state: &State) -> Vec<Arc<DataFile>> {
    let accepted =
        |file: &&Arc<DataFile>| file.partition_value(column::DISPOSITION) == Some(Disposition::Accepted.as_str());
    state.files().iter().filter(accepted).cloned().collect()
}

fn reaches(file: &DataFile, minute: Minute) -> bool {
    file.time_range().is_none_or(|(low, high)| minute_of(low.0) <= minute && minute <= minute_of(high.0))
}

fn full_path(folder: &Path, file: &DataFile) -> PathBuf {
    folder.join(file.path.as_ref())
}

fn minutes(rows: &RecordBatch) -> Vec<Minute> {
    let times = rows[column::TIME].as_primitive::<TimestampMicrosecondType>();
    (0..times.len()).map(|row| if times.is_valid(row) { minute_of(times.value(row)) } else { Minute::MIN }).collect()
}

fn minute_of(micros: i64) -> Minute {
    Micros(micros).0.div_euclid(MINUTE)
}
