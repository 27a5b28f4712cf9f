//! What is said: what happened, since when, who is affected, what to do next, and where to look. Pure.

use std::collections::{BTreeMap, BTreeSet};

use credwatch_detectors::InForce;
use credwatch_schemas::finding::{Severity, Status, Subject};
use credwatch_schemas::ids::{DetectorId, FindingId, OrgId};
use credwatch_schemas::notice::{Notice, NoticeRow};
use credwatch_schemas::time::Micros;
use serde::{Deserialize, Serialize};

use super::memory::Waiting;
use super::plan::{Planned, SummaryOf};
use super::rules::Rules;
use crate::outbox::id;

/// Findings that one message tells of with words; the others are counted.
const MOST_TOLD: usize = 20;
/// Values of one column that are listed.
const MOST_VALUES: usize = 5;

/// One message, as it was made: what is sent to every kind of receiver is made of it and of nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The same whenever it is sent again.
    pub notice_id: String,
    pub route: String,
    pub what: Notice,
    /// Messages that belong together share it.
    pub thread: String,
    /// Null: several orgs, or nobody's.
    pub org_id: Option<OrgId>,
    /// The worst of it.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// Event time of the first piece of evidence.
    pub since: Micros,
    /// Who and what is affected: columns, and their values.
    pub affected: BTreeMap<String, BTreeSet<String>>,
    /// So many findings; at most twenty are listed.
    pub count: usize,
    pub findings: Vec<TellsOf>,
    pub next_step: Option<String>,
    /// Where to look: an address, or a command.
    pub link: String,
    /// Whether somebody may have to act on it.
    pub is_trouble: bool,
    /// Whether something critical is told for the first time.
    pub is_urgent: bool,
    /// The worst of what is told as critical for the first time.
    pub rings: Option<FindingId>,
    /// Nothing in the thread is trouble any more.
    pub ends_thread: bool,
    /// Where it ends: what was told in it as critical, at most a hundred.
    pub were_critical: Vec<FindingId>,
    pub made_time: Micros,
    /// What a finding may share with the first of this thread.
    pub(super) shared: Subject,
}

/// A finding in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TellsOf {
    pub finding_id: FindingId,
    pub revision: i64,
    pub detector_id: DetectorId,
    pub org_id: Option<OrgId>,
    pub severity: Severity,
    pub status: Status,
    /// Why it is resolved or was taken back.
    pub reason: Option<String>,
    pub title: String,
    pub summary: String,
    pub first_time: Micros,
    pub last_time: Micros,
    pub event_count: i64,
    pub link: String,
}

fn events(count: i64) -> String {
    if count == 1 { "1 event".to_owned() } else { format!("{count} events") }
}

impl TellsOf {
    fn lines(&self) -> Vec<String> {
        let (first, last) = (clock(self.first_time), clock(self.last_time));
        let mut lines = vec![
            format!("- {} {}: {}", self.severity, self.status, self.title),
            format!("  {} ({}, {first} to {last})", self.summary, events(self.event_count)),
        ];
        lines.extend(self.reason.as_ref().map(|reason| format!("  Why {}: {reason}", self.status)));
        lines.push(format!("  {}", self.link));
        lines
    }
}

/// What a message needs to know besides the findings.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    /// What the files of detectors say is to be done.
    pub(super) next_steps: BTreeMap<DetectorId, String>,
    pub(super) public_url: Option<String>,
}

impl Words {
    /// As the files of these detectors say it.
    pub(super) fn of(detectors: Vec<InForce>, public_url: Option<&str>) -> Self {
        let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let next_steps = detectors.into_iter().map(|one| (one.id, line(&one.next_step))).collect();
        Self { next_steps, public_url: public_url.map(str::to_owned) }
    }

    fn link(&self, id: &FindingId) -> String {
        match &self.public_url {
            Some(url) => [url.trim_end_matches('/'), "/v1/findings/", id.as_str()].concat(),
            None => ["credwatch findings show ", id.as_str()].concat(),
        }
    }
}

impl Message {
    pub(super) fn of(planned: &Planned<'_>, rules: &Rules, words: &Words, now: Micros) -> Option<Self> {
        let worst = planned.telling.first()?;
        let orgs: BTreeSet<_> = planned.telling.iter().map(|one| &one.brief.org_id).collect();
        let org_id = orgs.first().filter(|_| orgs.len() == 1).and_then(|org| (*org).clone());
        let is_trouble = planned.telling.iter().any(|one| one.news.is_trouble() && one.brief.status == Status::Open);
        let rings = planned.telling.iter().find(|one| one.news.is_first() && one.brief.severity == Severity::Critical);
        Some(Self {
            notice_id: notice_id(planned, rules),
            route: rules.route.clone(),
            what: planned.what,
            thread: planned.thread.clone(),
            org_id,
            severity: worst.brief.severity,
            title: title(planned, worst, rules),
            since: planned.telling.iter().map(|one| one.brief.first_time).min().unwrap_or(now),
            affected: affected(&planned.telling),
            count: planned.telling.len(),
            findings: planned.telling.iter().take(MOST_TOLD).map(|one| tells_of(one, words)).collect(),
            next_step: words.next_steps.get(&worst.brief.detector_id).cloned().filter(|_| is_trouble),
            link: words.link(&worst.brief.finding_id),
            is_trouble,
            is_urgent: rings.is_some(),
            rings: rings.map(|one| one.brief.finding_id.clone()),
            ends_thread: planned.ends_thread,
            were_critical: planned.were_critical.clone(),
            made_time: now,
            shared: planned.shared.clone(),
        })
    }

    /// Nobody's finding, for trying a route.
    pub(super) fn of_a_test(route: &str, now: Micros) -> Self {
        Self {
            notice_id: id("n_", &[route, "test", &now.to_string()]),
            route: route.to_owned(),
            what: Notice::Finding,
            thread: id("t_", &[route, "test", &now.to_string()]),
            org_id: None,
            severity: Severity::Info,
            title: format!("credwatch tries the route {route}: nothing has happened"),
            since: now,
            affected: BTreeMap::new(),
            count: 0,
            findings: Vec::new(),
            next_step: Some("Nothing. Somebody asked whether messages arrive here.".to_owned()),
            link: "credwatch notify test".to_owned(),
            is_trouble: true,
            is_urgent: false,
            rings: None,
            ends_thread: true,
            were_critical: Vec::new(),
            made_time: now,
            shared: Subject::new(),
        }
    }

    /// The rows that keep it: one that holds it, and one for each finding.
    pub(super) fn rows(
        &self,
        planned: &Planned<'_>,
        memory_of: &dyn Fn(&FindingId) -> Option<String>,
    ) -> Vec<NoticeRow> {
        let head = NoticeRow {
            route: self.route.clone(),
            notice_id: self.notice_id.clone(),
            what: self.what,
            thread: Some(self.thread.clone()),
            org_id: self.org_id.clone(),
            finding_id: None,
            revision: None,
            severity: Some(self.severity),
            status: None,
            message: Some(serde_json::json!(self).to_string()),
            seq: None,
            recorded_time: self.made_time,
        };
        let of = |one: &&Waiting| NoticeRow {
            // What was told before stays in the thread in which it was told.
            thread: memory_of(&one.brief.finding_id).or_else(|| Some(self.thread.clone())),
            org_id: one.brief.org_id.clone(),
            finding_id: Some(one.brief.finding_id.clone()),
            revision: Some(one.brief.revision),
            severity: Some(one.brief.severity),
            status: Some(one.brief.status),
            message: None,
            ..head.clone()
        };
        let rest: Vec<NoticeRow> = planned.telling.iter().map(of).collect();
        [vec![head], rest].concat()
    }

    /// As a person reads it, in lines of text.
    pub fn text(&self) -> String {
        let mut lines = vec![self.facts(), String::new()];
        lines.extend(self.findings.iter().flat_map(TellsOf::lines));
        if self.count > self.findings.len() {
            lines.push(format!("- and {} more", self.count - self.findings.len()));
        }
        if let Some(step) = &self.next_step {
            lines.extend([String::new(), format!("Next: {step}")]);
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// Since when, and who is affected.
    pub(super) fn facts(&self) -> String {
        let mut facts = vec![format!("since {}", clock(self.since))];
        facts.extend(self.affected.iter().map(|(column, values)| {
            let listed: Vec<&str> = values.iter().map(String::as_str).take(MOST_VALUES).collect();
            let more = values.len().saturating_sub(MOST_VALUES);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{column} {}{more}", listed.join(", "))
        }));
        facts.join(" · ")
    }
}

/// To the second, as people read a time.
pub(super) fn clock(time: Micros) -> String {
    let text = time.to_string();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => text,
    }
}

fn notice_id(planned: &Planned<'_>, rules: &Rules) -> String {
    let mut told: Vec<(String, String)> = planned
        .telling
        .iter()
        .map(|one| (one.brief.finding_id.as_str().to_owned(), one.brief.revision.to_string()))
        .collect();
    told.sort();
    let mut parts = vec![rules.route.as_str(), planned.what.as_str(), planned.thread.as_str()];
    parts.extend(told.iter().flat_map(|(id, revision)| [id.as_str(), revision.as_str()]));
    id("n_", &parts)
}

fn title(planned: &Planned<'_>, worst: &Waiting, rules: &Rules) -> String {
    let (count, first) = (planned.telling.len(), worst.brief.title.as_str());
    let first = if count > 1 { format!("{first}, and {} more", count - 1) } else { first.to_owned() };
    match (planned.summary_of, planned.what) {
        (Some(SummaryOf::QuietHours), _) => format!("{count} findings in quiet hours: {first}"),
        (Some(SummaryOf::HeldBack), _) => {
            format!("{count} findings were held back by the limit of {} messages an hour: {first}", rules.most_per_hour)
        }
        (Some(SummaryOf::Flood), _) => format!("{count} findings at once: {first}"),
        (None, Notice::Correction) => format!("Taken back: {first}"),
        (None, Notice::Resolution) => format!("Over: {first}"),
        (None, Notice::Update) => format!("Update: {first}"),
        (None, _) => first,
    }
}

fn affected(telling: &[&Waiting]) -> BTreeMap<String, BTreeSet<String>> {
    let mut affected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in telling {
        let org = one.brief.org_id.iter().map(|org| ("org_id", org.as_str()));
        let subject = one.brief.subject.iter().map(|(column, value)| (column.as_str(), value.as_str()));
        for (column, value) in org.chain(subject) {
            let values = affected.entry(column.to_owned()).or_default();
            // In a flood there are many; a few of them and that there are more is what is read.
            if values.len() < 100 {
                values.insert(value.to_owned());
            }
        }
    }
    affected
}

fn tells_of(one: &Waiting, words: &Words) -> TellsOf {
    let brief = one.brief.clone();
    TellsOf {
        link: words.link(&brief.finding_id),
        finding_id: brief.finding_id,
        revision: brief.revision,
        detector_id: brief.detector_id,
        org_id: brief.org_id,
        severity: brief.severity,
        status: brief.status,
        reason: brief.reason,
        title: brief.title,
        summary: brief.summary,
        first_time: brief.first_time,
        last_time: brief.last_time,
        event_count: brief.event_count,
    }
}
