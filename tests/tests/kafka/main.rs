//! Kafka into the lake, against a real Apache Kafka: everything arrives once, whatever breaks. Judged by readers that
//! share no code with the program.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod chaos;
mod faults;
mod findings;
mod heartbeat;
mod kills;
mod kills_of_judging;
mod kills_of_upkeep;
mod life;
mod load;
mod real;
mod security;
mod sink;
mod standing;

use std::time::Duration;

use credwatch_tests::broker::Broker;
use credwatch_tests::guarded::Guarded;
use credwatch_tests::oracle::Judgement;
use credwatch_tests::program::Program;
use credwatch_tests::records::event;
use credwatch_tests::topics::Feed;
use credwatch_tests::waiting::until_async;

/// Nothing that is still at work is given up: thirty thousand events that are judged beside other tests took more than
/// two minutes on a slow day.
const PATIENCE: Duration = Duration::from_secs(400);
/// How a shell tells of a child that SIGKILL ended.
const KILLED: i32 = 137;
/// Commits often, and passes partitions on soon after a kill.
const QUICK: [(&str, &str); 2] = [("CREDWATCH_KAFKA__FLUSH_SECONDS", "0.2"), ("CREDWATCH_KAFKA__SESSION_SECONDS", "2")];

/// A running `credwatch ingest` and where its words are.
struct Ingest<'a> {
    program: &'a Program,
    name: String,
    process: Guarded,
}

impl<'a> Ingest<'a> {
    fn start(program: &'a Program, broker: &Broker, topics: &str, name: &str, settings: &[(&str, &str)]) -> Self {
        let (address, group) = (broker.address(), format!("group-of-{topics}"));
        let settings = [&[("CREDWATCH_KAFKA__GROUP", group.as_str())], settings].concat();
        Self::start_as(program, name, &["ingest", "--verbose", "--brokers", &address, "--topic", topics], &settings)
    }

    fn start_as(program: &'a Program, name: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        let settings = [&QUICK[..], settings].concat();
        Self { program, name: name.to_owned(), process: program.start(name, arguments, &settings) }
    }

    /// A write beyond a limit of the process fails as on a full disk, instead of ending it.
    fn start_with_full_disks_survived(program: &'a Program, broker: &Broker, topic: &str) -> Self {
        let (address, binary) = (broker.address(), credwatch_tests::program::binary());
        let binary = binary.to_str().expect("a path in UTF-8");
        // Its words go through a pipe: they are not to fail.
        let shell = ["bash", "-c", "trap '' XFSZ; exec \"$@\" > >(cat) 2>&1", "bash"];
        let arguments = [binary, "ingest", "--verbose", "--brokers", &address, "--topic", topic];
        let name = "ingest".to_owned();
        Self { program, name, process: program.start_command("ingest", &[&shell[..], &arguments].concat(), &QUICK) }
    }

    fn words(&self) -> String {
        std::fs::read_to_string(self.program.log(&self.name)).unwrap_or_default()
    }

    /// Waits until the lake is as far as the topic, and the process with it.
    async fn until_all_is_there(&mut self, broker: &Broker, topic: &str) {
        let wanted: i64 = broker.ends(topic).iter().sum();
        self.until_it_is_at(topic, wanted).await;
    }

    async fn until_it_is_at(&mut self, topic: &str, wanted: i64) {
        let (program, what) = (self.program, format!("the lake is at {wanted} in {topic}"));
        until_async(&what, PATIENCE, || {
            let ended = self.process.has_ended();
            assert!(ended.is_none(), "{ended:?}:\n{}", self.words());
            async { (program.positions(topic).await.values().sum::<i64>() == wanted).then_some(()) }
        })
        .await;
    }

    async fn until_it_says(&mut self, words: &str) {
        until_async(&format!("it says {words:?}"), PATIENCE, || {
            let said = self.words().contains(words);
            async move { said.then_some(()) }
        })
        .await;
    }

    /// Waits for the fail point that it was started with.
    fn until_it_kills_itself(mut self) {
        let ended = self.process.ends_within(PATIENCE);
        let code = ended.and_then(|ended| ended.code());
        assert_eq!(code, Some(KILLED), "{}: it was to be killed:\n{}", self.name, self.words());
    }

    /// Asks it to stop; it must do so in order.
    fn stop(mut self) {
        let ended = self.process.stop();
        assert!(ended.success(), "{ended}:\n{}", self.words());
    }
}

/// Reads the whole topic into the program's lake, stops in order, and has the lake judged.
async fn read_all(program: &Program, broker: &Broker, topic: &str) -> Judgement {
    let mut ingest = Ingest::start(program, broker, topic, "ingest", &[]);
    ingest.until_all_is_there(broker, topic).await;
    ingest.stop();
    let judged = Judgement::of(&program.lake());
    judged.assert_exactly_once();
    judged
}

/// Event `number` goes to the partition that its number chooses.
fn send_events(feed: &Feed, topic: &str, partitions: u64, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let partition = i32::try_from(number % partitions).expect("few partitions");
        feed.send(topic, partition, event("org_a", number).as_bytes());
    }
    feed.flush();
}
