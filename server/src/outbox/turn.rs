//! Whose turn it is to send, where several servers could: a number in the table that names who has it. Pure.
//!
//! Nobody's clock is compared with anybody else's: a turn is over when its number has stood unchanged for so long that its
//! holder, who changes it every ten seconds, must have died.

use std::time::Duration;

use credwatch_lake::fail_point::is_on;
use tokio::time::Instant;

/// Somebody else's number that has stood for so long is nobody's.
const OVER_AFTER: Duration = Duration::from_secs(45);
/// A turn is taken anew when it is older than this, also while a message is under way.
pub(super) const RENEWED_AFTER: Duration = Duration::from_secs(10);
/// Nobody's.
pub(super) const FREE: i64 = 0;

/// What one process knows of a route's turn.
#[derive(Debug)]
pub(super) struct Turn {
    mine: Option<(i64, Instant)>,
    theirs: Option<(i64, Instant)>,
    /// A number that was asked for, and of which nobody knows whether it was given.
    asked: Option<i64>,
    over_after: Duration,
}

impl Default for Turn {
    fn default() -> Self {
        let over_after = if is_on("outbox-short-turns") { Duration::from_secs(15) } else { OVER_AFTER };
        Self { mine: None, theirs: None, asked: None, over_after }
    }
}

/// What is to be done before a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// It may be sent.
    Nothing,
    /// The turn is to be taken from this number.
    Take(Option<i64>),
    /// Somebody else sends.
    Wait,
}

impl Turn {
    pub(super) fn before(&mut self, stands: Option<i64>, now: Instant) -> Before {
        match (self.mine, stands) {
            (Some((mine, since)), Some(number)) if mine == number => {
                if now.duration_since(since) < RENEWED_AFTER {
                    return Before::Nothing;
                }
                Before::Take(stands)
            }
            (_, None | Some(FREE)) => Before::Take(stands),
            (_, Some(number)) if self.asked == Some(number) => Before::Take(stands),
            (_, Some(number)) => self.watch(number, now),
        }
    }

    fn watch(&mut self, number: i64, now: Instant) -> Before {
        self.mine = None;
        match self.theirs {
            Some((known, since)) if known == number => {
                if now.duration_since(since) < self.over_after {
                    Before::Wait
                } else {
                    Before::Take(Some(number))
                }
            }
            _ => {
                self.theirs = Some((number, now));
                Before::Wait
            }
        }
    }

    /// Before it is tried: should the answer be lost, the number is known again.
    pub(super) fn asks_for(&mut self, number: i64) {
        self.asked = Some(number);
    }

    /// `since` is from before it was asked for.
    pub(super) fn taken(&mut self, number: i64, since: Instant) {
        (self.mine, self.theirs) = (Some((number, since)), None);
    }

    /// One's own, as far as is known.
    pub(super) fn number(&self) -> Option<i64> {
        self.mine.map(|(number, _)| number)
    }

    /// It was given back, or somebody else has it.
    pub(super) fn is_over(&mut self) {
        self.mine = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_free_is_taken_and_taken_anew_after_a_while() {
        let (mut turn, start) = (Turn::default(), Instant::now());
        assert_eq!(turn.before(None, start), Before::Take(None));
        assert_eq!(turn.before(Some(FREE), start), Before::Take(Some(FREE)));
        turn.taken(7, start);
        assert_eq!(turn.before(Some(7), start + 9 * SECOND), Before::Nothing);
        assert_eq!(turn.before(Some(7), start + 10 * SECOND), Before::Take(Some(7)));
    }

    #[test]
    fn somebody_elses_is_over_only_when_it_has_stood_for_long() {
        let (mut turn, start) = (Turn::default(), Instant::now());
        assert_eq!(turn.before(Some(5), start), Before::Wait);
        assert_eq!(turn.before(Some(5), start + 44 * SECOND), Before::Wait);
        assert_eq!(turn.before(Some(6), start + 45 * SECOND), Before::Wait, "its holder lives");
        assert_eq!(turn.before(Some(6), start + 89 * SECOND), Before::Wait);
        assert_eq!(turn.before(Some(6), start + 90 * SECOND), Before::Take(Some(6)));
    }

    #[test]
    fn who_has_lost_a_turn_does_not_send() {
        let (mut turn, start) = (Turn::default(), Instant::now());
        turn.taken(7, start);
        assert_eq!(turn.before(Some(8), start + SECOND), Before::Wait);
        assert_eq!(turn.number(), None);
    }

    #[test]
    fn a_number_whose_answer_was_lost_is_known_again() {
        let (mut turn, start) = (Turn::default(), Instant::now());
        turn.asks_for(7);
        assert_eq!(turn.before(Some(7), start), Before::Take(Some(7)));
        assert_eq!(turn.before(Some(8), start), Before::Wait);
    }
}
