//! `make chaos`: two consumers and a detector, killed at random moments as often as asked for, while simulated traffic
//! comes with repeats and rejects. Then everything is there once, and the findings are those of an undisturbed run.

use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use credwatch_tests::asked::number;
use credwatch_tests::broker::Broker;
use credwatch_tests::program::Program;
use credwatch_tests::topics::fresh_name;
use credwatch_tests::waiting::let_pass;
use credwatch_tests::way::simulated;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::Ingest;
use crate::kills::assert_everything_once;
use crate::load::Load;
use crate::standing::{assert_rollups_hold_their_rows, assert_same, founded, judged_to_the_end, undisturbed};

const PARTITIONS: i32 = 4;
/// Between two kills, in milliseconds: from before a process has begun to well into its work.
const LIFE_MS: std::ops::Range<u64> = 0..3_000;
const KILLS_BETWEEN_WORDS: u64 = 10;

/// How much is asked for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    kills: u64,
    events: u64,
    seed: u64,
}

impl Asked {
    fn by_environment() -> Self {
        Self {
            kills: number("CHAOS_KILLS", 200),
            events: number("CHAOS_EVENTS", 300_000),
            seed: number("CHAOS_SEED", 1),
        }
    }
}

#[tokio::test]
#[ignore = "takes as long as it is asked to: scripts/chaos runs it"]
async fn killed_at_random_moments_nothing_is_lost_and_the_findings_are_the_same() {
    let asked = Asked::by_environment();
    println!("{asked:?}");
    let (broker, program, topic) = (Broker::shared(), Program::fresh(), fresh_name("chaos"));
    broker.create_topic(&topic, PARTITIONS).await;
    founded(&program, broker, &topic).await;

    let (lines, feed, begin) = (simulated(asked.seed, asked.events), broker.producer(&[]), Instant::now());
    let all = lines.len() as u64;
    let payload = |number: u64| lines[usize::try_from(number).expect("few lines")].json.clone();
    let mut load = Load::new(&feed, (&topic, PARTITIONS), asked.seed, &payload);
    let (more, lives) = sync_channel::<u64>(1);
    let mut crew = Crew::start(&program, broker, &topic);
    let sent = std::thread::scope(|scope| {
        let load = scope.spawn(move || {
            let up_to = |life: u64| all * (life + 1) / asked.kills;
            lives.into_iter().map(|life| load.run_up_to(up_to(life))).last().expect("there were lives")
        });
        let mut chance = ChaCha8Rng::seed_from_u64(asked.seed);
        for life in 0..asked.kills {
            more.send(life).expect("the load runs");
            let_pass(Duration::from_millis(chance.random_range(LIFE_MS)));
            crew.lose_one(&mut chance);
            if (life + 1) % KILLS_BETWEEN_WORDS == 0 {
                println!("{} of {} kills in {:.0} s", life + 1, asked.kills, begin.elapsed().as_secs_f64());
            }
        }
        drop(more);
        load.join().expect("the load ran")
    });
    sent.tell("load under kills", begin.elapsed());
    crew.until_all_is_there(broker).await;
    println!("everything is there after {:.0} s", begin.elapsed().as_secs_f64());
    crew.stop();
    let found = judged_to_the_end(&program);
    assert_everything_once(&program, broker, &topic, sent);
    assert_rollups_hold_their_rows(&program);
    let expected = undisturbed(broker, &topic).await;
    assert!(!expected.is_empty(), "traffic with incidents gives findings");
    assert_same(&expected, &found, "killed at random");
    println!("{asked:?}: every record once, every rollup right, {} findings the same", found.len());
}

/// The processes that are killed and started again.
struct Crew<'a> {
    program: &'a Program,
    topic: &'a str,
    address: String,
    members: Vec<Ingest<'a>>,
}

#[derive(Debug, Clone, Copy)]
enum Work {
    Ingest,
    Detect,
}

const WORK: [Work; 3] = [Work::Ingest, Work::Ingest, Work::Detect];

impl<'a> Crew<'a> {
    fn start(program: &'a Program, broker: &Broker, topic: &'a str) -> Self {
        let mut crew = Self { program, topic, address: broker.address(), members: Vec::new() };
        crew.members = (0..WORK.len()).map(|place| crew.member(place)).collect();
        crew
    }

    fn member(&self, place: usize) -> Ingest<'a> {
        let group = format!("group-of-{}", self.topic);
        let settings = [
            ("CREDWATCH_KAFKA__GROUP", group.as_str()),
            ("CREDWATCH_UPKEEP__MERGE_SECONDS", "1"),
            ("CREDWATCH_UPKEEP__MAINTAIN_SECONDS", "2"),
        ];
        let ingest = ["ingest", "--brokers", &self.address, "--topic", self.topic];
        match WORK[place] {
            Work::Ingest => Ingest::start_as(self.program, &format!("ingest-{place}"), &ingest, &settings),
            Work::Detect => Ingest::start_as(self.program, "detect", &["serve", "--roles", "detect"], &settings),
        }
    }

    /// Whoever ended by himself before is a fault.
    fn lose_one(&mut self, chance: &mut ChaCha8Rng) {
        let place = chance.random_range(0..WORK.len());
        for member in &mut self.members {
            let ended = member.process.has_ended();
            assert!(ended.is_none(), "{} ended by itself: {ended:?}:\n{}", member.name, member.words());
        }
        self.members[place].process.kill9();
        self.members[place] = self.member(place);
    }

    async fn until_all_is_there(&mut self, broker: &Broker) {
        let topic = self.topic;
        self.members[0].until_all_is_there(broker, topic).await;
    }

    fn stop(self) {
        self.members.into_iter().for_each(Ingest::stop);
    }
}
