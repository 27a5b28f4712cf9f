//! Who may do what at a moment, and what comes of it.

use stateright::{Model, Property};

use crate::promises;
use crate::state::{Delivered, Phase, Span, Standing, State, Vacuum, Writer};
use crate::table::{Edit, File};
use crate::world::{IMPORT, PARTITIONS, Weakness, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// On assignment, and after a crash: the position is the table's.
    Seek {
        writer: usize,
        partition: usize,
    },
    Read {
        writer: usize,
        partition: usize,
    },
    /// Cut the batch, take the table's state, decide where the batch stands, recognise repeats, stamp.
    Look {
        writer: usize,
    },
    Write {
        writer: usize,
    },
    Sync {
        writer: usize,
    },
    /// Compare-and-set on the version.
    Commit {
        writer: usize,
    },
    Answer {
        writer: usize,
    },
    LoseAnswer {
        writer: usize,
    },
    FailCommit {
        writer: usize,
    },
    Crash {
        writer: usize,
    },
    /// The group gives the partition to the other consumer; the old one goes on until it notices.
    Rebalance {
        partition: usize,
    },
    Notice {
        writer: usize,
        partition: usize,
    },
    Rearrange {
        compactor: usize,
        first: usize,
        second: usize,
    },
    CommitRearrangement {
        compactor: usize,
    },
    CrashCompactor {
        compactor: usize,
    },
    ListUnnamed,
    FenceVacuum,
    DeleteListed,
    /// A reader is told all there is. Without power cuts, readers are told at once.
    Deliver,
    /// All processes die; of the versions that nobody synced, the first so many survive.
    PowerCut {
        survive: usize,
    },
}

impl Action {
    /// What nobody may count on to happen.
    pub(crate) fn is_fault(self) -> bool {
        matches!(
            self,
            Self::LoseAnswer { .. }
                | Self::FailCommit { .. }
                | Self::Crash { .. }
                | Self::CrashCompactor { .. }
                | Self::Rebalance { .. }
                | Self::PowerCut { .. }
        )
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for writer in 0..self.writers {
            self.writer_actions(state, writer, actions);
        }
        if state.left.rebalances > 0 {
            actions.extend((0..IMPORT).map(|partition| Action::Rebalance { partition }));
        }
        self.maintenance_actions(state, actions);
        if self.power {
            self.power_actions(state, actions);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Seek { writer, partition } => self.seek(&mut state, writer, partition),
            Action::Read { writer, partition } => state.writers[writer].held[partition].as_mut()?.end += 1,
            Action::Look { writer } => self.look(&mut state, writer),
            Action::Write { writer } => self.write(&mut state, writer),
            Action::Sync { writer } => sync(&mut state.writers[writer]),
            Action::Commit { writer } => self.commit(&mut state, writer),
            Action::Answer { writer } => self.answer(&mut state, writer),
            Action::LoseAnswer { writer } | Action::FailCommit { writer } => self.lose_answer(&mut state, writer),
            Action::Crash { writer } => {
                state.writers[writer] = Writer::default();
                state.left.crashes -= 1;
            }
            Action::Rebalance { partition } => {
                state.owners[partition] = 1 - state.owners[partition];
                state.left.rebalances -= 1;
            }
            Action::Notice { writer, partition } => state.writers[writer].held[partition] = None,
            Action::Rearrange { compactor, first, second } => rearrange(&mut state, compactor, first, second),
            Action::CommitRearrangement { compactor } => self.commit_rearrangement(&mut state, compactor),
            Action::CrashCompactor { compactor } => {
                state.compactors[compactor] = None;
                state.left.crashes -= 1;
            }
            Action::ListUnnamed => list_unnamed(&mut state),
            Action::FenceVacuum => self.fence_vacuum(&mut state),
            Action::DeleteListed => delete_listed(&mut state),
            Action::Deliver => {
                self.believe(&mut state);
                deliver(&mut state);
            }
            Action::PowerCut { survive } => power_cut(&mut state, survive),
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promises::of(self)
    }
}

impl World {
    fn writer_actions(&self, state: &State, writer: usize, actions: &mut Vec<Action>) {
        let Writer { held, phase, .. } = &state.writers[writer];
        match phase {
            Phase::Reading => self.reading_actions(state, writer, actions),
            Phase::Prepared(_) => actions.push(Action::Write { writer }),
            Phase::Written(edit) => {
                let synced = edit.add.iter().all(|file| file.synced);
                if !synced {
                    actions.push(Action::Sync { writer });
                }
                if synced || self.is(Weakness::LogBeforeData) {
                    actions.push(Action::Commit { writer });
                }
                if state.left.lost_answers > 0 {
                    actions.push(Action::FailCommit { writer });
                }
            }
            Phase::Landed(_) => {
                actions.push(Action::Answer { writer });
                if state.left.lost_answers > 0 {
                    actions.push(Action::LoseAnswer { writer });
                }
            }
        }
        if state.left.crashes > 0 && (*phase != Phase::Reading || held.iter().any(Option::is_some)) {
            actions.push(Action::Crash { writer });
        }
    }

    fn reading_actions(&self, state: &State, writer: usize, actions: &mut Vec<Action>) {
        for partition in 0..PARTITIONS {
            let (mine, records) = (state.owners[partition] == writer, self.partitions[partition].len());
            match state.writers[writer].held[partition] {
                None if mine && records > 0 => actions.push(Action::Seek { writer, partition }),
                None => {}
                Some(span) => {
                    if usize::from(span.end) < records {
                        actions.push(Action::Read { writer, partition });
                    }
                    if !mine {
                        actions.push(Action::Notice { writer, partition });
                    }
                }
            }
        }
        if state.writers[writer].batch().next().is_some() {
            actions.push(Action::Look { writer });
        }
    }

    fn maintenance_actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (compactor, pending) in state.compactors.iter().enumerate() {
            if pending.is_some() {
                actions.push(Action::CommitRearrangement { compactor });
                if state.left.crashes > 0 {
                    actions.push(Action::CrashCompactor { compactor });
                }
            } else if state.left.compactions > 0 {
                let pairs = self.mergeable(&state.table.files).into_iter();
                actions.extend(pairs.map(|(first, second)| Action::Rearrange { compactor, first, second }));
            }
        }
        match state.vacuum {
            Vacuum::Idle if state.left.vacuums > 0 => actions.push(Action::ListUnnamed),
            Vacuum::Idle => {}
            Vacuum::Listed(_) if self.is(Weakness::VacuumWithoutFence) => actions.push(Action::DeleteListed),
            Vacuum::Listed(_) => actions.push(Action::FenceVacuum),
            Vacuum::Fenced => actions.push(Action::DeleteListed),
        }
    }

    fn power_actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.push(Action::Deliver);
        if state.left.power_cuts > 0 {
            actions.extend((0..=state.undurable.len()).map(|survive| Action::PowerCut { survive }));
        }
    }

    /// Neighbours of one disposition: the files stand in the order of disposition and `seq`.
    fn mergeable(&self, files: &[File]) -> Vec<(usize, usize)> {
        let mut pairs = Vec::new();
        for second in 1..files.len() {
            let from = if self.is(Weakness::CompactionOfAnyTwo) { 0 } else { second - 1 };
            let same = |first: &usize| files[*first].disposition == files[second].disposition;
            pairs.extend((from..second).filter(same).map(|first| (first, second)));
        }
        pairs
    }

    fn seek(&self, state: &mut State, writer: usize, partition: usize) {
        self.believe(state);
        state.writers[writer].held[partition] = Some(Span::at(state.table.positions[partition]));
    }

    fn look(&self, state: &mut State, writer: usize) {
        self.believe(state);
        let checked_earlier = self.is(Weakness::PositionsCheckedEarlier);
        let standing = match state.writers[writer].standing(&state.table) {
            _ if checked_earlier => Standing::Ready,
            other => other,
        };
        match standing {
            Standing::Ready => {
                let edit = state.writers[writer].prepare(writer, self, &state.table);
                state.writers[writer].phase = Phase::Prepared(edit);
            }
            Standing::AlreadyThere => acknowledge(state, writer),
            Standing::Stale => {
                let batch: Vec<usize> = state.writers[writer].batch().map(|(partition, _)| partition).collect();
                for partition in batch {
                    state.writers[writer].held[partition] = Some(Span::at(state.table.positions[partition]));
                }
            }
        }
    }

    fn write(&self, state: &mut State, writer: usize) {
        if let Phase::Prepared(mut edit) = std::mem::take(&mut state.writers[writer].phase) {
            for file in &mut edit.add {
                file.synced = !self.power;
            }
            state.writers[writer].phase = Phase::Written(edit);
        }
    }

    fn commit(&self, state: &mut State, writer: usize) {
        let Phase::Written(edit) = std::mem::take(&mut state.writers[writer].phase) else { return };
        let in_spite = self.is(Weakness::StampedBeforeTheRace) || self.is(Weakness::NoLookAfterAnError);
        if edit.base == state.table.version || in_spite {
            self.land(state, &edit);
            state.writers[writer].phase = Phase::Landed(edit);
        }
    }

    /// A new version becomes visible. Its entry is not durable before somebody syncs the folder.
    fn land(&self, state: &mut State, edit: &Edit) {
        let after = state.table.after(edit);
        let before = std::mem::replace(&mut state.table, after);
        if self.power {
            state.undurable.push(before);
        } else {
            deliver(state);
        }
    }

    fn answer(&self, state: &mut State, writer: usize) {
        state.undurable.clear();
        if let Phase::Landed(edit) = std::mem::take(&mut state.writers[writer].phase) {
            if self.is(Weakness::RemembersOnlyItsOwnCommits) {
                let events = edit.add.iter().flat_map(|file| &file.rows).filter_map(|row| row.event);
                state.writers[writer].own.extend(events);
            }
            acknowledge(state, writer);
        }
    }

    fn lose_answer(&self, state: &mut State, writer: usize) {
        state.left.lost_answers -= 1;
        match std::mem::take(&mut state.writers[writer].phase) {
            Phase::Landed(edit) | Phase::Written(edit) if self.is(Weakness::NoLookAfterAnError) => {
                state.writers[writer].phase = Phase::Written(edit);
            }
            Phase::Landed(edit) if self.is(Weakness::DiscardsWhenUnsure) => {
                let own = |file: &&mut File| edit.add.iter().any(|added| added.rows == file.rows);
                state.table.files.iter_mut().filter(own).for_each(|file| file.whole = false);
            }
            Phase::Reading | Phase::Prepared(_) | Phase::Written(_) | Phase::Landed(_) => {}
        }
    }

    fn commit_rearrangement(&self, state: &mut State, compactor: usize) {
        let Some(edit) = state.compactors[compactor].take() else { return };
        if edit.base == state.table.version || self.is(Weakness::CompactionWithoutFence) {
            self.land(state, &edit);
        }
    }

    fn fence_vacuum(&self, state: &mut State) {
        let Vacuum::Listed(version) = state.vacuum else { return };
        if version == state.table.version {
            self.land(state, &Edit { base: version, ..Edit::default() });
            state.vacuum = Vacuum::Fenced;
        } else {
            state.vacuum = Vacuum::Idle;
            unlist(state);
        }
    }

    /// Whoever reads the log makes what it read durable first, because he acts on it.
    fn believe(&self, state: &mut State) {
        if !self.is(Weakness::BelievesUnsyncedEntries) {
            state.undurable.clear();
        }
    }
}

fn sync(writer: &mut Writer) {
    if let Phase::Written(edit) = &mut writer.phase {
        edit.add.iter_mut().for_each(|file| file.synced = true);
    }
}

/// The batch is in the table; reading goes on behind it.
fn acknowledge(state: &mut State, writer: usize) {
    let batch: Vec<(usize, Span)> = state.writers[writer].batch().collect();
    for (partition, span) in batch {
        state.writers[writer].held[partition] = Some(Span::at(Some(span.end)));
        state.acknowledged[partition] = state.acknowledged[partition].max(span.end);
    }
}

fn deliver(state: &mut State) {
    let (clocks, ingest_time) = (state.table.clocks, state.table.ingest_time);
    // What was told once stays told; only what lies above it is new to the reader.
    let highest = state.delivered.rows.last().map_or(0, |row| row.seq);
    let mut rows = std::mem::take(&mut state.delivered.rows);
    rows.extend(state.table.rows().into_iter().filter(|row| row.seq > highest));
    let clocks = std::array::from_fn(|partition| clocks[partition].max(state.delivered.clocks[partition]));
    let ingest_time = ingest_time.max(state.delivered.ingest_time);
    state.delivered = Delivered { rows, clocks, ingest_time };
}

fn rearrange(state: &mut State, compactor: usize, first: usize, second: usize) {
    let remove = vec![state.table.files[first].clone(), state.table.files[second].clone()];
    let rows = remove.iter().flat_map(|file| file.rows.iter().copied()).collect();
    let add = vec![File::new(remove[0].disposition, rows)];
    state.compactors[compactor] = Some(Edit { base: state.table.version, add, remove, ..Edit::default() });
    state.left.compactions -= 1;
}

fn list_unnamed(state: &mut State) {
    state.left.vacuums -= 1;
    state.vacuum = Vacuum::Listed(state.table.version);
    state.unnamed_files().for_each(|file| file.listed = true);
}

fn unlist(state: &mut State) {
    state.unnamed_files().for_each(|file| file.listed = false);
    state.table.files.iter_mut().for_each(|file| file.listed = false);
}

fn delete_listed(state: &mut State) {
    state.vacuum = Vacuum::Idle;
    let delete = |file: &mut File| file.whole &= !std::mem::take(&mut file.listed);
    state.unnamed_files().for_each(delete);
    state.table.files.iter_mut().for_each(delete);
}

fn power_cut(state: &mut State, survive: usize) {
    state.left.power_cuts -= 1;
    let versions = std::mem::take(&mut state.undurable);
    if let Some(version) = versions.into_iter().nth(survive) {
        state.table = version;
    }
    for file in &mut state.table.files {
        file.whole &= file.synced;
    }
    state.writers.iter_mut().for_each(|writer| *writer = Writer::default());
    state.compactors.iter_mut().for_each(|pending| *pending = None);
    state.vacuum = Vacuum::Idle;
}
