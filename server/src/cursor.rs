//! Where a page of findings ended: raised time and id of its last one. The order is newest first, so a finding that is
//! raised between two pages never moves what the next page holds.

use credwatch_schemas::finding::Finding;
use credwatch_schemas::ids::FindingId;
use credwatch_schemas::time::Micros;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    raised_time: Micros,
    id: FindingId,
}

/// One page, and where the next one begins; `None` is the end.
#[derive(Debug, PartialEq)]
pub(crate) struct Page {
    pub(crate) findings: Vec<Finding>,
    pub(crate) next: Option<Cursor>,
}

impl Cursor {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (micros, id) = text.split_once('.')?;
        Some(Self { raised_time: Micros(micros.parse().ok()?), id: FindingId::new(id) })
    }

    fn of(finding: &Finding) -> Self {
        Self { raised_time: finding.raised_time, id: finding.finding_id.clone() }
    }

    fn is_before(&self, finding: &Finding) -> bool {
        (finding.raised_time, &finding.finding_id) < (self.raised_time, &self.id)
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}.{}", self.raised_time.0, self.id)
    }
}

/// The findings after the cursor, newest first, at most `limit`.
pub(crate) fn page(mut findings: Vec<Finding>, after: Option<&Cursor>, limit: usize) -> Page {
    findings.retain(|finding| after.is_none_or(|cursor| cursor.is_before(finding)));
    findings.sort_by(|a, b| (b.raised_time, &b.finding_id).cmp(&(a.raised_time, &a.finding_id)));
    let has_more = findings.len() > limit;
    findings.truncate(limit);
    let next = if has_more { findings.last().map(Cursor::of) } else { None };
    Page { findings, next }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::finding;

    fn ids(page: &Page) -> Vec<&str> {
        page.findings.iter().map(|finding| finding.finding_id.as_str()).collect()
    }

    #[test]
    fn pages_hold_every_finding_once_newest_first() {
        let all = || vec![finding("f_a", 1), finding("f_d", 3), finding("f_c", 2), finding("f_b", 2)];
        let first = page(all(), None, 2);
        assert_eq!(ids(&first), ["f_d", "f_c"]);
        let second = page(all(), first.next.as_ref(), 2);
        assert_eq!(ids(&second), ["f_b", "f_a"]);
        assert_eq!(second.next, None);
    }

    #[test]
    fn a_newer_finding_does_not_move_the_next_page() {
        let first = page(vec![finding("f_a", 1), finding("f_b", 2), finding("f_c", 3)], None, 2);
        let later = vec![finding("f_a", 1), finding("f_b", 2), finding("f_c", 3), finding("f_new", 9)];
        assert_eq!(ids(&page(later, first.next.as_ref(), 2)), ["f_a"]);
    }

    #[test]
    fn a_cursor_reads_back_and_nonsense_does_not() {
        let cursor = Cursor::of(&finding("f_7k2m9q4t1x8c", -5));
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        for text in ["", "x.f_a", "12"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
