//! Killed while files are merged, while a checkpoint is written and while leftovers are removed, beside two consumers
//! under load: no row is lost, none is there twice, no `seq` changes, and the next round does what was left undone.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use credwatch_tests::broker::Broker;
use credwatch_tests::program::Program;
use credwatch_tests::records::event;
use credwatch_tests::topics::fresh_name;
use credwatch_tests::waiting::until;

use crate::kills::assert_everything_once;
use crate::load::Load;
use crate::{Ingest, PATIENCE};

const STEPS: [&str; 5] = [
    "compact-after-parquet",
    "compact-before-log",
    "compact-after-log",
    "vacuum-after-fence",
    "checkpoint-after-write",
];
const KILLS_A_STEP: usize = 3;
const PARTITIONS: i32 = 3;
const SEED: u64 = 8;
/// So few that an unoptimised build makes many versions a second of them: a checkpoint comes after a hundred.
const RECORDS_A_VERSION: u32 = 50;
/// Many small commits, and upkeep after each few of them.
const BUSY: [(&str, &str); 3] = [
    ("CREDWATCH_KAFKA__FLUSH_SECONDS", "0.05"),
    ("CREDWATCH_UPKEEP__MERGE_SECONDS", "0.2"),
    ("CREDWATCH_UPKEEP__MAINTAIN_SECONDS", "0.2"),
];
/// Longer than the age at which the product takes a file that no version names for a leftover.
const TWO_HOURS: Duration = Duration::from_secs(2 * 3_600);

#[tokio::test]
async fn killed_while_it_tidies_up_nothing_is_lost_and_the_next_round_finishes() {
    let (broker, program, topic) = (Broker::shared(), Program::fresh(), fresh_name("upkeep"));
    broker.create_topic(&topic, PARTITIONS).await;
    let (feed, is_over, begin) = (broker.producer(&[]), AtomicBool::new(false), Instant::now());
    let payload = |number| event("org_a", number);
    let load = Load::new(&feed, (&topic, PARTITIONS), SEED, &payload);
    let (sent, steady) = std::thread::scope(|scope| {
        let load = scope.spawn(|| load.run_with(&program, RECORDS_A_VERSION, &is_over));
        // It writes and never tidies up again after its first round: what is to do is left to the victims.
        let steady = Ingest::start(&program, broker, &topic, "steady", &BUSY[..1]);
        for (place, step) in STEPS.into_iter().cycle().take(STEPS.len() * KILLS_A_STEP).enumerate() {
            if step == "vacuum-after-fence" {
                std::fs::write(left_over(&program), b"").expect("writing a file");
                let_two_hours_pass(&program.lake().join("records"));
            }
            let point = format!("{step}=return");
            let settings = [&BUSY[..], &[("FAILPOINTS", &point)]].concat();
            Ingest::start(&program, broker, &topic, &format!("{step}-{place}"), &settings).until_it_kills_itself();
            if step == "vacuum-after-fence" {
                assert!(left_over(&program).exists(), "it was killed before it removed anything");
            }
        }
        is_over.store(true, Ordering::Relaxed);
        (load.join().expect("the load ran"), steady)
    });
    sent.tell("load of an upkeep", begin.elapsed());
    steady.stop();
    let mut last = Ingest::start(&program, broker, &topic, "last", &BUSY);
    // Who is stopped before it reads has not begun to listen for that.
    last.until_it_says("reading").await;
    last.until_all_is_there(broker, &topic).await;
    until("the leftover is gone", PATIENCE, || (!left_over(&program).exists()).then_some(()));
    last.stop();
    assert_everything_once(&program, broker, &topic, sent);
}

/// A file that no version names, as a writer leaves it that was killed; those that killed merges leave are there too.
fn left_over(program: &Program) -> PathBuf {
    program.lake().join("records/left-over.parquet")
}

/// Every data file looks two hours old: what nobody names counts as left over, also what a writer has just written and
/// not committed yet.
fn let_two_hours_pass(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("reading a folder of the lake").flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("_delta_log") {
            let_two_hours_pass(&path);
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            make_old(&path);
        }
    }
}

/// Whoever was quicker may have removed it.
fn make_old(path: &Path) {
    let Ok(file) = File::options().append(true).open(path) else { return };
    let written = file.metadata().and_then(|file| file.modified()).expect("asking for a file's time");
    file.set_modified(written - TWO_HOURS).expect("setting a file's time");
}
