//! The tokens of a connection as a function of time: nothing remembers which token is current, so any hour can be
//! generated alone.

use credwatch_schemas::time::{MINUTE, Micros};

use crate::chance::{Of, mixed};
use crate::provider::Provider;

/// The broker refreshes this long before a token ends.
const AHEAD: i64 = MINUTE;

#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    key: u64,
    life: Option<i64>,
    rotates: bool,
    /// When a fresh line of tokens began (first grant, restart, re-authorisation), and the number of its first token.
    lines: Vec<(Micros, i64)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// How many tokens the connection had before.
    pub(crate) number: i64,
    pub(crate) issued: Micros,
    pub(crate) expires: Option<Micros>,
}

impl Tokens {
    pub(crate) fn new(key: u64, provider: &Provider, first: Micros, restarts: Vec<Micros>) -> Self {
        let mut tokens = Self { key, life: provider.token_life, rotates: provider.rotates, lines: vec![(first, 0)] };
        tokens.restart(restarts);
        tokens
    }

    /// Fresh lines begin at these instants too. Numbers before the first of them stay what they were.
    pub(crate) fn restart(&mut self, more: Vec<Micros>) {
        let first = self.lines[0].0;
        let mut starts: Vec<_> = self.lines.drain(1..).map(|(start, _)| start).chain(more).collect();
        starts.sort();
        starts.dedup();
        for start in starts.into_iter().filter(|start| *start > first) {
            let before = self.at(start.plus(-1)).number;
            self.lines.push((start, before + 1));
        }
    }

    pub(crate) fn at(&self, time: Micros) -> Token {
        let line = self.lines.partition_point(|(start, _)| *start <= time).saturating_sub(1);
        let (start, first) = self.lines[line];
        let Some(life) = self.life else { return Token { number: first, issued: start, expires: None } };
        let passed = (time.0 - start.0).div_euclid(life - AHEAD).max(0);
        let issued = start.plus(passed * (life - AHEAD));
        Token { number: first + passed, issued, expires: Some(issued.plus(life)) }
    }

    /// The tokens that begin in [from, to), except the very first of the connection.
    pub(crate) fn issued_within(&self, from: Micros, to: Micros) -> Vec<Token> {
        let mut found = Vec::new();
        let mut end = to;
        while end > from {
            let token = self.at(end.plus(-1));
            if token.issued < from || token.number == 0 {
                break;
            }
            end = token.issued;
            found.push(token);
        }
        found.reverse();
        found
    }

    /// Fingerprints are keyed hashes: 96 bits say nothing about the token.
    pub(crate) fn fingerprint(&self, number: i64) -> String {
        format!("fp_{:016x}{:08x}", self.hash(0, number), self.hash(1, number) >> 32)
    }

    /// Where the provider rotates, each access token has a refresh token of its own.
    pub(crate) fn refresh_fingerprint(&self, number: i64) -> String {
        let number = if self.rotates { number } else { 0 };
        format!("fp_{:016x}{:08x}", self.hash(2, number), self.hash(3, number) >> 32)
    }

    pub(crate) fn family(&self) -> String {
        format!("fam_{:016x}", self.hash(4, 0))
    }

    fn hash(&self, part: u64, number: i64) -> u64 {
        mixed(self.key, Of::Token, &[part, number.cast_unsigned()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{GOOGLE, NOTION};
    use credwatch_schemas::time::HOUR;

    #[test]
    fn a_token_is_replaced_a_minute_before_it_ends() {
        let tokens = Tokens::new(1, &GOOGLE, Micros(0), vec![]);
        let first = tokens.at(Micros(0));
        assert_eq!((first.number, first.expires), (0, Some(Micros(HOUR))));
        assert_eq!(tokens.at(Micros(HOUR - AHEAD)).number, 1);
        assert_eq!(tokens.at(Micros(HOUR - AHEAD - 1)).number, 0);
    }

    #[test]
    fn a_restart_gives_a_fresh_token_and_numbers_never_go_back() {
        let tokens = Tokens::new(1, &GOOGLE, Micros(0), vec![Micros(HOUR / 2), Micros(3 * HOUR)]);
        let numbers: Vec<_> = (0..300).map(|minute| tokens.at(Micros(minute * MINUTE)).number).collect();
        assert!(numbers.is_sorted());
        assert_eq!(tokens.at(Micros(HOUR / 2)).issued, Micros(HOUR / 2));
        assert_eq!(tokens.at(Micros(3 * HOUR)).issued, Micros(3 * HOUR));
    }

    #[test]
    fn every_token_is_issued_exactly_once_however_the_time_is_cut() {
        let tokens = Tokens::new(1, &GOOGLE, Micros(-MINUTE), vec![Micros(5 * HOUR)]);
        let whole = tokens.issued_within(Micros(0), Micros(10 * HOUR));
        let hours = (0..10).flat_map(|hour| tokens.issued_within(Micros(hour * HOUR), Micros((hour + 1) * HOUR)));
        assert_eq!(hours.collect::<Vec<_>>(), whole);
        assert!(whole.windows(2).all(|pair| pair[1].number == pair[0].number + 1));
        assert_eq!(whole.len(), 11);
    }

    #[test]
    fn a_key_that_never_expires_stays_the_same() {
        let tokens = Tokens::new(1, &NOTION, Micros(0), vec![]);
        assert_eq!(tokens.at(Micros(1_000 * HOUR)), Token { number: 0, issued: Micros(0), expires: None });
        assert!(tokens.issued_within(Micros(1), Micros(1_000 * HOUR)).is_empty());
    }
}
