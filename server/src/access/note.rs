//! What becomes known about a request on its way, for the audit's row: whose rows were meant, and what was asked in
//! particular. It keeps no secret and no more than a few kilobytes.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use credwatch_ingest::redact::masked;
use credwatch_schemas::ids::OrgId;
use regex::Regex;

/// Shared by the gate and the handler.
#[derive(Debug, Clone, Default)]
pub(super) struct Note(Arc<Mutex<Noted>>);

#[derive(Debug, Clone, Default)]
pub(super) struct Noted {
    pub(super) org: Option<OrgId>,
    pub(super) detail: Option<String>,
}

/// Of what is longer the middle is left out: the audit says what was asked, it does not store it.
const LONGEST_DETAIL: usize = 4_096;
const TAIL: usize = 1_024;
const LEFT_OUT: &str = " [...] ";

/// Our own keys keep their id; what else looks like a secret goes as in events.
fn without_secrets(text: &str) -> String {
    static KEY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("(cwk_[0-9a-f]{16}_)[0-9a-f]+").ok());
    let text = masked(text);
    KEY.as_ref().map_or_else(String::new, |key| key.replace_all(&text, "${1}[redacted]").into_owned())
}

fn shortened(text: &str) -> String {
    if text.len() <= LONGEST_DETAIL {
        return text.to_owned();
    }
    let head = text.floor_char_boundary(LONGEST_DETAIL - TAIL - LEFT_OUT.len());
    let tail = text.ceil_char_boundary(text.len() - TAIL);
    format!("{}{LEFT_OUT}{}", &text[..head], &text[tail..])
}

impl Note {
    pub(super) fn org(&self, org: Option<&OrgId>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).org = org.cloned();
    }

    pub(super) fn detail(&self, text: &str) {
        let detail = shortened(&without_secrets(text));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).detail = Some(detail);
    }

    pub(super) fn read(&self) -> Noted {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::key::Key;

    #[test]
    fn of_a_long_detail_both_ends_are_kept_so_that_padding_hides_nothing() {
        let note = Note::default();
        for padding in ["x".repeat(10_000), "ä".repeat(10_000), format!("x{}", "ä".repeat(10_000))] {
            note.detail(&["begin ", &padding, " end"].concat());
            let detail = note.read().detail.unwrap();
            assert!(detail.len() <= LONGEST_DETAIL && detail.starts_with("begin ") && detail.ends_with(" end"));
        }
    }

    #[test]
    fn a_detail_holds_no_key_and_no_token() {
        let (note, key) = (Note::default(), Key::draw().unwrap());
        let text = key.clone().reveal();
        note.detail(&format!("/v1/keys/{text} ghp_abcdefghijklmnopqrstuvwxyz0123456789"));
        let detail = note.read().detail.unwrap();
        assert_eq!(detail, format!("/v1/keys/cwk_{}_[redacted] [redacted]", key.id()));
    }
}
