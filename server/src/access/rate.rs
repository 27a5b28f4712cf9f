//! How often somebody may ask. Each key has a rate of its own; everybody who was not recognised shares one, so that
//! guessing keys neither fills the audit nor costs others anything.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use credwatch_schemas::time::{Micros, SECOND};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Requests a second of one key in the long run, and at once.
const A_SECOND: NonZeroU32 = NonZeroU32::new(50).expect("not zero");
const AT_ONCE: NonZeroU32 = NonZeroU32::new(200).expect("not zero");
/// Changes of findings of one principal: each makes the engine look again before it commits.
const CHANGES_A_SECOND: NonZeroU32 = NonZeroU32::new(1).expect("not zero");
const CHANGES_AT_ONCE: NonZeroU32 = NonZeroU32::new(30).expect("not zero");
/// The same for all refused attempts together.
const REFUSED_A_SECOND: NonZeroU32 = NonZeroU32::new(20).expect("not zero");
const REFUSED_AT_ONCE: NonZeroU32 = NonZeroU32::new(100).expect("not zero");

#[derive(Debug)]
pub(super) struct Rates {
    keys: DefaultKeyedRateLimiter<String>,
    changes: DefaultKeyedRateLimiter<String>,
    refused: DefaultDirectRateLimiter,
    second_looks: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

/// Too many; ask again after this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait(pub(crate) Duration);

impl Default for Rates {
    fn default() -> Self {
        Self {
            keys: RateLimiter::keyed(Quota::per_second(A_SECOND).allow_burst(AT_ONCE)),
            changes: RateLimiter::keyed(Quota::per_second(CHANGES_A_SECOND).allow_burst(CHANGES_AT_ONCE)),
            refused: RateLimiter::direct(Quota::per_second(REFUSED_A_SECOND).allow_burst(REFUSED_AT_ONCE)),
            second_looks: RateLimiter::direct(Quota::per_second(REFUSED_A_SECOND)),
            clock: DefaultClock::default(),
        }
    }
}

impl Rates {
    /// The keys that this may be asked for are those of the table, so what it holds is bounded by them.
    pub(super) fn admit(&self, principal: &str) -> Result<(), Wait> {
        let admitted = self.keys.check_key(&principal.to_owned());
        admitted.map_err(|not| Wait(not.wait_time_from(self.clock.now())))
    }

    /// Whether the table of keys may be read once more for a key that is not known.
    pub(super) fn look_again(&self) -> bool {
        self.second_looks.check().is_ok()
    }

    pub(super) fn admit_change(&self, principal: &str) -> Result<(), Wait> {
        let admitted = self.changes.check_key(&principal.to_owned());
        admitted.map_err(|not| Wait(not.wait_time_from(self.clock.now())))
    }

    pub(super) fn refuse(&self) -> Result<(), Wait> {
        self.refused.check().map_err(|not| Wait(not.wait_time_from(self.clock.now())))
    }
}

impl Wait {
    /// In all the spellings that clients look for.
    pub(crate) fn write(self, headers: &mut HeaderMap, now: Micros) {
        let seconds = self.0.as_secs() + 1;
        let limit = AT_ONCE.get().to_string();
        let reset = (now.0 / SECOND).saturating_add_unsigned(seconds).to_string();
        let said = [
            ("retry-after", seconds.to_string()),
            ("x-ratelimit-limit", limit.clone()),
            ("x-ratelimit-remaining", "0".to_owned()),
            ("x-ratelimit-reset", reset.clone()),
            ("x-rate-limit-limit", limit.clone()),
            ("x-rate-limit-remaining", "0".to_owned()),
            ("x-rate-limit-reset", reset),
            ("ratelimit-limit", limit),
            ("ratelimit-remaining", "0".to_owned()),
            ("ratelimit-reset", seconds.to_string()),
        ];
        for (name, value) in said {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_that_asks_too_often_leaves_the_others_alone() {
        let rates = Rates::default();
        let admitted = (0..AT_ONCE.get() * 2).filter(|_| rates.admit("key:a").is_ok()).count();
        assert!(admitted >= AT_ONCE.get() as usize && admitted < 2 * AT_ONCE.get() as usize, "{admitted}");
        assert_eq!(rates.admit("key:b"), Ok(()));
    }

    #[test]
    fn who_must_wait_is_told_how_long_in_every_spelling() {
        let mut headers = HeaderMap::new();
        Wait(Duration::from_millis(2_500)).write(&mut headers, Micros(100 * SECOND));
        assert_eq!(
            (&headers["retry-after"], &headers["ratelimit-reset"]),
            (&"3".parse().unwrap(), &"3".parse().unwrap())
        );
        assert_eq!(
            (&headers["x-ratelimit-reset"], &headers["x-rate-limit-reset"]),
            (&"103".parse().unwrap(), &"103".parse().unwrap())
        );
    }
}
