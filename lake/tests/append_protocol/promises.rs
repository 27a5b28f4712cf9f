//! What must hold at every moment, and what must happen at some moment for the model to mean anything.

use std::collections::BTreeSet;

use stateright::{Model, Property};

use crate::state::{Phase, Standing, State, Vacuum};
use crate::table::{Disposition, Row};
use crate::world::World;

pub(crate) const NO_LOSS: &str = "a position below the partition's is in the table exactly once, and none above it";
pub(crate) const NOT_TWICE: &str = "no event is accepted twice";
pub(crate) const REPEATS_HAVE_AN_ORIGINAL: &str = "every duplicate has its accepted event";
pub(crate) const NO_HOLE: &str = "seq has neither hole nor repetition";
pub(crate) const DELIVERED_STAYS: &str = "a delivered seq never changes and no lower one appears later";
pub(crate) const CLOCKS_STAY: &str = "neither clock nor ingest_time goes back";
pub(crate) const FILES_ARE_WHOLE: &str = "what the log names is there";
pub(crate) const RANGES_ARE_APART: &str = "files of one partition do not interleave in seq";
pub(crate) const ACKNOWLEDGED_IS_THERE: &str = "what was acknowledged is in the table";
pub(crate) const NEVER_STUCK: &str = "while something is missing, somebody can go on without a fault";

pub(crate) fn of(world: &World) -> Vec<Property<World>> {
    let mut properties = vec![
        Property::<World>::always(NO_LOSS, |_, state| positions_are_whole(state)),
        Property::<World>::always(NOT_TWICE, |_, state| accepted_are_unique(state)),
        Property::<World>::always(REPEATS_HAVE_AN_ORIGINAL, |_, state| repeats_have_an_original(state)),
        Property::<World>::always(NO_HOLE, |_, state| {
            let seqs: Vec<u8> = state.table.rows().iter().map(|row| row.seq).collect();
            seqs == (1..=state.table.seq).collect::<Vec<_>>()
        }),
        Property::<World>::always(DELIVERED_STAYS, |_, state| delivered_stays(state)),
        Property::<World>::always(CLOCKS_STAY, |_, state| clocks_stay(state)),
        Property::<World>::always(FILES_ARE_WHOLE, |_, state| state.table.files.iter().all(|file| file.whole)),
        Property::<World>::always(RANGES_ARE_APART, |_, state| ranges_are_apart(state)),
        Property::<World>::always(ACKNOWLEDGED_IS_THERE, |_, state| {
            let positions = state.acknowledged.iter().zip(state.table.positions);
            positions.into_iter().all(|(acknowledged, position)| *acknowledged <= position.unwrap_or(0))
        }),
        Property::<World>::always(NEVER_STUCK, |world, state| {
            let mut actions = Vec::new();
            world.actions(state, &mut actions);
            state.is_complete(world) || actions.iter().any(|action| !action.is_fault())
        }),
    ];
    properties.extend(happenings(world));
    properties
}

fn happenings(world: &World) -> Vec<Property<World>> {
    let mut happenings = vec![
        Property::<World>::sometimes("everything is in the table", |world, state| state.is_complete(world)),
        Property::<World>::sometimes("a writer is about to lose a race", |_, state| about_to_lose(state)),
        Property::<World>::sometimes("a repeat became a duplicate", |_, state| {
            state.table.rows().iter().any(|row| row.disposition == Disposition::Duplicate)
        }),
    ];
    if world.budget.lost_answers > 0 {
        happenings.push(Property::<World>::sometimes("a lost answer was a success", |world, state| {
            state.left.lost_answers < world.budget.lost_answers && finds(state, Standing::AlreadyThere)
        }));
    }
    if world.budget.crashes > 0 {
        happenings.push(Property::<World>::sometimes("a crash came after the log entry", |world, state| {
            let only_crashed = state.left.crashes < world.budget.crashes
                && state.left.lost_answers == world.budget.lost_answers
                && state.writers.iter().all(|writer| !matches!(writer.phase, Phase::Landed(_)));
            let positions = state.table.positions.iter().zip(state.acknowledged);
            only_crashed && positions.into_iter().any(|(position, said)| position.unwrap_or(0) > said)
        }));
    }
    if world.budget.rebalances > 0 {
        happenings
            .push(Property::<World>::sometimes("a zombie is found stale", |_, state| finds(state, Standing::Stale)));
    }
    if world.budget.compactions > 0 {
        happenings.push(Property::<World>::sometimes("a rearrangement made a writer lose", |world, state| {
            state.left.compactions < world.budget.compactions
                && about_to_lose(state)
                && state.table.files.iter().any(is_merged)
        }));
    }
    if world.budget.vacuums > 0 {
        happenings.push(Property::<World>::sometimes(
            "clean-up is about to delete a living writer's file",
            |_, state| {
                let listed =
                    |phase: &Phase| matches!(phase, Phase::Written(edit) if edit.add.iter().any(|file| file.listed));
                state.vacuum == Vacuum::Fenced && state.writers.iter().any(|writer| listed(&writer.phase))
            },
        ));
    }
    if world.power {
        happenings.push(Property::<World>::sometimes("a power cut took a version back", |world, state| {
            let fresh = state.writers.iter().all(|writer| writer.held.iter().all(Option::is_none));
            let cut = state.left.power_cuts < world.budget.power_cuts;
            // A commit needs a writer that holds something; without one, and nothing there, it must have been undone.
            cut && fresh && state.table.version == 0 && state.left.lost_answers < world.budget.lost_answers
        }));
    }
    happenings
}

fn positions_are_whole(state: &State) -> bool {
    let rows = state.table.rows();
    state.table.positions.iter().enumerate().all(|(partition, position)| {
        let mut offsets: Vec<u8> = rows.iter().filter(|row| row.partition == partition).map(|row| row.offset).collect();
        offsets.sort_unstable();
        offsets == (0..position.unwrap_or(0)).collect::<Vec<_>>()
    })
}

fn accepted_events(rows: &[Row]) -> Vec<Option<char>> {
    rows.iter().filter(|row| row.disposition == Disposition::Accepted).map(|row| row.event).collect()
}

fn accepted_are_unique(state: &State) -> bool {
    let accepted = accepted_events(&state.table.rows());
    accepted.iter().collect::<BTreeSet<_>>().len() == accepted.len()
}

fn repeats_have_an_original(state: &State) -> bool {
    let rows = state.table.rows();
    let accepted = accepted_events(&rows);
    rows.iter().filter(|row| row.disposition == Disposition::Duplicate).all(|row| accepted.contains(&row.event))
}

fn delivered_stays(state: &State) -> bool {
    let (rows, told) = (state.table.rows(), &state.delivered.rows);
    let highest = told.last().map_or(0, |row| row.seq);
    let below: Vec<&Row> = rows.iter().filter(|row| row.seq <= highest).collect();
    below == told.iter().collect::<Vec<_>>()
}

fn clocks_stay(state: &State) -> bool {
    let told = &state.delivered;
    let rows = state.table.rows();
    let sealed = rows.windows(2).all(|pair| pair[0].ingest_time <= pair[1].ingest_time);
    let clocks = state.table.clocks.iter().zip(told.clocks).all(|(now, told)| *now >= told);
    sealed && clocks && state.table.ingest_time >= told.ingest_time
}

fn ranges_are_apart(state: &State) -> bool {
    state.table.files.windows(2).all(|pair| {
        let apart =
            matches!((pair[0].seq_range(), pair[1].seq_range()), (Some((_, last)), Some((first, _))) if last < first);
        pair[0].disposition != pair[1].disposition || apart
    })
}

fn about_to_lose(state: &State) -> bool {
    let loses = |phase: &Phase| matches!(phase, Phase::Written(edit) if edit.base < state.table.version);
    state.writers.iter().any(|writer| loses(&writer.phase))
}

/// Whether a writer that looks now finds its batch there, or overtaken.
fn finds(state: &State, wanted: Standing) -> bool {
    state.writers.iter().any(|writer| {
        let looks = writer.phase == Phase::Reading && writer.batch().next().is_some();
        looks && std::mem::discriminant(&writer.standing(&state.table)) == std::mem::discriminant(&wanted)
    })
}

/// Rows of two commits in one file.
fn is_merged(file: &crate::table::File) -> bool {
    file.rows.windows(2).any(|pair| pair[0].ingest_time != pair[1].ingest_time)
}
