//! A fast look for fixed beginnings of secrets: three table look-ups a byte, and a comparison where all three agree.
//!
//! Every match of a rule contains one of the rule's anchors; a test holds them to it. Letters of an anchor that is
//! marked `fold` stand for both cases.

use std::fmt;

/// At most this many anchors: one bit each.
const MOST: usize = 128;

/// Anchors that hide in the text of JSON behind an escape, such as `\u0067hp_` for `ghp_`.
const ESCAPES: [&str; 1] = [r"\u00"];

#[derive(Debug, Clone, Copy)]
pub(crate) struct Anchor {
    pub(crate) text: &'static str,
    pub(crate) fold: bool,
}

pub(crate) struct Anchors {
    /// For the first three bytes of a place: the anchors that have this byte there.
    tables: Box<[[u128; 256]; 3]>,
    anchors: Vec<(Anchor, usize)>,
}

impl Anchors {
    /// Anchors with the number of the rule that each belongs to. Rules have numbers below 63.
    pub(crate) fn new(of_rules: impl Iterator<Item = (Anchor, usize)>) -> Self {
        let escapes = ESCAPES.map(|text| (Anchor { text, fold: false }, 63));
        let anchors: Vec<_> = of_rules.chain(escapes).take(MOST).collect();
        let mut tables = Box::new([[0_u128; 256]; 3]);
        for (number, (anchor, _)) in anchors.iter().enumerate() {
            for (table, byte) in tables.iter_mut().zip(anchor.text.bytes()) {
                table[usize::from(byte)] |= 1 << number;
                if anchor.fold {
                    table[usize::from(byte.to_ascii_lowercase())] |= 1 << number;
                    table[usize::from(byte.to_ascii_uppercase())] |= 1 << number;
                }
            }
        }
        Self { tables, anchors }
    }

    /// The rules (a bit each) that have an anchor in `text`.
    pub(crate) fn rules_in(&self, text: &[u8]) -> u64 {
        let mut rules = 0;
        self.each_hit(text, |rule| {
            rules |= 1 << rule;
            true
        });
        rules & !(1 << 63)
    }

    /// Whether any rule, or an escape that can hide an anchor, is in `text`.
    pub(crate) fn suspect(&self, text: &[u8]) -> bool {
        let mut found = false;
        self.each_hit(text, |_| {
            found = true;
            false
        });
        found
    }

    /// Calls `go_on` with the rule of each anchor that is met, until it says no.
    fn each_hit(&self, text: &[u8], mut go_on: impl FnMut(usize) -> bool) {
        let [first, second, third] = self.tables.as_ref();
        for (place, bytes) in text.windows(3).enumerate() {
            let mut candidates =
                first[usize::from(bytes[0])] & second[usize::from(bytes[1])] & third[usize::from(bytes[2])];
            while candidates != 0 {
                let number = candidates.trailing_zeros() as usize;
                candidates &= candidates - 1;
                let (anchor, rule) = self.anchors[number];
                if anchor.stands_at(&text[place..]) && !go_on(rule) {
                    return;
                }
            }
        }
    }
}

impl Anchor {
    fn stands_at(self, text: &[u8]) -> bool {
        let expected = self.text.as_bytes();
        let found = text.get(..expected.len());
        found.is_some_and(|found| if self.fold { found.eq_ignore_ascii_case(expected) } else { found == expected })
    }
}

impl fmt::Debug for Anchors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Anchors").field("count", &self.anchors.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchors() -> Anchors {
        let exact = Anchor { text: "ghp_", fold: false };
        let fold = Anchor { text: "bearer", fold: true };
        Anchors::new([(exact, 0), (fold, 5)].into_iter())
    }

    #[test]
    fn each_rule_is_found_wherever_its_anchor_stands() {
        assert_eq!(anchors().rules_in(b"ghp_"), 1);
        assert_eq!(anchors().rules_in(b"..ghp_.."), 1);
        assert_eq!(anchors().rules_in(b"a BeArEr and ghp_"), 1 | 1 << 5);
        assert_eq!(anchors().rules_in(b"GHP_ beare ghp"), 0);
        assert_eq!(anchors().rules_in(b""), 0);
    }

    #[test]
    fn an_escape_is_suspect_though_no_rule_is_met() {
        assert!(anchors().suspect(br#"{"a":"\u0067hp_"}"#));
        assert_eq!(anchors().rules_in(br"\u0067hp_"), 0);
        assert!(!anchors().suspect(br#"{"a":"b\nc"}"#));
    }
}
