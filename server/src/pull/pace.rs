//! How often one reader may ask, and the headers that say so in the four spellings that clients know.
//!
//! It bounds what a client that spins costs the others. The count is this process's own and begins anew every minute.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderValue};
use credwatch_schemas::time::{MINUTE, Micros, SECOND};

/// A minute, for one reader: thirty a second, so that a backlog of a thousand rows a page takes its time from the disk.
const MOST_REQUESTS: u32 = 1_800;
/// Readers that are told apart; beyond that a minute begins anew for all.
const MOST_READERS: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    begin: Micros,
    asked: BTreeMap<String, u32>,
}

/// Where a reader stands in this minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) remaining: u32,
    pub(crate) is_over: bool,
    /// Seconds until the count begins anew, and the same as an epoch.
    pub(crate) reset_in: i64,
    reset_at: i64,
}

impl Pace {
    /// Counts one more request.
    pub(crate) fn ask(&self, reader: &str, now: Micros) -> Standing {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = Micros(now.0 - now.0.rem_euclid(MINUTE));
        if minute.begin != begin || minute.asked.len() >= MOST_READERS {
            *minute = Minute { begin, asked: BTreeMap::new() };
        }
        let asked = minute.asked.entry(reader.to_owned()).or_default();
        *asked = asked.saturating_add(1);
        let end = begin.plus(MINUTE).0;
        Standing {
            remaining: MOST_REQUESTS.saturating_sub(*asked),
            is_over: *asked > MOST_REQUESTS,
            reset_in: (end - now.0).div_euclid(SECOND).max(1),
            reset_at: end.div_euclid(SECOND),
        }
    }
}

impl Standing {
    pub(crate) fn tell(self, headers: &mut HeaderMap) {
        let (limit, remaining) = (HeaderValue::from(MOST_REQUESTS), HeaderValue::from(self.remaining));
        let (reset_at, reset_in) = (HeaderValue::from(self.reset_at), HeaderValue::from(self.reset_in));
        for family in [
            ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"],
            ["x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset"],
        ] {
            let values = [limit.clone(), remaining.clone(), reset_at.clone()];
            family.into_iter().zip(values).for_each(|(name, value)| drop(headers.insert(name, value)));
        }
        // The draft counts seconds from now; Elastic's reader of it spells the names with one more dash.
        for family in [
            ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"],
            ["rate-limit-limit", "rate-limit-remaining", "rate-limit-reset"],
        ] {
            let values = [limit.clone(), remaining.clone(), reset_in.clone()];
            family.into_iter().zip(values).for_each(|(name, value)| drop(headers.insert(name, value)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_stopped_after_its_share_and_nobody_else_is() {
        let (pace, now) = (Pace::default(), Micros(90 * SECOND));
        for _ in 0..MOST_REQUESTS {
            assert!(!pace.ask("a", now).is_over);
        }
        let over = pace.ask("a", now);
        assert_eq!((over.is_over, over.remaining, over.reset_in, over.reset_at), (true, 0, 30, 120));
        assert!(!pace.ask("b", now).is_over);
        assert!(!pace.ask("a", now.plus(30 * SECOND)).is_over, "a new minute");
    }
}
