//! Finds secrets in strings and puts marks in their place, before anything is stored.
//!
//! A mark is `[redacted:<kind>:<key id>-<fingerprint>]`. The fingerprint is keyed, so that the same secret can be counted and
//! joined but neither read nor guessed by who lacks the key; the key's id tells marks of different keys apart. In the
//! text that is hashed for identity a secret is `[redacted]`, so that identity does not depend on the key.
//!
//! Strings are first scanned for a few fixed beginnings ([`anchors`]); only what has one meets a regular expression.

mod anchors;
pub mod key;
mod names;
mod raw;
mod rules;

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::json::Json;
use crate::redact::key::RedactionKey;
use crate::redact::names::{Sensitivity, is_mask, sensitivity};
use crate::redact::rules::{RULES, Rules, Span};

pub(crate) use raw::hex;

/// Rule set 1 and the key of this installation.
#[derive(Debug)]
pub struct Redactor {
    rules: &'static Rules,
    key: RedactionKey,
}

/// A text of our own with `[redacted]` in place of its secrets, for what is kept where no key is at hand.
pub fn masked(text: &str) -> Cow<'_, str> {
    // The key only decides what marks look like, and these have none.
    static KEYLESS: LazyLock<Redactor> = LazyLock::new(|| Redactor::new(RedactionKey::from_bytes([0; 32])));
    KEYLESS.mask_for_hash(None, text).map_or(Cow::Borrowed(text), Cow::Owned)
}

impl Redactor {
    pub fn new(key: RedactionKey) -> Self {
        Self { rules: &RULES, key }
    }

    pub fn key(&self) -> &RedactionKey {
        &self.key
    }

    /// Whether a text of JSON may hold a secret in any of its strings. Mostly the answer is no, and then none of
    /// them is looked at.
    pub(crate) fn suspects(&self, json_text: &[u8]) -> bool {
        self.rules.anchors.suspect(json_text)
    }

    /// The string with marks in place of its secrets; `key` is the key that it stands under.
    pub(crate) fn clean<'t>(&self, key: Option<&str>, text: &'t str) -> Cow<'t, str> {
        let spans = self.spans(key, text);
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        Cow::Owned(replaced(text, &spans, |kind, secret| self.mark(kind, secret.as_bytes())))
    }

    /// The string as it counts in the content hash; `None` when it has no secret.
    pub(crate) fn mask_for_hash(&self, key: Option<&str>, text: &str) -> Option<String> {
        let spans = self.spans(key, text);
        (!spans.is_empty()).then(|| replaced(text, &spans, |_, _| "[redacted]".to_owned()))
    }

    /// Whether a number under this key is a secret: people do choose passwords of digits.
    pub(crate) fn masks_number(&self, key: Option<&str>) -> bool {
        key.and_then(sensitivity) == Some(Sensitivity::Always)
    }

    /// Puts marks into every string of a value, keys too.
    pub(crate) fn clean_json(&self, key: Option<&str>, json: &mut Json<'_>) {
        match json {
            Json::Text(text) => {
                if let Cow::Owned(clean) = self.clean(key, text) {
                    *text = Cow::Owned(clean);
                }
            }
            Json::Number(digits) if self.masks_number(key) => {
                *json = Json::Text(Cow::Owned(self.mark(names::KIND, digits.as_bytes())));
            }
            Json::List(values) => values.iter_mut().for_each(|value| self.clean_json(key, value)),
            Json::Object(members) => {
                for (name, value) in members {
                    self.clean_json(Some(name), value);
                    if let Cow::Owned(clean) = self.clean(None, name) {
                        *name = Cow::Owned(clean);
                    }
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::TooDeep => {}
        }
    }

    fn spans(&self, key: Option<&str>, text: &str) -> Vec<Span> {
        let spans = self.rules.find(text.as_bytes());
        if !spans.is_empty() || is_mask(text) {
            return spans;
        }
        match key.and_then(sensitivity) {
            Some(kind) if kind.covers(text) => vec![Span { start: 0, end: text.len(), kind: names::KIND }],
            _ => spans,
        }
    }

    fn mark(&self, kind: &str, secret: &[u8]) -> String {
        format!("[redacted:{kind}:{}-{}]", self.key.id(), self.key.fingerprint(secret))
    }
}

/// `spans` do not overlap and are in order.
fn replaced(text: &str, spans: &[Span], mark: impl Fn(&str, &str) -> String) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut from = 0;
    for span in spans {
        clean.push_str(text.get(from..span.start).unwrap_or_default());
        clean.push_str(&mark(span.kind, text.get(span.start..span.end).unwrap_or_default()));
        from = span.end;
    }
    clean.push_str(text.get(from..).unwrap_or_default());
    clean
}

#[cfg(test)]
mod tests;
