//! Everything that a moment consists of, and the pure half of the protocol: where a batch stands against the table, and
//! what its commit would be.

use crate::table::{Disposition, Edit, File, Row, Table};
use crate::world::{Budget, IMPORT, PARTITIONS, Record, Weakness, World};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) table: Table,
    /// Older versions that a power cut may bring back, oldest first: nobody has synced the entries after them.
    pub(crate) undurable: Vec<Table>,
    pub(crate) owners: [usize; PARTITIONS],
    pub(crate) writers: Vec<Writer>,
    /// The rearrangement that each compactor is about to commit.
    pub(crate) compactors: Vec<Option<Edit>>,
    pub(crate) vacuum: Vacuum,
    /// What the consumer group's offsets, or an import's "done", say.
    pub(crate) acknowledged: [u8; PARTITIONS],
    pub(crate) delivered: Delivered,
    pub(crate) left: Budget,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Writer {
    /// What it has read of each partition that it believes to be its own, since the last commit it knows of.
    pub(crate) held: [Option<Span>; PARTITIONS],
    pub(crate) phase: Phase,
    /// Events of its own commits; looked at only by a weakened protocol.
    pub(crate) own: Vec<char>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub(crate) base: Option<u8>,
    pub(crate) end: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) enum Phase {
    #[default]
    Reading,
    /// It has looked, recognised repeats and stamped; nothing is on disk.
    Prepared(Edit),
    /// Its files are on disk and no version names them.
    Written(Edit),
    /// Its version is there and it does not know that yet.
    Landed(Edit),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Vacuum {
    #[default]
    Idle,
    /// It has listed the files that this version does not name.
    Listed(u8),
    /// Its own commit came after the list: whoever looked before it can no longer commit.
    Fenced,
}

/// What the most eager reader has been told.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Delivered {
    pub(crate) rows: Vec<Row>,
    pub(crate) clocks: [Option<u8>; PARTITIONS],
    pub(crate) ingest_time: u8,
}

#[derive(Clone, Copy)]
pub(crate) enum Standing {
    Ready,
    AlreadyThere,
    Stale,
}

impl Span {
    pub(crate) fn at(position: Option<u8>) -> Self {
        Self { base: position, end: position.unwrap_or(0) }
    }

    pub(crate) fn holds_records(self) -> bool {
        self.end > self.base.unwrap_or(0)
    }
}

impl Writer {
    /// The batch: what it holds of each partition that it has read something of.
    pub(crate) fn batch(&self) -> impl Iterator<Item = (usize, Span)> + '_ {
        let held = self.held.iter().enumerate();
        held.filter_map(|(partition, span)| Some((partition, span.filter(|span| span.holds_records())?)))
    }

    /// The same decision as `standing` in the lake.
    pub(crate) fn standing(&self, table: &Table) -> Standing {
        if self.batch().all(|(partition, span)| table.positions[partition] == span.base) {
            return Standing::Ready;
        }
        if self.batch().all(|(partition, span)| table.positions[partition] == Some(span.end)) {
            return Standing::AlreadyThere;
        }
        Standing::Stale
    }

    /// Recognises repeats and stamps, against the one state that the commit will be made with.
    pub(crate) fn prepare(&self, writer: usize, world: &World, table: &Table) -> Edit {
        let mut edit = Edit { base: table.version, ..Edit::default() };
        let mut rows = Vec::new();
        for (partition, span) in self.batch() {
            let records = &world.partitions[partition][usize::from(span.base.unwrap_or(0))..usize::from(span.end)];
            rows.extend(
                (span.base.unwrap_or(0)..).zip(records).map(|(offset, record)| raw_row(partition, offset, *record)),
            );
            edit.positions[partition] = Some(span.end);
            edit.clocks[partition] = self.clock(world, table, partition, records);
        }
        self.recognise(world, table, &mut rows);
        rows.sort_by_key(|row| (row.disposition, row.event, row.partition, row.offset));
        let own_clock = own_clock(writer);
        let alone = world.is(Weakness::IngestTimeOfTheWriterAlone);
        let ingest_time = if alone { own_clock } else { own_clock.max(table.ingest_time) };
        let mut seq = table.seq;
        for row in &mut rows {
            seq += 1;
            (row.seq, row.ingest_time) = (seq, ingest_time);
        }
        (edit.seq, edit.ingest_time) = (Some(seq), Some(ingest_time));
        edit.add = files(&rows);
        edit
    }

    fn recognise(&self, world: &World, table: &Table, rows: &mut [Row]) {
        let mut seen = Vec::new();
        for row in rows {
            let Some(event) = row.event else { continue };
            let there = match world.is(Weakness::RemembersOnlyItsOwnCommits) {
                true => self.own.contains(&event),
                false => table.accepts(event),
            };
            if there || seen.contains(&event) {
                row.disposition = Disposition::Duplicate;
            }
            seen.push(event);
        }
    }

    fn clock(&self, world: &World, table: &Table, partition: usize, records: &[Record]) -> Option<u8> {
        let time = |record: &Record| match record {
            Record::Event { time, .. } => Some(*time),
            Record::Bad => None,
        };
        let latest = records.iter().filter_map(time).max().filter(|_| partition != IMPORT);
        if world.is(Weakness::ClockOfTheBatchAlone) { latest } else { latest.max(table.clocks[partition]) }
    }
}

/// Writers' clocks disagree, and stand still: the worst that a clock can do.
fn own_clock(writer: usize) -> u8 {
    [5, 3, 4][writer]
}

fn raw_row(partition: usize, offset: u8, record: Record) -> Row {
    let (disposition, event) = match record {
        Record::Event { name, .. } => (Disposition::Accepted, Some(name)),
        Record::Bad => (Disposition::Rejected, None),
    };
    Row { seq: 0, ingest_time: 0, disposition, event, partition, offset }
}

/// One file a disposition.
fn files(rows: &[Row]) -> Vec<File> {
    let of = |disposition| rows.iter().copied().filter(move |row| row.disposition == disposition).collect::<Vec<_>>();
    let dispositions = [Disposition::Accepted, Disposition::Rejected, Disposition::Duplicate];
    let filled = dispositions.into_iter().map(|disposition| (disposition, of(disposition)));
    filled.filter(|(_, rows)| !rows.is_empty()).map(|(disposition, rows)| File::new(disposition, rows)).collect()
}

impl State {
    pub(crate) fn first(world: &World) -> Self {
        Self {
            table: Table::default(),
            undurable: Vec::new(),
            owners: world.owners,
            writers: vec![Writer::default(); world.writers],
            compactors: vec![None; world.compactors],
            vacuum: Vacuum::Idle,
            acknowledged: [0; PARTITIONS],
            delivered: Delivered::default(),
            left: world.budget,
        }
    }

    /// Files that somebody has written and no version names.
    pub(crate) fn unnamed_files(&mut self) -> impl Iterator<Item = &mut File> {
        let written = self.writers.iter_mut().filter_map(|writer| match &mut writer.phase {
            Phase::Written(edit) => Some(edit),
            Phase::Reading | Phase::Prepared(_) | Phase::Landed(_) => None,
        });
        written.chain(self.compactors.iter_mut().flatten()).flat_map(|edit| &mut edit.add)
    }

    pub(crate) fn is_complete(&self, world: &World) -> bool {
        let positions = self.table.positions.iter().zip(world.partitions);
        positions.into_iter().all(|(position, records)| usize::from(position.unwrap_or(0)) == records.len())
    }
}
