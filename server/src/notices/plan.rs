//! What is told now: which findings make one message, and whether its time has come. Pure.

use std::collections::BTreeMap;

use credwatch_schemas::finding::{Severity, Subject};
use credwatch_schemas::ids::{FindingId, OrgId};
use credwatch_schemas::notice::Notice;
use credwatch_schemas::time::Micros;

use super::memory::{Memory, Waiting, hour_of};
use super::news::News;
use super::rules::Rules;
use crate::outbox::id;

/// Findings that share one of these are told together.
const SHARED: [&str; 3] = ["connection_id", "agent_id", "provider"];
/// More than so many findings do not wait, whatever the hour.
pub(super) const MOST_WAITING: usize = 20_000;
/// What comes and goes is told ever more seldom: each time after twice as long.
const MOST_DOUBLINGS: u32 = 8;

/// One message that is to be made.
#[derive(Debug)]
pub(super) struct Planned<'a> {
    pub(super) what: Notice,
    pub(super) thread: String,
    /// Why these are told together although they do not belong together.
    pub(super) summary_of: Option<SummaryOf>,
    /// The worst first.
    pub(super) telling: Vec<&'a Waiting>,
    pub(super) shared: Subject,
    /// Nothing in the thread is trouble after it.
    pub(super) ends_thread: bool,
    /// What was told in it as critical.
    pub(super) were_critical: Vec<FindingId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SummaryOf {
    QuietHours,
    HeldBack,
    Flood,
}

/// Findings that are told together.
struct Group<'a> {
    thread: String,
    is_new: bool,
    shared: Subject,
    telling: Vec<&'a Waiting>,
}

/// Whether a group is told, and as what.
enum Verdict {
    Later,
    Now,
    Among(SummaryOf),
}

/// All messages whose time has come.
pub(super) fn plan<'a>(rules: &Rules, memory: &'a Memory, now: Micros) -> Vec<Planned<'a>> {
    let mut summaries: BTreeMap<u8, (SummaryOf, Vec<Group<'a>>)> = BTreeMap::new();
    let mut planned = Vec::new();
    for group in groups(rules, memory) {
        // The limit counts what is planned at the same time too; what cannot wait counts for nobody.
        let counted = planned.iter().filter(|one: &&Planned<'_>| !is_critical(&one.telling)).count();
        match verdict(rules, memory, &group, counted, now) {
            Verdict::Later => {}
            Verdict::Now => planned.push(alone(memory, group)),
            Verdict::Among(what) => summaries.entry(what as u8).or_insert((what, Vec::new())).1.push(group),
        }
    }
    planned.extend(summaries.into_values().filter_map(|(what, groups)| together(rules, memory, what, groups)));
    planned
}

/// Told ones in the thread in which they were told; new ones with what they have something in common with; urgent groups
/// first, then by age.
fn groups<'a>(rules: &Rules, memory: &'a Memory) -> Vec<Group<'a>> {
    let mut waiting: Vec<&Waiting> = memory.waiting().collect();
    waiting.sort_by_key(|one| (one.since, one.first_seq));
    let open = if waiting.is_empty() { Open::new() } else { open_threads(memory) };
    let (mut groups, mut new): (Vec<Group<'a>>, Open<'a, usize>) = (Vec::new(), Open::new());
    let mut by_thread: BTreeMap<String, usize> = BTreeMap::new();
    for one in waiting {
        let told = memory.told(&one.brief.finding_id).map(|told| told.thread.as_str());
        let known = told.or_else(|| oldest(rules, &open, one).map(|(_, id)| id));
        let place = match known {
            Some(thread) => by_thread.get(thread).copied(),
            None => oldest(rules, &new, one).map(|(_, place)| place),
        };
        if let Some(place) = place {
            groups[place].telling.push(one);
            continue;
        }
        let group = Group::begin(rules, known, one);
        by_thread.insert(group.thread.clone(), groups.len());
        if group.is_new {
            add(&mut new, (one.brief.org_id.as_ref(), &one.brief.subject), (one.since, groups.len()));
        }
        groups.push(group);
    }
    groups.sort_by_key(|group| !is_urgent(&group.telling));
    groups
}

/// By org and each thing that may be shared: what is open to more, and since when, the oldest first.
type Open<'a, Which> = BTreeMap<(Option<&'a OrgId>, &'static str, &'a str), Vec<(Micros, Which)>>;

fn open_threads(memory: &Memory) -> Open<'_, &str> {
    let mut open = Open::new();
    let mut threads: Vec<_> = memory.threads().collect();
    threads.sort_by_key(|(id, thread)| (thread.opened, id.as_str()));
    for (id, thread) in threads {
        add(&mut open, (thread.org_id.as_ref(), &thread.shared), (thread.opened, id.as_str()));
    }
    open
}

fn add<'a, Which: Copy>(
    open: &mut Open<'a, Which>,
    (org, shared): (Option<&'a OrgId>, &'a Subject),
    which: (Micros, Which),
) {
    for column in SHARED {
        if let Some(value) = shared.get(column) {
            open.entry((org, column, value)).or_default().push(which);
        }
    }
}

/// The oldest that shares something with a finding and is not too old for it.
fn oldest<Which: Copy + Ord>(rules: &Rules, open: &Open<'_, Which>, one: &Waiting) -> Option<(Micros, Which)> {
    let lists = SHARED
        .iter()
        .filter_map(|column| open.get(&(one.brief.org_id.as_ref(), *column, one.brief.subject.get(*column)?.as_str())));
    let first = |list: &Vec<(Micros, Which)>| {
        // They are in the order of opening.
        let from = list.partition_point(|(opened, _)| opened.plus(rules.group_window) <= one.since);
        list.get(from).copied()
    };
    lists.filter_map(first).min()
}

impl<'a> Group<'a> {
    fn begin(rules: &Rules, known: Option<&str>, one: &'a Waiting) -> Self {
        let is_new = known.is_none();
        let thread = known.map(str::to_owned).unwrap_or_else(|| {
            let org = one.brief.org_id.as_ref().map_or("", OrgId::as_str);
            let revision = one.brief.revision.to_string();
            id("t_", &[&rules.route, org, one.brief.finding_id.as_str(), &revision])
        });
        let mut shared = one.brief.subject.clone();
        shared.retain(|column, _| SHARED.contains(&column.as_str()));
        Self { thread, is_new, shared, telling: vec![one] }
    }
}

fn verdict(rules: &Rules, memory: &Memory, group: &Group<'_>, counted: usize, now: Micros) -> Verdict {
    let (urgent, due) = (is_urgent(&group.telling), due(rules, memory, group));
    let closes = rules.closes_quietly && group.telling.iter().all(|one| !one.news.is_trouble());
    if memory.waits() > MOST_WAITING && !urgent {
        return Verdict::Among(SummaryOf::Flood);
    }
    if due > now {
        return Verdict::Later;
    }
    if urgent || closes {
        return Verdict::Now;
    }
    let quiet = |time| rules.quiet.as_ref().and_then(|quiet| quiet.until(time));
    if quiet(now).is_some() {
        return Verdict::Later;
    }
    if quiet(since(&group.telling)).is_some() {
        return Verdict::Among(SummaryOf::QuietHours);
    }
    // Older hours are forgotten.
    let (of_due, of_now) = (hour_of(due).max(hour_of(now) - 24), hour_of(now));
    if (of_due..of_now).any(|hour| memory.messages_in(hour) >= rules.most_per_hour) {
        return Verdict::Among(SummaryOf::HeldBack);
    }
    if memory.messages_in(of_now) + counted >= rules.most_per_hour { Verdict::Later } else { Verdict::Now }
}

/// Of a group, when the first of it is due; what comes and goes delays nothing but itself.
fn due(rules: &Rules, memory: &Memory, group: &Group<'_>) -> Micros {
    if is_urgent(&group.telling) {
        return since(&group.telling);
    }
    let last = memory.thread(&group.thread).map(|thread| thread.last);
    let of = |one: &&Waiting| {
        let times = memory.told(&one.brief.finding_id).filter(|_| !one.news.is_first()).map_or(1, |told| told.times);
        let doublings = times.saturating_sub(1).min(MOST_DOUBLINGS);
        let waited = one.since.plus(rules.group_wait);
        last.map_or(waited, |last| waited.max(last.plus(rules.group_interval << doublings)))
    };
    group.telling.iter().map(of).min().unwrap_or_default()
}

fn since(telling: &[&Waiting]) -> Micros {
    telling.iter().map(|one| one.since).min().unwrap_or_default()
}

/// Something critical that nobody knows yet.
fn is_urgent(telling: &[&Waiting]) -> bool {
    telling.iter().any(|one| one.brief.severity == Severity::Critical && one.news.is_first())
}

/// Something critical, be it that it is over.
fn is_critical(telling: &[&Waiting]) -> bool {
    telling.iter().any(|one| one.brief.severity == Severity::Critical)
}

fn alone<'a>(memory: &Memory, group: Group<'a>) -> Planned<'a> {
    let all = |news| group.telling.iter().all(|one| one.news == news);
    let what = match () {
        () if group.is_new => Notice::Finding,
        () if all(News::TakenBack) => Notice::Correction,
        () if all(News::Over) => Notice::Resolution,
        () => Notice::Update,
    };
    let ends_thread = memory.ends(&group.thread, &group.telling);
    let were_critical = if ends_thread { memory.critical_in(&group.thread) } else { Vec::new() };
    let (thread, shared, telling) = (group.thread, group.shared, worst_first(group.telling));
    Planned { what, thread, summary_of: None, telling, shared, ends_thread, were_critical }
}

/// A summary of one group is that group.
fn together<'a>(
    rules: &Rules,
    memory: &Memory,
    summary_of: SummaryOf,
    mut groups: Vec<Group<'a>>,
) -> Option<Planned<'a>> {
    if groups.len() < 2 {
        return groups.pop().map(|group| alone(memory, group));
    }
    let telling = worst_first(groups.into_iter().flat_map(|group| group.telling).collect());
    let revisions: Vec<String> = telling.iter().map(|one| one.brief.revision.to_string()).collect();
    let ids = telling.iter().zip(&revisions).flat_map(|(one, revision)| [one.brief.finding_id.as_str(), revision]);
    let thread = id("t_", &[rules.route.as_str(), "summary"].into_iter().chain(ids).collect::<Vec<_>>());
    let what = Notice::Summary;
    Some(Planned {
        what,
        thread,
        summary_of: Some(summary_of),
        telling,
        shared: Subject::new(),
        ends_thread: false,
        were_critical: Vec::new(),
    })
}

fn worst_first(mut telling: Vec<&Waiting>) -> Vec<&Waiting> {
    telling.sort_by_key(|one| (std::cmp::Reverse(one.brief.severity), one.since, one.first_seq));
    telling
}
