//! How much a report lists; how many more there are is said. Pure.

pub(super) const LISTED: usize = 50;
pub(super) const FEW: usize = 10;

/// The first ones, and the number of the others.
pub(super) fn cut<T>(mut all: Vec<T>, at_most: usize) -> (Vec<T>, i64) {
    let more = count(all.len().saturating_sub(at_most));
    all.truncate(at_most);
    (all, more)
}

pub(super) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
