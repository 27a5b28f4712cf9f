//! What is sent while processes are killed: events, one record in twenty that is none, and one in twenty that came before,
//! on whatever partition chance chooses. Whoever sends also counts, so that the lake can be held against it.

use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use credwatch_tests::program::Program;
use credwatch_tests::topics::Feed;
use credwatch_tests::waiting::until;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::PATIENCE;

/// Records after which the broker is asked whether it has them, where nothing else decides.
const BREATH: u32 = 100;

pub(crate) struct Load<'a> {
    feed: &'a Feed,
    topic: &'a str,
    partitions: i32,
    /// The event of a number.
    payload: &'a (dyn Fn(u64) -> String + Sync),
    chance: ChaCha8Rng,
    next: u64,
    sent: Sent,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent {
    pub(crate) records: i64,
    pub(crate) repeats: i64,
    pub(crate) rejects: i64,
}

impl<'a> Load<'a> {
    pub(crate) fn new(
        feed: &'a Feed,
        (topic, partitions): (&'a str, i32),
        seed: u64,
        payload: &'a (dyn Fn(u64) -> String + Sync),
    ) -> Self {
        let chance = ChaCha8Rng::seed_from_u64(seed);
        Self { feed, topic, partitions, payload, chance, next: 0, sent: Sent::default() }
    }

    /// As fast as the machine sustains it: so many more with every version of the table, until told that it is enough.
    pub(crate) fn run_with(mut self, program: &Program, records: u32, is_over: &AtomicBool) -> Sent {
        let log = program.lake().join("records/_delta_log");
        let mut seen = None;
        while !is_over.load(Ordering::Relaxed) {
            seen = until("the lake has another version", PATIENCE, || {
                let newest = newest_of(&log);
                (newest != seen || is_over.load(Ordering::Relaxed)).then_some(newest)
            });
            self.send_some(records, u64::MAX);
        }
        self.sent
    }

    /// Until every event below `number` is sent.
    pub(crate) fn run_up_to(&mut self, number: u64) -> Sent {
        while self.next < number {
            self.send_some(BREATH, number);
        }
        self.sent
    }

    fn send_some(&mut self, records: u32, end: u64) {
        for _ in 0..records {
            if self.next < end {
                self.send_one();
            }
        }
        self.feed.flush();
    }

    fn send_one(&mut self) {
        let partition = self.chance.random_range(0..self.partitions);
        self.sent.records += 1;
        match self.chance.random_range(0..20) {
            0 => {
                self.feed.send(self.topic, partition, b"not an event");
                self.sent.rejects += 1;
            }
            1 if self.next > 0 => {
                let again = self.chance.random_range(0..self.next);
                self.feed.send(self.topic, partition, (self.payload)(again).as_bytes());
                self.sent.repeats += 1;
            }
            _ => {
                self.feed.send(self.topic, partition, (self.payload)(self.next).as_bytes());
                self.next += 1;
            }
        }
    }
}

/// The last entry of a table's log; `None` while there is no table.
fn newest_of(log: &Path) -> Option<OsString> {
    let entries = std::fs::read_dir(log).ok()?.flatten().map(|entry| entry.file_name());
    entries.filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "json")).max()
}

impl Sent {
    /// Says how much it was, and how fast.
    #[expect(clippy::print_stdout, reason = "a number that whoever reads a test's output may want")]
    pub(crate) fn tell(&self, what: &str, took: std::time::Duration) {
        let Self { records, repeats, rejects } = self;
        let rate = *records as f64 / took.as_secs_f64();
        println!("{what}: {records} records, {repeats} of them repeats and {rejects} rejects; {rate:.0} records/s");
    }
}
