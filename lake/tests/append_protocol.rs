//! The append protocol as a small model, checked exhaustively: every order of every step of every process, with a crash
//! and a lost answer between any two of them.
//!
//! The protocol, for newcomers. Writers (consumers of a Kafka group, imports) read records of partitions and append them
//! to one table. The table is a log of versions; version n+1 can be created once, and that is the only lock there is.
//! 1. *Seek*: a writer starts where the table's position of the partition stands, never where Kafka's offsets stand.
//! 2. *Look*: it takes the table's state S. If S has all bases of its batch as positions, the batch is ready. If S has
//!    all ends, it is there already (a lost answer). Otherwise somebody else was here: forget the batch, seek.
//! 3. Against S and nothing else it turns repeats into duplicates and stamps `seq`, `ingest_time` and clocks.
//! 4. It writes its files, syncs them, and only then creates version S+1 with files, positions, clocks and `seq`.
//! 5. Did somebody else create S+1, or did anything fail? Then it knows nothing and looks again, from step 2.
//! 6. It syncs the log entry and acknowledges. Whoever *reads* an entry syncs it too before acting on it.
//!
//! Compaction replaces neighbouring files in a version of its own, by the same rule. Clean-up lists files that no
//! version names, creates an empty version, and deletes what it listed: whoever wrote a listed file looked before that
//! version, so can no longer commit. After a crash there is nothing special: a process seeks and looks.
//!
//! What is bounded: at most three partitions of two records, two consumers and an import, two compactors; one crash, one
//! lost answer and one rebalance beside two consumers, one lost answer beside import and power cut, none beside clean-up
//! (each more multiplies the states by three to five); batches hold any of these records, over any number of partitions.
//! A writer prepares one batch at a time. Topics neither grow nor are created anew; clocks move with events only; no reader holds an old version while
//! files are deleted (that is what the safe age is for); unsynced log entries survive a power cut in their order.
//! Steps that touch nothing shared (recognising, stamping) are one with the look before them.
//!
//! Every step uses up a record, a version or a part of the bounds, so no behaviour goes round in circles (tested), and
//! "never stuck" then means: when faults end, everything gets into the table.

#[path = "append_protocol/promises.rs"]
mod promises;
#[path = "append_protocol/protocol.rs"]
mod protocol;
#[path = "append_protocol/state.rs"]
mod state;
#[path = "append_protocol/table.rs"]
mod table;
#[path = "append_protocol/world.rs"]
mod world;

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use crate::promises::{
    ACKNOWLEDGED_IS_THERE, CLOCKS_STAY, DELIVERED_STAYS, FILES_ARE_WHOLE, NO_HOLE, NO_LOSS, NOT_TWICE, RANGES_ARE_APART,
};
use crate::state::State;
use crate::world::{Weakness, World};

/// Visits every reachable state and holds all promises against it.
fn keeps_all_promises(name: &str, world: World) {
    let started = Instant::now();
    let checker = world.checker().spawn_bfs().join();
    let (states, steps) = (checker.unique_state_count(), checker.max_depth());
    eprintln!("{name}: {states} unique states, up to {steps} steps, {:.1} s", started.elapsed().as_secs_f64());
    checker.assert_properties();
}

/// The model is worth something only if it notices when a rule is broken.
fn is_caught(world: World, promise: &'static str) {
    let weakness = world.weakness;
    let until = HasDiscoveries::AnyOf(BTreeSet::from([promise]));
    let checker = world.checker().finish_when(until).spawn_bfs().join();
    let path = checker.discovery(promise).map(stateright::Path::into_actions);
    eprintln!("{weakness:?} breaks \"{promise}\" by {path:?}");
    assert!(path.is_some(), "{weakness:?} was expected to break \"{promise}\"");
}

#[test]
fn two_consumers_rebalances_repeats_and_rejects_keep_all_promises() {
    keeps_all_promises("two consumers", World::two_consumers());
}

#[test]
fn an_import_beside_ingest_and_compaction_keeps_all_promises() {
    keeps_all_promises("import beside ingest", World::import_beside_ingest());
}

#[test]
fn compaction_and_clean_up_beside_writers_keep_all_promises() {
    keeps_all_promises("maintenance", World::maintenance());
}

#[test]
fn power_cuts_keep_all_promises() {
    keeps_all_promises("power cuts", World::power_cuts());
}

#[test]
fn a_position_that_was_checked_earlier_lets_a_zombie_append() {
    is_caught(World::two_consumers().weakened(Weakness::PositionsCheckedEarlier), NO_LOSS);
}

#[test]
fn an_error_taken_for_a_failure_appends_twice() {
    is_caught(World::two_consumers().weakened(Weakness::NoLookAfterAnError), NO_LOSS);
}

#[test]
fn a_stamp_from_before_the_race_repeats_seq() {
    is_caught(World::two_consumers().weakened(Weakness::StampedBeforeTheRace), NO_HOLE);
}

#[test]
fn a_stamp_from_before_the_race_accepts_the_winners_event_again() {
    is_caught(World::two_consumers().weakened(Weakness::StampedBeforeTheRace), NOT_TWICE);
}

#[test]
fn a_memory_of_own_commits_accepts_what_others_have() {
    is_caught(World::two_consumers().weakened(Weakness::RemembersOnlyItsOwnCommits), NOT_TWICE);
}

#[test]
fn a_clock_that_ignores_the_tables_goes_back() {
    is_caught(World::two_consumers().weakened(Weakness::ClockOfTheBatchAlone), CLOCKS_STAY);
}

#[test]
fn an_ingest_time_that_ignores_the_tables_goes_back() {
    is_caught(World::two_consumers().weakened(Weakness::IngestTimeOfTheWriterAlone), CLOCKS_STAY);
}

#[test]
fn an_unfenced_rearrangement_doubles_rows() {
    is_caught(World::maintenance().weakened(Weakness::CompactionWithoutFence), NO_LOSS);
}

#[test]
fn merging_files_that_are_no_neighbours_mixes_their_ranges() {
    is_caught(World::maintenance().weakened(Weakness::CompactionOfAnyTwo), RANGES_ARE_APART);
}

#[test]
fn a_clean_up_that_relies_on_age_deletes_a_sleepers_file() {
    is_caught(World::maintenance().weakened(Weakness::VacuumWithoutFence), FILES_ARE_WHOLE);
}

#[test]
fn deleting_the_files_of_an_unsure_attempt_deletes_live_ones() {
    is_caught(World::two_consumers().weakened(Weakness::DiscardsWhenUnsure), FILES_ARE_WHOLE);
}

#[test]
fn a_log_entry_before_its_data_names_empty_files() {
    is_caught(World::power_cuts().weakened(Weakness::LogBeforeData), FILES_ARE_WHOLE);
}

#[test]
fn an_unsynced_entry_that_was_delivered_is_given_to_other_rows() {
    is_caught(World::power_cuts().weakened(Weakness::BelievesUnsyncedEntries), DELIVERED_STAYS);
}

#[test]
fn an_unsynced_entry_that_was_acknowledged_is_gone() {
    is_caught(World::power_cuts().weakened(Weakness::BelievesUnsyncedEntries), ACKNOWLEDGED_IS_THERE);
}

/// Without circles, a behaviour ends; and it ends only where nobody has anything left to do.
#[test]
fn no_behaviour_goes_round_in_circles() {
    let world = World::import_beside_ingest();
    let mut on_path: HashMap<State, bool> = HashMap::new();
    let mut stack: Vec<(State, Option<Vec<State>>)> =
        world.init_states().into_iter().map(|state| (state, None)).collect();
    while let Some((state, following)) = stack.last_mut() {
        let following = following.get_or_insert_with(|| {
            on_path.insert(state.clone(), true);
            world.next_states(state)
        });
        match following.pop() {
            Some(next) => match on_path.get(&next) {
                Some(true) => panic!("a behaviour comes back to {next:?}"),
                Some(false) => {}
                None => stack.push((next, None)),
            },
            None => {
                on_path.insert(state.clone(), false);
                stack.pop();
            }
        }
    }
    eprintln!("no circles among {} states", on_path.len());
}
