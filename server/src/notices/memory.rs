//! What a route knows: what it was told, what waits to be told, which messages belong together. Pure.
//!
//! All of it is made of two logs, the findings and the notices, so that whoever reads them again knows the same.

use std::collections::{BTreeMap, BTreeSet};

use credwatch_schemas::finding::{Severity, Status, Subject};
use credwatch_schemas::ids::{FindingId, OrgId};
use credwatch_schemas::notice::{Notice, NoticeRow};
use credwatch_schemas::time::{DAY, HOUR, Micros};

use super::brief::Brief;
use super::message::Message;
use super::news::{News, Told};
use super::rules::Rules;
use crate::outbox::REMEMBERED;

#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    told: BTreeMap<FindingId, Told>,
    threads: BTreeMap<String, Thread>,
    waiting: BTreeMap<FindingId, Waiting>,
    /// Messages by the hour in which they were made.
    hours: BTreeMap<i64, usize>,
    /// Revisions of findings up to this `seq` are known.
    heard: i64,
    /// Findings that were looked up in the table.
    looked_up: BTreeSet<FindingId>,
}

/// Of those of one thread that are named.
const MOST_CRITICAL: usize = 100;
const MOST_LOOKED_UP: usize = 100_000;

/// Messages that belong together.
#[derive(Debug, Clone)]
pub(super) struct Thread {
    pub(super) org_id: Option<OrgId>,
    /// What a finding may share with the one that began it.
    pub(super) shared: Subject,
    pub(super) opened: Micros,
    pub(super) last: Micros,
}

/// News that nobody was told yet.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) brief: Brief,
    pub(super) news: News,
    /// Since when there is something to tell of this finding.
    pub(super) since: Micros,
    pub(super) first_seq: i64,
}

impl Memory {
    /// Knows nothing of findings up to this `seq`.
    pub(super) fn from(position: i64) -> Self {
        Self { heard: position, ..Self::default() }
    }

    pub(super) fn hear(&mut self, rules: &Rules, brief: Brief) {
        self.heard = self.heard.max(brief.seq);
        let Some(news) = News::of(rules, self.told.get(&brief.finding_id), &brief) else {
            self.waiting.remove(&brief.finding_id);
            return;
        };
        let (since, first_seq) = (brief.recorded_time, brief.seq);
        let before = self.waiting.get(&brief.finding_id).map(|one| (one.since, one.first_seq));
        let (since, first_seq) = before.unwrap_or((since, first_seq));
        self.waiting.insert(brief.finding_id.clone(), Waiting { brief, news, since, first_seq });
    }

    /// Takes a row of the table `notices` in.
    pub(super) fn record(&mut self, row: &NoticeRow) {
        match (&row.finding_id, &row.message) {
            (Some(finding), _) => self.record_finding(finding, row),
            (None, Some(message)) => self.record_message(row, message),
            (None, None) => {}
        }
    }

    fn record_finding(&mut self, finding: &FindingId, row: &NoticeRow) {
        if row.what == Notice::GivenUp {
            // Nobody was told after all: should it come back, it is new.
            self.told.remove(finding);
            return;
        }
        let (Some(revision), Some(severity), Some(status), Some(thread)) =
            (row.revision, row.severity, row.status, &row.thread)
        else {
            return;
        };
        let before = self.told.get(finding);
        let told = Told {
            revision,
            severity: before.map_or(severity, |told| told.severity.max(severity)),
            status,
            thread: thread.clone(),
            time: row.recorded_time,
            times: before.map_or(0, |told| told.times) + 1,
        };
        self.told.insert(finding.clone(), told);
        if self.waiting.get(finding).is_some_and(|one| one.brief.revision <= revision) {
            self.waiting.remove(finding);
        }
    }

    fn record_message(&mut self, row: &NoticeRow, message: &str) {
        if row.what != Notice::Summary && row.severity != Some(Severity::Critical) {
            *self.hours.entry(hour_of(row.recorded_time)).or_default() += 1;
        }
        let Some(thread) = &row.thread else { return };
        let shared = || serde_json::from_str::<Message>(message).map(|message| message.shared).unwrap_or_default();
        let thread = self.threads.entry(thread.clone()).or_insert_with(|| Thread {
            org_id: row.org_id.clone(),
            shared: shared(),
            opened: row.recorded_time,
            last: row.recorded_time,
        });
        thread.last = row.recorded_time;
    }

    /// Lets go of what is too old to matter; what is heard of it again is looked up.
    pub(super) fn forget(&mut self, now: Micros) {
        let (oldest, waiting) = (now.plus(-REMEMBERED), &self.waiting);
        self.told.retain(|id, told| told.time > oldest || waiting.contains_key(id));
        let told = &self.told;
        let waits = |thread: &String| waiting.keys().any(|id| told.get(id).is_some_and(|told| told.thread == *thread));
        self.threads.retain(|id, thread| thread.last > oldest || waits(id));
        self.looked_up.clear();
        self.hours.retain(|hour, _| *hour > hour_of(now.plus(-DAY)));
    }

    pub(super) fn told(&self, finding: &FindingId) -> Option<&Told> {
        self.told.get(finding)
    }

    pub(super) fn thread(&self, id: &str) -> Option<&Thread> {
        self.threads.get(id)
    }

    pub(super) fn threads(&self) -> impl Iterator<Item = (&String, &Thread)> {
        self.threads.iter()
    }

    /// Whether nothing that a thread told of is trouble any more, were these told now. Of a thread that is forgotten nobody
    /// knows.
    pub(super) fn ends(&self, thread: &str, telling: &[&Waiting]) -> bool {
        let is_over = |status: Status| status.is_quiet() || status == Status::Resolved;
        let now: BTreeSet<&FindingId> = telling.iter().map(|one| &one.brief.finding_id).collect();
        let mut rest = self.told.iter().filter(|(id, told)| told.thread == thread && !now.contains(id));
        self.threads.contains_key(thread)
            && telling.iter().all(|one| is_over(one.brief.status))
            && rest.all(|(_, told)| is_over(told.status))
    }

    /// What a thread told of as critical.
    pub(super) fn critical_in(&self, thread: &str) -> Vec<FindingId> {
        let its = self.told.iter().filter(|(_, told)| told.thread == thread && told.severity == Severity::Critical);
        its.map(|(id, _)| id.clone()).take(MOST_CRITICAL).collect()
    }

    /// Whether it may have been told so long ago that it has to be looked up. Each is looked up once.
    pub(super) fn is_to_look_up(&mut self, finding: &FindingId) -> bool {
        if self.told.contains_key(finding) || self.waiting.contains_key(finding) {
            return false;
        }
        if self.looked_up.len() >= MOST_LOOKED_UP {
            self.looked_up.clear();
        }
        self.looked_up.insert(finding.clone())
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.values()
    }

    pub(super) fn waits(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn messages_in(&self, hour: i64) -> usize {
        self.hours.get(&hour).copied().unwrap_or(0)
    }

    pub(super) fn heard(&self) -> i64 {
        self.heard
    }

    /// The log of findings ends before what is known of it: the lake was put back.
    pub(super) fn hear_from(&mut self, position: i64) {
        self.heard = position;
    }

    /// Nothing below it waits, but for these.
    pub(super) fn position(&self, telling: &dyn Fn(&FindingId) -> bool) -> i64 {
        let left = self.waiting.iter().filter(|(id, _)| !telling(id));
        left.map(|(_, one)| one.first_seq - 1).min().unwrap_or(self.heard)
    }
}

pub(super) fn hour_of(time: Micros) -> i64 {
    time.0.div_euclid(HOUR)
}
