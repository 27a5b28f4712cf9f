//! Which files in a table's folder nobody needs any more. Pure: what is there and what the table says decide.
//!
//! Three kinds, each gone only after a safe age. *Replaced* files were removed by a version; readers of older versions
//! may still use them. *Orphans* were never named by any version: a writer died or lost, or is about to commit them.
//! *Temporaries* were never finished.

use object_store::ObjectMeta;
use object_store::path::Path;

use crate::log::{LOG_FOLDER, checkpoint_version, entry_version};
use crate::state::State;
use crate::synced_folder::TEMPORARY;

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Leftovers {
    pub(crate) replaced: Vec<Path>,
    pub(crate) orphans: Vec<Path>,
    pub(crate) temporaries: Vec<Path>,
}

/// Sorts out what is older than `cutoff_ms`.
pub(crate) fn leftovers(listed: &[ObjectMeta], state: &State, cutoff_ms: i64) -> Leftovers {
    let mut leftovers = Leftovers::default();
    for file in listed {
        let (path, written_ms) = (file.location.as_ref(), file.last_modified.timestamp_millis());
        let (found, since_ms) = match kind(path, state) {
            Kind::Needed => continue,
            Kind::Replaced { removed_ms } => (&mut leftovers.replaced, removed_ms),
            Kind::Orphan => (&mut leftovers.orphans, written_ms),
            Kind::Temporary => (&mut leftovers.temporaries, written_ms),
        };
        if since_ms <= cutoff_ms {
            found.push(file.location.clone());
        }
    }
    leftovers
}

enum Kind {
    /// Active, part of the log, or not ours.
    Needed,
    Replaced {
        removed_ms: i64,
    },
    Orphan,
    Temporary,
}

fn kind(path: &str, state: &State) -> Kind {
    if path.contains(TEMPORARY) {
        return Kind::Temporary;
    }
    if path.starts_with(LOG_FOLDER) || !path.ends_with(".parquet") || state.is_active(path) {
        return Kind::Needed;
    }
    state.tombstones.get(path).map_or(Kind::Orphan, |removed_ms| Kind::Replaced { removed_ms: *removed_ms })
}

/// Log entries and checkpoints below `checkpoint` that are older than `cutoff_ms`, oldest first. It ends at the first
/// that is too young: an entry must never be missing between two that are there.
pub(crate) fn expired(log: &[ObjectMeta], checkpoint: u64, cutoff_ms: i64) -> Vec<Path> {
    let version = |file: &ObjectMeta| {
        let name = file.location.filename()?;
        entry_version(name).or_else(|| checkpoint_version(name))
    };
    let mut below: Vec<(u64, &ObjectMeta)> = log
        .iter()
        .filter_map(|file| Some((version(file)?, file)))
        .filter(|(version, _)| *version < checkpoint)
        .collect();
    below.sort_by(|a, b| (a.0, &a.1.location).cmp(&(b.0, &b.1.location)));
    let old = below.into_iter().take_while(|(_, file)| file.last_modified.timestamp_millis() <= cutoff_ms);
    old.map(|(_, file)| file.location.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use deltalake_core::kernel::{Action, Add, Remove};

    fn listed(path: &str, written_ms: i64) -> ObjectMeta {
        let last_modified = chrono::DateTime::from_timestamp_millis(written_ms).unwrap();
        ObjectMeta { location: Path::from(path), last_modified, size: 1, e_tag: None, version: None }
    }

    fn state() -> State {
        let mut state = State::default();
        let add = |path: &str| Action::Add(Add { path: path.into(), ..Add::default() });
        state.apply(1, vec![add("a.parquet"), add("b.parquet"), add("c.parquet")]);
        let remove = |path: &str, removed_ms: i64| {
            Action::Remove(Remove { path: path.into(), deletion_timestamp: Some(removed_ms), ..Remove::default() })
        };
        state.apply(2, vec![remove("b.parquet", 50), remove("c.parquet", 150)]);
        state
    }

    fn paths(paths: &[&str]) -> Vec<Path> {
        paths.iter().map(|path| Path::from(*path)).collect()
    }

    #[test]
    fn each_kind_goes_only_after_its_age() {
        let there = [
            listed("a.parquet", 1),
            listed("b.parquet", 1),
            listed("c.parquet", 1),
            listed("old.parquet", 100),
            listed("young.parquet", 101),
            listed("x.parquet.unsynced-1", 100),
            listed("y.parquet.unsynced-2", 101),
        ];
        let found = leftovers(&there, &state(), 100);
        assert_eq!(found.replaced, paths(&["b.parquet"]));
        assert_eq!(found.orphans, paths(&["old.parquet"]));
        assert_eq!(found.temporaries, paths(&["x.parquet.unsynced-1"]));
    }

    #[test]
    fn the_log_and_strangers_files_are_left_alone() {
        let there = [listed("_delta_log/00000000000000000100.checkpoint.parquet", 1), listed("notes.txt", 1)];
        assert_eq!(leftovers(&there, &state(), 100), Leftovers::default());
    }

    #[test]
    fn the_log_expires_below_its_checkpoint_without_gaps() {
        let entry = |version: u64, written_ms| listed(&format!("_delta_log/{version:020}.json"), written_ms);
        let checkpoint = |version: u64| listed(&format!("_delta_log/{version:020}.checkpoint.parquet"), 1);
        let log = [checkpoint(3), entry(3, 1), entry(2, 1), entry(0, 1), entry(1, 1), checkpoint(1)];
        let gone: Vec<_> = expired(&log, 3, 100).iter().map(|path| path.filename().unwrap()[19..].to_owned()).collect();
        assert_eq!(gone, ["0.json", "1.checkpoint.parquet", "1.json", "2.json"]);
        let young = [entry(0, 1), entry(1, 200), entry(2, 1), entry(3, 1)];
        assert_eq!(expired(&young, 3, 100).len(), 1);
    }
}
