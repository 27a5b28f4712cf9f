//! Rule set 1: the shapes of secrets. Frozen with the format, because masked secrets count in content hashes; rules that come
//! later may mask more of what is stored, never of what is hashed.
//!
//! Ids of keys (AWS `AKIA...`, `ASIA...`), hashes, UUIDs and fingerprints are not secrets and stay.

use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::redact::anchors::{Anchor, Anchors};
use crate::redact::names::is_mask;

/// A secret in a text, by bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) kind: &'static str,
}

/// One shape. The secret is the first group that took part, or the whole match.
struct Shape {
    kind: &'static str,
    /// `~` before an anchor says that its letters stand for both cases, `<` that it counts only where a word begins.
    anchors: &'static [&'static str],
    pattern: &'static str,
    check: Check,
}

/// What a regular expression cannot say about a match.
#[derive(Debug, Clone, Copy)]
enum Check {
    None,
    /// It has a digit and a letter: `sk-learn-model-comparison-page` is not a key.
    Mixed,
    /// After a colon in prose (`password: incorrect`) only what is not a plain word.
    NotProse,
    /// Long, or with a digit: `Bearer authentication` is not a token.
    NotAWord,
}

/// The more telling shapes first: where two overlap, the first one counts. No kind may be a word that a shape looks
/// for, or its mark would look like a secret itself.
const SHAPES: &[Shape] = &[
    Shape {
        kind: "pem",
        anchors: &["PRIVATE KEY"],
        pattern: r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?s-u:.)*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\z)",
        check: Check::None,
    },
    Shape {
        kind: "github",
        anchors: &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
        pattern: r"gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255}",
        check: Check::None,
    },
    Shape {
        kind: "slack",
        anchors: &["xox", "xapp-", "hooks.slack.com"],
        pattern: r"xox[abceoprs]-[A-Za-z0-9-]{10,}|xapp-[0-9]-[A-Za-z0-9-]{10,}|hooks\.slack\.com\\?/services\\?/([A-Za-z0-9/\\]{20,})",
        check: Check::None,
    },
    Shape { kind: "anthropic", anchors: &["<sk-ant-"], pattern: r"\bsk-ant-[A-Za-z0-9_-]{16,}", check: Check::None },
    Shape { kind: "openai", anchors: &["<sk-"], pattern: r"\bsk-[A-Za-z0-9_-]{20,}", check: Check::Mixed },
    Shape {
        kind: "google",
        anchors: &["AIza", "ya29.", "GOCSPX-", "1//0", r"1\/\/0"],
        pattern: r"\bAIza[0-9A-Za-z_-]{35}|\bya29\.[0-9A-Za-z_-]{20,}|\bGOCSPX-[0-9A-Za-z_-]{20,}|\b1(?://|\\/\\/)0[0-9A-Za-z_-]{30,}",
        check: Check::None,
    },
    Shape {
        kind: "stripe",
        anchors: &["k_live_", "k_test_", "whsec_"],
        pattern: r"\b[rs]k_(?:live|test)_[0-9A-Za-z]{10,}|\bwhsec_[0-9A-Za-z+/=]{20,}",
        check: Check::None,
    },
    Shape {
        kind: "gitlab",
        anchors: &["glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glsoat-"],
        pattern: r"\bgl(?:pat|dt|rt|cbt|ptt|soat)-[0-9A-Za-z_.-]{16,}",
        check: Check::None,
    },
    Shape { kind: "npm", anchors: &["npm_"], pattern: r"\bnpm_[0-9A-Za-z]{30,}", check: Check::None },
    Shape { kind: "pypi", anchors: &["pypi-"], pattern: r"\bpypi-[0-9A-Za-z_-]{32,}", check: Check::Mixed },
    Shape {
        kind: "vault",
        anchors: &["hvs.", "hvb.", "hvr."],
        pattern: r"\bhv[sbr]\.[0-9A-Za-z_-]{20,}",
        check: Check::None,
    },
    Shape {
        kind: "service_token",
        anchors: &["SG.", "shpat_", "shpss_", "_v1_", "hf_", "lin_api_", "PMAK-", "ntn_", "ATATT", "AGE-SECRET-KEY-"],
        pattern: r"\bSG\.[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{16,}|\bshp(?:at|ss)_[0-9a-fA-F]{32}|\bdo[opr]_v1_[0-9a-f]{40,}|\bhf_[0-9A-Za-z]{30,}|\blin_api_[0-9A-Za-z]{30,}|\bPMAK-[0-9a-f]{20,}-[0-9a-f]{30,}|\bntn_[0-9A-Za-z]{40,}|\bATATT[0-9A-Za-z_=-]{40,}|\bAGE-SECRET-KEY-1[0-9A-Z]{50,}",
        check: Check::None,
    },
    Shape {
        kind: "jwt",
        anchors: &["eyJ"],
        pattern: r"\beyJ[0-9A-Za-z_-]{8,}(?:\.[0-9A-Za-z_-]*){2,4}",
        check: Check::None,
    },
    Shape {
        kind: "url_userinfo",
        anchors: &["://", r":\/\/"],
        pattern: r#"[A-Za-z][A-Za-z0-9+.-]{0,30}:\\?/\\?/[^\s/:@"'\\]{0,255}:([^\s/@"'\\]{1,255})@"#,
        check: Check::None,
    },
    Shape {
        kind: "auth_header",
        anchors: &["~authorization"],
        pattern: r#"(?i)authorization\\*["']?\s*[:=]\s*\\*["']?\s*(?:(?:bearer|basic|token|digest|negotiate|apikey)\s+([^\s"',;\\]{4,})|aws4-hmac-sha256\s+([^"'\r\n\\]{4,})|([^\s"',;\\]{8,}))"#,
        check: Check::NotAWord,
    },
    Shape {
        kind: "auth_header",
        anchors: &["~bearer", "~basic"],
        pattern: r"(?i)\b(?:bearer|basic)\s+([0-9A-Za-z._~+/=-]{8,})",
        check: Check::NotAWord,
    },
    Shape {
        kind: "named",
        anchors: &[
            "~passw",
            "~passphrase",
            "~ecret",
            "~apikey",
            "~api_key",
            "~api-key",
            "~oken=",
            "~oken:",
            "~oken\"",
            "~oken'",
            "~oken\\",
            "~oken ",
            "~rivatekey",
            "~rivate_key",
            "~rivate-key",
            "~ccountkey",
            "~ccount_key",
            "~ookie",
        ],
        pattern: r#"(?i)(?:pass(?:word|wd|phrase)|(?:client|shared|signing|webhook)[_-]?secret|secret[_-]?(?:access[_-]?)?key|api[_-]?key|(?:access|refresh|id|session|auth|bearer|security)[_-]?token|private[_-]?key|account[_-]?key)\\*["']?\s*[:=]\s*\\*["']?([^\s"'&,;\\{}()]{6,})"#,
        check: Check::NotProse,
    },
];

/// The compiled shapes and the anchors in front of them.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) anchors: Anchors,
    /// `None` where a pattern cannot be compiled; a test proves that there is no such.
    patterns: Vec<Option<Regex>>,
}

pub(crate) static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let of_rules = SHAPES
        .iter()
        .enumerate()
        .flat_map(|(number, shape)| shape.anchors.iter().map(move |text| (anchor(text), number)));
    Rules {
        anchors: Anchors::new(of_rules),
        patterns: SHAPES.iter().map(|shape| Regex::new(shape.pattern).ok()).collect(),
    }
});

fn anchor(marked: &'static str) -> Anchor {
    let (text, fold) = marked.strip_prefix('~').map_or((marked, false), |text| (text, true));
    let (text, at_word) = text.strip_prefix('<').map_or((text, false), |text| (text, true));
    Anchor { text, fold, at_word }
}

impl Rules {
    /// All secrets in a text, in order and without overlap.
    pub(crate) fn find(&self, text: &[u8]) -> Vec<Span> {
        match self.anchors.rules_in(text) {
            0 => Vec::new(),
            suspects => self.find_by(suspects, text),
        }
    }

    /// All that these rules (a bit each) find.
    pub(crate) fn find_by(&self, suspects: u64, text: &[u8]) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        for (number, (shape, pattern)) in SHAPES.iter().zip(&self.patterns).enumerate() {
            if suspects & (1 << number) == 0 {
                continue;
            }
            for found in pattern.iter().flat_map(|pattern| pattern.captures_iter(text)) {
                if let Some(span) = shape.span(&found, text) {
                    let is_free = |other: &Span| span.end <= other.start || other.end <= span.start;
                    if spans.iter().all(is_free) {
                        spans.push(span);
                    }
                }
            }
        }
        spans.sort_by_key(|span| span.start);
        spans
    }
}

impl Shape {
    fn span(&self, found: &regex::bytes::Captures<'_>, text: &[u8]) -> Option<Span> {
        let whole = found.get(0)?;
        let secret = found.iter().skip(1).flatten().next().unwrap_or(whole);
        let before = text.get(whole.start()..secret.start()).unwrap_or_default();
        let passes =
            self.check.passes(before, secret.as_bytes()) && !std::str::from_utf8(secret.as_bytes()).is_ok_and(is_mask);
        passes.then_some(Span { start: secret.start(), end: secret.end(), kind: self.kind })
    }
}

impl Check {
    fn passes(self, before: &[u8], secret: &[u8]) -> bool {
        let has_digit = secret.iter().any(u8::is_ascii_digit);
        match self {
            Self::None => true,
            Self::Mixed => has_digit && secret.iter().any(u8::is_ascii_alphabetic),
            Self::NotAWord => has_digit || secret.len() >= 20 || secret.ends_with(b"="),
            Self::NotProse => {
                let is_prose = before.contains(&b':') && !before.iter().any(|byte| matches!(byte, b'"' | b'\''));
                !is_prose || secret.iter().any(|byte| !byte.is_ascii_alphabetic() && *byte != b'.')
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles_and_every_rule_has_its_bit() {
        assert!(RULES.patterns.iter().all(Option::is_some));
        assert!(SHAPES.len() < 63);
        assert!(SHAPES.iter().flat_map(|shape| shape.anchors).all(|marked| anchor(marked).text.len() >= 3));
    }

    #[test]
    fn the_more_telling_shape_wins() {
        let text = b"Authorization: Bearer ghp_0123456789abcdefghijklmnopqrstuvwxyz";
        let spans = RULES.find(text);
        assert_eq!(spans, [Span { start: 22, end: text.len(), kind: "github" }]);
    }
}
