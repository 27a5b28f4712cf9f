//! How much a test does is asked for by its environment; without a word it does what every day needs.

/// The number that `name` holds.
pub fn number(name: &str, default: u64) -> u64 {
    let Some(text) = word(name) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, which is no number"))
}

#[expect(clippy::disallowed_methods, reason = "a test is told by its environment how much to do")]
pub fn word(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
