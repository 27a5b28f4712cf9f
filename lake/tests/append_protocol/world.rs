//! The small worlds in which the protocol is tried: what the topics hold, who works, how much may go wrong. And the
//! ways to weaken the protocol that show what each rule is for.

/// Partitions of every world; an empty one is simply done.
pub(crate) const PARTITIONS: usize = 3;

/// The partition that is an import: it has one reader for ever and no clock.
pub(crate) const IMPORT: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    Event {
        name: char,
        time: u8,
    },
    /// Not an event: becomes a rejected row.
    Bad,
}

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) partitions: [&'static [Record]; PARTITIONS],
    /// Who reads which partition at first. Writers 0 and 1 are one consumer group, writer 2 imports.
    pub(crate) owners: [usize; PARTITIONS],
    pub(crate) writers: usize,
    pub(crate) compactors: usize,
    pub(crate) budget: Budget,
    /// Power may fail: what is not synced may be gone. Costs states, so only worlds about it have it.
    pub(crate) power: bool,
    pub(crate) weakness: Option<Weakness>,
}

/// How often each thing may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Budget {
    pub(crate) crashes: u8,
    /// Commits that landed without an answer, or were answered with an error without landing.
    pub(crate) lost_answers: u8,
    pub(crate) rebalances: u8,
    pub(crate) compactions: u8,
    pub(crate) vacuums: u8,
    pub(crate) power_cuts: u8,
}

/// One rule of the protocol, broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weakness {
    /// Positions were compared when the partition was assigned, not on the state that is committed with.
    PositionsCheckedEarlier,
    /// An error of a commit is taken to mean that it did not land.
    NoLookAfterAnError,
    /// Who loses a race puts the same stamped files on top of the winner's, as a log's own retry would.
    StampedBeforeTheRace,
    /// Repeats are looked for among the writer's own commits.
    RemembersOnlyItsOwnCommits,
    /// The clock of a batch is set without a look at the table's.
    ClockOfTheBatchAlone,
    /// `ingest_time` is the writer's own clock.
    IngestTimeOfTheWriterAlone,
    /// A rearrangement lands although others have committed since it looked.
    CompactionWithoutFence,
    /// Compaction merges files that have others between them.
    CompactionOfAnyTwo,
    /// Clean-up deletes what it listed without a commit of its own in between, relying on age.
    VacuumWithoutFence,
    /// The files of an attempt are deleted when its commit ended in an error.
    DiscardsWhenUnsure,
    /// The log entry is written before the files that it names are synced.
    LogBeforeData,
    /// A log entry that is visible is believed, although its writer has not synced it yet.
    BelievesUnsyncedEntries,
}

const A: Record = Record::Event { name: 'A', time: 2 };
/// Stands behind A and happened before it.
const B: Record = Record::Event { name: 'B', time: 1 };
const C: Record = Record::Event { name: 'C', time: 3 };

impl World {
    /// Two consumers of one group; A stands on both of their partitions.
    pub(crate) fn two_consumers() -> Self {
        Self {
            partitions: [&[A, B], &[A, Record::Bad], &[]],
            owners: [0, 1, 2],
            writers: 2,
            compactors: 0,
            budget: Budget { crashes: 1, lost_answers: 1, rebalances: 1, ..Budget::default() },
            power: false,
            weakness: None,
        }
    }

    /// An import that holds what the topic holds, while two consumers run and files are compacted.
    pub(crate) fn import_beside_ingest() -> Self {
        Self {
            partitions: [&[A, B], &[C], &[B, C]],
            owners: [0, 1, 2],
            writers: 3,
            compactors: 1,
            budget: Budget { lost_answers: 1, compactions: 1, ..Budget::default() },
            power: false,
            weakness: None,
        }
    }

    /// Two compactors and a clean-up beside a consumer and an import.
    pub(crate) fn maintenance() -> Self {
        Self {
            partitions: [&[A, B], &[], &[B, C]],
            owners: [0, 1, 2],
            writers: 3,
            compactors: 2,
            budget: Budget { compactions: 2, vacuums: 1, ..Budget::default() },
            power: false,
            weakness: None,
        }
    }

    /// Two consumers on a machine that loses its power.
    pub(crate) fn power_cuts() -> Self {
        Self {
            partitions: [&[A, B], &[A, Record::Bad], &[]],
            owners: [0, 1, 2],
            writers: 2,
            compactors: 0,
            budget: Budget { lost_answers: 1, power_cuts: 1, ..Budget::default() },
            power: true,
            weakness: None,
        }
    }

    pub(crate) fn weakened(self, weakness: Weakness) -> Self {
        Self { weakness: Some(weakness), ..self }
    }

    pub(crate) fn is(&self, weakness: Weakness) -> bool {
        self.weakness == Some(weakness)
    }
}
