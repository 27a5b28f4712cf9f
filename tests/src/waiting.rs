//! Waiting for something to become true, with a limit. The only place in the tests that sleeps: between two
//! looks, and for a moment that chance chose.

use std::time::{Duration, Instant};

pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Looks until there is something; fails after `at_most`, saying what was waited for.
pub fn until<T>(what: &str, at_most: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < at_most, "waited {at_most:?} in vain until {what}");
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// The same for something asynchronous.
pub async fn until_async<T, F: Future<Output = Option<T>>>(
    what: &str,
    at_most: Duration,
    mut look: impl FnMut() -> F,
) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begin.elapsed() < at_most, "waited {at_most:?} in vain until {what}");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// For a moment that nothing but chance chooses; whoever waits for something uses [`until`].
pub fn let_pass(moment: Duration) {
    std::thread::sleep(moment);
}
