//! How often somebody may ask. Each principal has rates of its own; everybody who was not recognised shares one, so that
//! guessing keys neither fills the audit nor costs others anything. The counts are this process's own.

use std::num::NonZeroU32;

use axum::http::{HeaderMap, HeaderValue};
use credwatch_schemas::time::{Micros, SECOND};
use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

#[cfg(not(test))]
type Ticking = governor::clock::DefaultClock;
/// In tests no time passes, however slow the machine is: who has asked enough never may again.
#[cfg(test)]
type Ticking = governor::clock::FakeRelativeClock;

/// The rates, each as requests a second in the long run and requests at once.
#[derive(Debug)]
pub(super) struct Rates {
    /// Everything that a key asks.
    keys: Rate<Ticking>,
    /// Changes of findings: each makes the engine look again before it commits.
    changes: Rate<Ticking>,
    /// Pages that are pulled: so many that a backlog of a thousand rows a page takes its time from the disk.
    pulls: Rate<Ticking>,
    /// All refused attempts together.
    refused: Rate<Ticking>,
    /// Looks into the table of keys for keys that are not known.
    second_looks: Rate<Ticking>,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            keys: Rate::of(const { counted(50) }, const { counted(200) }),
            changes: Rate::of(const { counted(1) }, const { counted(30) }),
            pulls: Rate::of(const { counted(30) }, const { counted(1_800) }),
            refused: Rate::of(const { counted(20) }, const { counted(100) }),
            second_looks: Rate::of(const { counted(20) }, const { counted(20) }),
        }
    }
}

/// A rate of nothing would let nobody in for ever: it counts as one.
const fn counted(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

/// For those that all share.
const EVERYBODY: &str = "";

impl Rates {
    pub(super) fn key(&self, principal: &str) -> Result<Standing, Standing> {
        self.keys.ask(principal)
    }

    pub(super) fn change(&self, principal: &str) -> Result<Standing, Standing> {
        self.changes.ask(principal)
    }

    pub(super) fn pull(&self, principal: &str) -> Result<Standing, Standing> {
        self.pulls.ask(principal)
    }

    pub(super) fn refuse(&self) -> Result<Standing, Standing> {
        self.refused.ask(EVERYBODY)
    }

    pub(super) fn look_again(&self) -> bool {
        self.second_looks.ask(EVERYBODY).is_ok()
    }
}

/// One rate of many principals. Those that are asked for stand in the table of keys, so what it holds is bounded by them.
#[derive(Debug)]
struct Rate<C: Clock> {
    limiter: RateLimiter<String, DefaultKeyedStateStore<String>, C, StateInformationMiddleware>,
    a_second: u32,
    at_once: u32,
}

/// Where somebody stands with one of their rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    limit: u32,
    remaining: u32,
    /// Seconds until everything may be asked again; for who may not ask now, until they may.
    reset_in: u32,
}

impl Rate<Ticking> {
    fn of(a_second: NonZeroU32, at_once: NonZeroU32) -> Self {
        Self::with_clock(a_second, at_once, Ticking::default())
    }
}

impl<C: Clock> Rate<C> {
    fn with_clock(a_second: NonZeroU32, at_once: NonZeroU32, clock: C) -> Self {
        let quota = Quota::per_second(a_second).allow_burst(at_once);
        let limiter = RateLimiter::dashmap_with_clock(quota, clock).with_middleware();
        Self { limiter, a_second: a_second.get(), at_once: at_once.get() }
    }

    /// Counts one more; `Err` when it is one too many.
    fn ask(&self, principal: &str) -> Result<Standing, Standing> {
        let standing = |remaining, reset_in| Standing { limit: self.at_once, remaining, reset_in };
        match self.limiter.check_key(&principal.to_owned()) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                Ok(standing(remaining, (self.at_once - remaining).div_ceil(self.a_second).max(1)))
            }
            Err(not) => {
                let wait = not.wait_time_from(self.limiter.clock().now()).as_secs() + 1;
                Err(standing(0, u32::try_from(wait).unwrap_or(u32::MAX)))
            }
        }
    }
}

impl Standing {
    pub(crate) fn reset_in(self) -> u32 {
        self.reset_in
    }

    /// In the four spellings that clients know.
    pub(crate) fn tell(self, headers: &mut HeaderMap, now: Micros) {
        let reset_at = now.0.div_euclid(SECOND).saturating_add(i64::from(self.reset_in));
        for family in [
            ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"],
            ["x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset"],
        ] {
            self.tell_in(headers, family, HeaderValue::from(reset_at));
        }
        // The draft counts seconds from now; Elastic's reader of it spells the names with one more dash.
        for family in [
            ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"],
            ["rate-limit-limit", "rate-limit-remaining", "rate-limit-reset"],
        ] {
            self.tell_in(headers, family, HeaderValue::from(self.reset_in));
        }
    }

    fn tell_in(self, headers: &mut HeaderMap, names: [&'static str; 3], reset: HeaderValue) {
        let values = [HeaderValue::from(self.limit), HeaderValue::from(self.remaining), reset];
        names.into_iter().zip(values).for_each(|(name, value)| drop(headers.insert(name, value)));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn who_asks_too_often_must_wait_and_the_others_need_not() {
        let clock = FakeRelativeClock::default();
        let rate = Rate::with_clock(counted(2), counted(10), clock.clone());
        let first = rate.ask("a").unwrap();
        assert_eq!((first.limit, first.remaining, first.reset_in), (10, 9, 1));
        (0..9).for_each(|_| assert!(rate.ask("a").is_ok()));
        assert_eq!(rate.ask("a"), Err(Standing { limit: 10, remaining: 0, reset_in: 1 }));
        assert!(rate.ask("b").is_ok());
        clock.advance(Duration::from_millis(500));
        assert_eq!(rate.ask("a"), Ok(Standing { limit: 10, remaining: 0, reset_in: 5 }));
        assert!(rate.ask("a").is_err());
    }

    #[test]
    fn where_somebody_stands_is_told_in_every_spelling() {
        let mut headers = HeaderMap::new();
        Standing { limit: 10, remaining: 4, reset_in: 3 }.tell(&mut headers, Micros(100 * SECOND));
        let told = |name: &str| headers[name].to_str().unwrap().to_owned();
        for family in ["x-ratelimit", "x-rate-limit", "ratelimit", "rate-limit"] {
            assert_eq!(
                (told(&format!("{family}-limit")), told(&format!("{family}-remaining"))),
                ("10".into(), "4".into())
            );
            let reset = if family.starts_with('x') { "103" } else { "3" };
            assert_eq!(told(&format!("{family}-reset")), reset);
        }
    }

    #[test]
    fn the_documented_rates_are_those_that_hold() {
        let (page, rates) = (include_str!("../../../docs/access.md"), Rates::default());
        let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
        for (rate, before, between) in [
            (&rates.keys, "", " requests a second for each key in the long run, "),
            (&rates.changes, "changes of findings, keys, grants and saved queries ", " a second, "),
            (&rates.pulls, "pulls ", " a second, "),
            (&rates.refused, "refusals beyond ", " a second ("),
        ] {
            let said = format!("{before}{}{between}{} at once", rate.a_second, rate.at_once);
            assert!(page.contains(&said), "{said}");
        }
    }
}
