//! The clock of a partition in which nothing happens.
//!
//! Windows close when every partition's clock has passed them, so a quiet partition must not hold the others back. One
//! that is read to its end is as far as the lake's largest clock, plus the time since that one grew: no faster than
//! time itself, and, in a replay of last month's events, no further than last month.

use std::time::Instant;

use credwatch_schemas::time::Micros;

#[derive(Debug, Default)]
pub(super) struct IdleClock {
    largest: Option<(Micros, Instant)>,
}

impl IdleClock {
    /// The largest clock in the lake is `clock` now.
    pub(super) fn see(&mut self, clock: Option<Micros>, now: Instant) {
        let Some(clock) = clock else { return };
        if self.largest.is_none_or(|(present, _)| present < clock) {
            self.largest = Some((clock, now));
        }
    }

    /// What a partition's clock shows that is read to its end; nothing before the first event of all.
    pub(super) fn read(&self, now: Instant) -> Option<Micros> {
        let (clock, since) = self.largest?;
        let passed = i64::try_from(now.saturating_duration_since(since).as_micros()).unwrap_or(0);
        Some(clock.plus(passed))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_goes_on_from_the_largest_clock_at_the_speed_of_time() {
        let (mut idle, begin) = (IdleClock::default(), Instant::now());
        assert_eq!(idle.read(begin), None);
        idle.see(Some(Micros(1_000_000)), begin);
        assert_eq!(idle.read(begin + Duration::from_secs(10)), Some(Micros(11_000_000)));
    }

    #[test]
    fn its_own_commits_do_not_make_it_faster() {
        let (mut idle, begin) = (IdleClock::default(), Instant::now());
        idle.see(Some(Micros(0)), begin);
        for second in 1..=60 {
            let now = begin + Duration::from_secs(second);
            let shown = idle.read(now);
            idle.see(shown, now);
        }
        assert_eq!(idle.read(begin + Duration::from_secs(60)), Some(Micros(60_000_000)));
    }

    #[test]
    fn a_lower_clock_changes_nothing() {
        let (mut idle, begin) = (IdleClock::default(), Instant::now());
        idle.see(Some(Micros(5)), begin);
        idle.see(Some(Micros(3)), begin + Duration::from_secs(1));
        assert_eq!(idle.read(begin), Some(Micros(5)));
    }
}
