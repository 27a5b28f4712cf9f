//! Many small parts of a store become one larger part; no row goes in or out.
//!
//! Parts are merged as log-structured trees merge theirs: always those of about the same size with each other. So a row is
//! written again a few times in its life, and a store of any size stands in a few dozen files. Merged rollups are ordered by their interval: a reader of late ones leaves out the rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use credwatch_lake::{Change, Committed, DataFile, Lake, LakeSnapshot};
use credwatch_schemas::time::Micros;
use datafusion::prelude::SessionContext;

use crate::error::{Doing, EngineError};
use crate::store::{SEQ, Store};

/// So many parts of about the same size may lie side by side.
const MOST_OF_A_SIZE: usize = 8;

/// Below this, opening a file is what it costs.
const SMALL_BYTES: u64 = 64 << 10;

/// Merges parts where there are too many. The fence is the store's own `seq`: what is merged is what the snapshot shows,
/// and where somebody was quicker nothing is merged this time.
pub(crate) async fn fold(
    lake: &Lake,
    snapshot: &LakeSnapshot,
    context: &SessionContext,
    store: &Store,
    now: Micros,
) -> Result<(), EngineError> {
    let name = store.table();
    let Some(table) = snapshot.table(&name) else { return Ok(()) };
    let small = to_merge(table.files());
    if small.is_empty() {
        return Ok(());
    }
    let parts = context.read_table(table.provider_of(&small)).doing("read a store's parts")?;
    let merged = store.merged(parts).and_then(|merged| store.ordered(merged)).doing("merge a store's parts")?;
    let append = merged.collect().await.doing("merge a store's parts")?;
    let fence = (SEQ.to_owned(), table.transaction(SEQ));
    let change = Change { append, replace: Some(small), expect: vec![fence], set: Vec::new() };
    match lake.commit(&name, change, now).await? {
        Committed::Done { .. } | Committed::Lost => Ok(()),
    }
}

/// The parts of the smallest size of which there are too many.
fn to_merge(parts: &[Arc<DataFile>]) -> Vec<Arc<DataFile>> {
    let Some(size) = crowded(parts.iter().map(|part| part.bytes)) else { return Vec::new() };
    parts.iter().filter(|part| size_class(part.bytes) == size).cloned().collect()
}

fn crowded(sizes: impl Iterator<Item = u64>) -> Option<u32> {
    let mut many: BTreeMap<u32, usize> = BTreeMap::new();
    sizes.for_each(|bytes| *many.entry(size_class(bytes)).or_default() += 1);
    many.into_iter().find(|(_, parts)| *parts > MOST_OF_A_SIZE).map(|(size, _)| size)
}

/// Sizes within a factor of eight are alike, and so are all small ones.
fn size_class(bytes: u64) -> u32 {
    (bytes / SMALL_BYTES).checked_ilog(8).map_or(0, |size| size + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes after so many small parts have come one by one, and what was written again for them in all.
    fn after(parts: usize) -> (Vec<u64>, u64) {
        let (mut sizes, mut written): (Vec<u64>, u64) = (Vec::new(), 0);
        for part in std::iter::repeat_n(SMALL_BYTES, parts) {
            sizes.push(part);
            while let Some(size) = crowded(sizes.iter().copied()) {
                let merged = sizes.extract_if(.., |bytes| size_class(*bytes) == size).sum();
                written += merged;
                sizes.push(merged);
            }
        }
        (sizes, written / SMALL_BYTES)
    }

    #[test]
    fn ten_thousand_parts_stand_in_few_files_and_each_was_written_again_a_few_times() {
        let (sizes, written) = after(10_000);
        assert_eq!(sizes.iter().sum::<u64>(), 10_000 * SMALL_BYTES, "nothing is lost");
        assert!(sizes.len() <= 5 * MOST_OF_A_SIZE, "{sizes:?}");
        assert!(written <= 10_000 * 5, "{written}");
    }

    #[test]
    fn a_large_part_is_left_alone_while_the_others_are_small() {
        let sizes = std::iter::repeat_n(1, MOST_OF_A_SIZE + 1).chain([1_000_000_000]);
        assert_eq!(crowded(sizes), Some(size_class(1)));
    }
}
