//! Which partitions are read to their end: only these have a clock that goes on by itself.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;

use super::{Reader, STAND_STILL, now};
use crate::kafka::metrics;
use crate::kafka::standing::Standing;

/// Statistics that waited for longer say nothing about now.
const OLDEST_STANDING: Duration = Duration::from_secs(60);

impl Reader<'_> {
    /// The client's statistics come every few seconds: lag, and which partitions are read to their end.
    pub(super) fn look_at_standing(&mut self) {
        let Some((standing, taken_after)) = self.consumer.context().take_standing() else { return };
        // Statistics from before a break may speak of a place that we have left, and while reading pauses nobody hears
        // what comes.
        let is_old = taken_after <= self.begun || taken_after.elapsed() >= OLDEST_STANDING;
        if is_old || self.is_paused {
            return;
        }
        let snapshot = self.source.lake.snapshot();
        let snapshot = self.runtime.block_on(async { tokio::time::timeout(STAND_STILL, snapshot).await });
        if let Ok(Ok(snapshot)) = snapshot {
            self.idle.see(snapshot.clocks().into_values().max(), Instant::now());
            self.tell_ends(&standing);
        }
    }

    fn tell_ends(&mut self, standing: &Standing) {
        let clock = self.idle.read(Instant::now());
        let mut lag = 0;
        for partition in self.held.values().flat_map(|held| held.partitions.values()) {
            lag += standing.lag(partition, &self.accumulator).unwrap_or(0);
            let before = match standing.fetched_end(partition) {
                Some(end) => self.ends.insert(partition.clone(), end).filter(|before| *before == end),
                None => self.ends.remove(partition).and(None),
            };
            if let Some(end) = before {
                self.accumulator.skip_to(partition, end);
            }
            if let Some(clock) = clock.filter(|_| standing.is_read(partition, &self.accumulator)) {
                self.accumulator.tell_clock(partition, clock);
            }
        }
        metrics::lag(lag);
        metrics::behind(self.latest.filter(|_| lag > 0).map_or(0, |latest| now().0.saturating_sub(latest.0)));
    }
}
