//! A way that events can come: in which order, over how many partitions, cut how, judged when, with or without a kill
//! between the steps.

use credwatch_schemas::time::{MINUTE, Micros};
use credwatch_simulate::{Plan, Simulated, Simulation};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One event of the log.
#[derive(Debug, Clone)]
pub struct Line {
    pub time: Micros,
    pub org: String,
    pub json: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Sorted,
    Reversed,
    Shuffled,
    /// Each up to a quarter of an hour late.
    Late,
    /// One in twenty comes again, on another partition.
    Repeated,
    /// The first partition comes when the others are through.
    Stalled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Judged after every batch.
    Live,
    /// Judged when everything is there.
    AtOnce,
    /// The later half live, then the earlier half by import.
    Backfilled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    pub order: Order,
    pub partitions: usize,
    /// Records of a batch.
    pub cut: usize,
    pub run: Run,
    /// Between any two batches the process is another one.
    pub restarts: bool,
}

/// A record on its way: which line, through which partition.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    pub line: usize,
    pub partition: usize,
}

/// The history of the plan of so many events, in order of time.
pub fn simulated(seed: u64, events: u64) -> Vec<Line> {
    let line = |one: Simulated| Line {
        time: one.time,
        org: one.key().to_owned(),
        json: one.json().expect("an event is JSON"),
    };
    Simulation::history(Plan::of_events(seed, events)).traffic().map(line).collect()
}

impl Way {
    /// Every way of so many events: in two batches, and in five of which the last is small.
    pub fn all(events: usize) -> Vec<Self> {
        use Order::{Late, Repeated, Reversed, Shuffled, Sorted, Stalled};
        let (large, small) = (events.div_ceil(2), (events * 7).div_ceil(30));
        let mut ways = Vec::new();
        for order in [Sorted, Reversed, Shuffled, Late, Repeated, Stalled] {
            for run in [Run::AtOnce, Run::Live, Run::Backfilled] {
                for (partitions, cut) in [(1, large), (4, large), (1, small), (4, small)] {
                    let way = |restarts| Self { order, partitions, cut, run, restarts };
                    ways.extend([way(false), way(true)]);
                }
            }
        }
        ways
    }

    pub fn is_plain(&self) -> bool {
        self.order == Order::Sorted && self.run == Run::AtOnce && self.partitions == 1 && !self.restarts
    }

    /// The lines that come by Kafka, in the order in which they come. `from` is the first of them.
    pub fn arrivals(&self, lines: &[Line], from: usize) -> Vec<Arrival> {
        let mut chance = ChaCha8Rng::seed_from_u64(1);
        let mut order: Vec<usize> = (from..lines.len()).collect();
        match self.order {
            Order::Sorted | Order::Repeated => {}
            Order::Reversed => order.reverse(),
            Order::Shuffled => order.shuffle(&mut chance),
            Order::Late => order.sort_by_cached_key(|line| lines[*line].time.plus(chance.random_range(0..15 * MINUTE))),
            Order::Stalled => order.sort_by_key(|line| line % self.partitions == 0),
        }
        let mut arrivals = Vec::new();
        for line in order {
            let partition = line % self.partitions;
            arrivals.push(Arrival { line, partition });
            if self.order == Order::Repeated && chance.random_range(0..20) == 0 {
                arrivals.push(Arrival { line, partition: (partition + 1) % self.partitions });
            }
        }
        arrivals
    }
}
