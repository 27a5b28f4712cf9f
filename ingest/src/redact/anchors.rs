//! A fast look for fixed beginnings of secrets: one search for all of them at once, with vector instructions where the
//! processor has them, and a closer look at what it finds.
//!
//! Every match of a rule contains one of the rule's anchors; tests hold them to it.

use std::ops::ControlFlow;

use aho_corasick::{AhoCorasick, Input, MatchKind};

/// Anchors that hide in the text of JSON behind an escape, such as `\u0067hp_` for `ghp_`.
const ESCAPE: Anchor = Anchor { text: r"\u00", fold: false, at_word: false };

/// The number in place of a rule's that stands for an escape.
const NO_RULE: usize = 63;

/// So many bytes of an anchor are searched for. With more the search would be no faster, and with all of them there
/// would be too many different ones for it to be fast.
const SEARCHED: usize = 5;

/// The longest escape of JSON.
const LONGEST_ESCAPE: usize = r"\u0000".len();

#[derive(Debug, Clone, Copy)]
pub(crate) struct Anchor {
    pub(crate) text: &'static str,
    /// Its letters stand for both cases.
    pub(crate) fold: bool,
    /// It counts only where a word begins: `sk-` is not in `task-7`.
    pub(crate) at_word: bool,
}

#[derive(Debug)]
pub(crate) struct Anchors {
    /// Searches a text in lower case. `None` where it cannot be built; then every text is suspect, of every rule.
    search: Option<AhoCorasick>,
    /// For each beginning that is searched for: the anchors that begin so, each with the number of its rule.
    found_by: Vec<Vec<(Anchor, usize)>>,
}

impl Anchors {
    /// Anchors with the number of the rule that each belongs to. Rules have numbers below 63.
    pub(crate) fn new(of_rules: impl Iterator<Item = (Anchor, usize)>) -> Self {
        let mut anchors: Vec<_> =
            of_rules.chain([(ESCAPE, NO_RULE)]).map(|anchor| (anchor.0.beginning(), anchor)).collect();
        // Each beginning follows the shorter one that it begins with, and that one finds it too.
        anchors.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut beginnings: Vec<String> = Vec::new();
        let mut found_by: Vec<Vec<_>> = Vec::new();
        for (beginning, anchor) in anchors {
            match (beginnings.last(), found_by.last_mut()) {
                (Some(shorter), Some(found)) if beginning.starts_with(shorter.as_str()) => found.push(anchor),
                _ => {
                    beginnings.push(beginning);
                    found_by.push(vec![anchor]);
                }
            }
        }
        let search = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(&beginnings).ok();
        Self { search, found_by }
    }

    /// The rules (a bit each) that have an anchor in `text`.
    pub(crate) fn rules_in(&self, text: &[u8]) -> u64 {
        let mut rules = 0;
        let all = self.each_hit(text, |rule| {
            rules |= 1 << rule;
            ControlFlow::Continue(())
        });
        if all.is_break() { u64::MAX >> 1 } else { rules & !(1 << NO_RULE) }
    }

    /// Whether any rule, or an escape that can hide an anchor, is in `text`.
    pub(crate) fn suspect(&self, text: &[u8]) -> bool {
        self.each_hit(text, |_| ControlFlow::Break(())).is_break()
    }

    /// Calls `go_on` with the rule of each anchor that is met, until it says no.
    fn each_hit(&self, text: &[u8], mut go_on: impl FnMut(usize) -> ControlFlow<()>) -> ControlFlow<()> {
        let Some(search) = &self.search else { return ControlFlow::Break(()) };
        let lower = text.to_ascii_lowercase();
        let mut from = 0;
        while let Some(found) = search.find(Input::new(&lower).range(from..)) {
            let place = found.start();
            for (anchor, rule) in &self.found_by[found.pattern().as_usize()] {
                if anchor.stands_at(text, place) {
                    go_on(*rule)?;
                }
            }
            from = place + 1;
        }
        ControlFlow::Continue(())
    }
}

impl Anchor {
    fn beginning(self) -> String {
        self.text.chars().take(SEARCHED).collect::<String>().to_ascii_lowercase()
    }

    fn stands_at(self, text: &[u8], place: usize) -> bool {
        let (before, text) = text.split_at(place);
        let expected = self.text.as_bytes();
        let found = text.get(..expected.len());
        let is_there =
            found.is_some_and(|found| if self.fold { found.eq_ignore_ascii_case(expected) } else { found == expected });
        is_there && !(self.at_word && ends_inside_a_word(before))
    }
}

/// Whether what follows certainly does not begin a word. After an escape nobody knows: `\nsk-` may be a new line.
fn ends_inside_a_word(before: &[u8]) -> bool {
    let near = &before[before.len().saturating_sub(LONGEST_ESCAPE)..];
    near.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') && !near.contains(&b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchors() -> Anchors {
        let exact = Anchor { text: "ghp_", fold: false, at_word: false };
        let fold = Anchor { text: "bearer", fold: true, at_word: false };
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

    #[test]
    fn an_anchor_at_a_word_is_not_found_inside_one() {
        let anchors = Anchors::new([(Anchor { text: "sk-", fold: false, at_word: true }, 0)].into_iter());
        for text in ["sk-", "a sk-", "é-sk-", "ésk-", r"task\nsk-", r"\u2028sk-", "task-sk-"] {
            assert_eq!(anchors.rules_in(text.as_bytes()), 1, "{text}");
        }
        for text in ["task-", "1sk-", "_sk-", "SK-"] {
            assert_eq!(anchors.rules_in(text.as_bytes()), 0, "{text}");
        }
    }

    #[test]
    fn anchors_that_begin_alike_or_overlap_are_all_found() {
        let anchors = ["sk-", "sk-ant-", "k-an", "long-one", "long-other", "ng-o"];
        let of_rules =
            anchors.into_iter().zip(0..).map(|(text, rule)| (Anchor { text, fold: false, at_word: false }, rule));
        let anchors = Anchors::new(of_rules);
        assert_eq!(anchors.rules_in(b"sk-ant-"), 0b00_0111);
        assert_eq!(anchors.rules_in(b"sk-a long-other"), 0b11_0001);
    }
}
