//! Epoch-aligned windows of event time. A window holds its start and not its end; windows never slide.

use crate::time::Micros;

/// The length of a window, in microseconds; always positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowLength(i64);

/// One window: `start <= time < end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    pub start: Micros,
    pub end: Micros,
}

impl WindowLength {
    pub fn new(micros: i64) -> Option<Self> {
        (micros > 0).then_some(Self(micros))
    }

    pub fn micros(self) -> i64 {
        self.0
    }

    /// The window that holds `time`.
    pub fn containing(self, time: Micros) -> Window {
        let start = time.0 - time.0.rem_euclid(self.0);
        Window { start: Micros(start), end: Micros(start.saturating_add(self.0)) }
    }

    /// The end of the last window that is over at `time`: what may be judged when the watermark stands there.
    pub fn last_end(self, time: Micros) -> Micros {
        self.containing(time).start
    }
}

impl Window {
    pub fn holds(self, time: Micros) -> bool {
        self.start <= time && time < self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_instant_lies_in_exactly_one_window(time in -4_000_000_000_000_000_i64..4_000_000_000_000_000, length in 1_i64..1_000_000_000_000) {
            let window = WindowLength::new(length).unwrap().containing(Micros(time));
            prop_assert!(window.holds(Micros(time)));
            prop_assert_eq!(window.start.0.rem_euclid(length), 0);
            prop_assert_eq!(window.end.0 - window.start.0, length);
        }
    }
}
