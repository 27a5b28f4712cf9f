//! Text for a terminal. Names in events are chosen by whoever is being watched: what would steer a terminal is shown as
//! a mark instead.

use credwatch_schemas::time::Micros;

/// The text on one line, without control characters and without marks that turn the direction of writing.
pub(crate) fn one_line(text: &str) -> String {
    let steers = |one: char| {
        one.is_control() || matches!(one, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|one| if steers(one) { '\u{fffd}' } else { one }).collect()
}

/// An instant to the second, as people read it: `2026-06-01 11:02:50Z`.
pub(crate) fn second(time: Micros) -> String {
    let text = time.to_string();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(clock)) => format!("{day} {clock}Z"),
        _ => text,
    }
}

/// Where event time begins that something holds in: rows without a time hold from the beginning.
pub(crate) fn begins(from: Option<Micros>) -> String {
    from.map_or_else(|| "the beginning".to_owned(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown_as_a_mark() {
        assert_eq!(one_line("a\u{1b}[2Jb\nc\u{202e}d"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
        assert_eq!(one_line("größer 東京"), "größer 東京");
    }

    #[test]
    fn an_instant_is_shown_to_the_second() {
        assert_eq!(second(Micros::parse("2026-06-01T11:02:50.020Z").unwrap()), "2026-06-01 11:02:50Z");
    }
}
