//! Killed while rollups are brought up to date and while findings are reconciled, under load, with repeats, rejects and
//! two consumers: then the findings are those of a run that nothing disturbed, and each rollup holds its rows once.

use std::sync::mpsc::sync_channel;
use std::time::Instant;

use credwatch_tests::broker::Broker;
use credwatch_tests::program::Program;
use credwatch_tests::topics::fresh_name;
use credwatch_tests::way::simulated;

use crate::Ingest;
use crate::kills::assert_everything_once;
use crate::load::Load;
use crate::standing::{assert_rollups_hold_their_rows, assert_same, founded, judged_to_the_end, serve, undisturbed};

const STEPS: [&str; 2] = ["detect-in-rollup", "detect-in-reconcile"];
const KILLS: usize = STEPS.len() * 3;
const PARTITIONS: i32 = 3;
const SEED: u64 = 9;
const EVENTS: u64 = 1_500;

#[tokio::test]
async fn killed_while_it_judges_the_findings_are_those_of_an_undisturbed_run() {
    let (broker, program, topic) = (Broker::shared(), Program::fresh(), fresh_name("judging"));
    broker.create_topic(&topic, PARTITIONS).await;
    founded(&program, broker, &topic).await;

    let (lines, feed, begin) = (simulated(SEED, EVENTS), broker.producer(&[]), Instant::now());
    let all = lines.len() as u64;
    let payload = |number: u64| lines[usize::try_from(number).expect("few lines")].json.clone();
    let mut load = Load::new(&feed, (&topic, PARTITIONS), SEED, &payload);
    let (more, lives) = sync_channel::<u64>(KILLS);
    let (sent, mut steady) = std::thread::scope(|scope| {
        let load = scope.spawn(move || {
            let up_to = |life: u64| all * (life + 1) / KILLS as u64;
            lives.into_iter().map(|life| load.run_up_to(up_to(life))).last().expect("there were lives")
        });
        let steady = serve_nothing_but_ingest(&program, broker, &topic);
        for (life, step) in STEPS.into_iter().cycle().take(KILLS).enumerate() {
            more.send(life as u64).expect("the load runs");
            // Of the stores that one tick brings up to date it passes some, others each round.
            let passed = if step == "detect-in-rollup" { 3 * life } else { 0 };
            let point = format!("{step}={passed}*off->return");
            let settings = [("FAILPOINTS", point.as_str())];
            serve(&program, broker, &topic, &format!("{step}-{life}"), &settings).until_it_kills_itself();
        }
        drop(more);
        (load.join().expect("the load ran"), steady)
    });
    sent.tell("load of judging", begin.elapsed());
    steady.until_all_is_there(broker, &topic).await;
    steady.stop();
    let found = judged_to_the_end(&program);
    assert_everything_once(&program, broker, &topic, sent);
    assert_rollups_hold_their_rows(&program);
    let expected = undisturbed(broker, &topic).await;
    assert!(!expected.is_empty(), "traffic with incidents gives findings");
    assert_same(&expected, &found, "killed while judging");
}

/// It is in the group of those that are killed.
fn serve_nothing_but_ingest<'a>(program: &'a Program, broker: &Broker, topic: &str) -> Ingest<'a> {
    let group = format!("{topic}-of-{}", program.folder().display());
    Ingest::start(program, broker, topic, "steady", &[("CREDWATCH_KAFKA__GROUP", &group)])
}
