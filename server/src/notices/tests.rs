//! What is told when, played through without lake and network.

use credwatch_schemas::finding::{Finding, Severity, Status};
use credwatch_schemas::ids::{FindingId, OrgId};
use credwatch_schemas::notice::{Notice, NoticeRow};
use credwatch_schemas::time::{HOUR, MINUTE, Micros, SECOND};

use super::brief::Brief;
use super::memory::Memory;
use super::message::{Message, Words};
use super::plan::{MOST_WAITING, plan};
use super::quiet::QuietHours;
use super::rules::Rules;
use crate::sample::finding;

/// A Monday, ten in the morning, UTC.
const START: Micros = Micros(1_780_308_000_000_000);

/// A route that is played second by second.
struct Played {
    rules: Rules,
    memory: Memory,
    rows: Vec<NoticeRow>,
    now: Micros,
    seq: i64,
}

impl Played {
    fn by(change: impl FnOnce(&mut Rules)) -> Self {
        let mut rules = Rules { route: "on-call".into(), ..Rules::default() };
        change(&mut rules);
        Self { rules, memory: Memory::default(), rows: Vec::new(), now: START, seq: 0 }
    }

    /// A revision is recorded now.
    fn hear(&mut self, id: &str, revision: i64, change: impl FnOnce(&mut Finding)) {
        self.seq += 1;
        let mut one = Finding { revision, seq: Some(self.seq), recorded_time: self.now, ..finding(id, 10) };
        one.severity = Severity::High;
        one.subject = [("agent_id".to_owned(), id.to_owned())].into();
        change(&mut one);
        self.memory.hear(&self.rules, Brief::from(one));
    }

    /// What is told within this time, looked at every five seconds.
    fn told(&mut self, micros: i64) -> Vec<Message> {
        let (mut told, end) = (Vec::new(), self.now.plus(micros));
        while self.now <= end {
            told.extend(self.look());
            self.now = self.now.plus(5 * SECOND);
        }
        self.now = end;
        told
    }

    fn look(&mut self) -> Vec<Message> {
        let planned = plan(&self.rules, &self.memory, self.now);
        let thread = |id: &FindingId| self.memory.told(id).map(|told| told.thread.clone());
        let mut told = Vec::new();
        for one in &planned {
            let message = Message::of(one, &self.rules, &Words::default(), self.now).unwrap();
            self.rows.extend(message.rows(one, &thread));
            told.push(message);
        }
        let new: Vec<NoticeRow> =
            self.rows.iter().rev().take_while(|row| row.recorded_time == self.now).cloned().collect();
        new.iter().rev().for_each(|row| self.memory.record(row));
        told
    }
}

fn severity(severity: Severity) -> impl FnOnce(&mut Finding) {
    move |one| one.severity = severity
}

fn status(status: Status) -> impl FnOnce(&mut Finding) {
    move |one| one.status = status
}

fn of_agent(agent: &str) -> impl FnOnce(&mut Finding) {
    let agent = agent.to_owned();
    move |one| one.subject = [("agent_id".to_owned(), agent)].into()
}

fn whats(told: &[Message]) -> Vec<Notice> {
    told.iter().map(|message| message.what).collect()
}

#[test]
fn two_hundred_findings_of_one_agent_are_one_message_and_an_update() {
    let mut route = Played::by(|_| {});
    for number in 0..200 {
        route.hear(&format!("f_{number}"), 1, of_agent("summarizer"));
        route.now = route.now.plus(SECOND / 10);
    }
    let told = route.told(MINUTE);
    assert_eq!((whats(&told), told[0].count), (vec![Notice::Finding], 200));
    assert_eq!((told[0].findings.len(), told[0].title.as_str()), (20, "First call to paste.example, and 199 more"));
    route.hear("f_late", 1, of_agent("summarizer"));
    assert_eq!(route.told(3 * MINUTE).len(), 0, "not before the interval is over");
    let update = route.told(5 * MINUTE);
    assert_eq!((whats(&update), update[0].thread.as_str()), (vec![Notice::Update], told[0].thread.as_str()));
}

#[test]
fn another_org_or_another_agent_is_another_message_and_so_is_what_comes_after_the_window() {
    let mut route = Played::by(|_| {});
    route.hear("f_1", 1, of_agent("a"));
    route.hear("f_2", 1, of_agent("b"));
    route.hear("f_3", 1, |one| {
        of_agent("a")(one);
        one.org_id = Some(OrgId::new("org_b"));
    });
    assert_eq!(whats(&route.told(MINUTE)), [Notice::Finding; 3]);
    route.now = route.now.plus(2 * HOUR);
    route.hear("f_4", 1, of_agent("a"));
    assert_eq!(whats(&route.told(MINUTE)), [Notice::Finding]);
}

#[test]
fn a_route_is_told_what_it_takes_and_nothing_else() {
    let mut route = Played::by(|rules| {
        rules.severity = Severity::Medium;
        rules.subject = [("agent_id".to_owned(), ["a".to_owned()].into())].into();
    });
    route.hear("f_1", 1, |one| {
        of_agent("a")(one);
        one.severity = Severity::Low;
    });
    route.hear("f_2", 1, of_agent("b"));
    for quiet in [Status::Digest, Status::Suppressed, Status::Withdrawn] {
        route.hear(&format!("f_{quiet}"), 1, |one| {
            of_agent("a")(one);
            one.status = quiet;
        });
    }
    assert_eq!(route.told(2 * HOUR).len(), 0);
    route.hear("f_1", 2, of_agent("a"));
    assert_eq!(whats(&route.told(HOUR)), [Notice::Finding], "it has become worse");
}

#[test]
fn what_was_taken_back_before_it_was_told_is_never_told() {
    let mut route = Played::by(|_| {});
    route.hear("f_1", 1, |_| {});
    route.now = route.now.plus(10 * SECOND);
    route.hear("f_1", 2, status(Status::Withdrawn));
    assert_eq!(route.told(HOUR).len(), 0);
}

#[test]
fn what_was_told_and_is_taken_back_is_corrected_in_its_thread() {
    let mut route = Played::by(|_| {});
    route.hear("f_1", 1, |_| {});
    let told = route.told(MINUTE);
    route.hear("f_1", 2, status(Status::Withdrawn));
    let corrected = route.told(HOUR);
    assert_eq!(whats(&corrected), [Notice::Correction]);
    assert_eq!(corrected[0].thread, told[0].thread);
    assert!(corrected[0].ends_thread && !corrected[0].is_trouble && corrected[0].next_step.is_none());
}

#[test]
fn a_flapping_finding_pages_once_and_is_told_ever_more_seldom() {
    let mut route = Played::by(|_| {});
    let mut told = Vec::new();
    for revision in 1..=720 {
        let now = if revision % 2 == 1 { Status::Open } else { Status::Withdrawn };
        route.hear("f_1", revision, |one| {
            one.status = now;
            one.severity = Severity::Critical;
        });
        told.extend(route.told(MINUTE));
    }
    assert_eq!(told.iter().filter(|message| message.is_urgent).count(), 1);
    assert_eq!(told.iter().filter(|message| message.what == Notice::Finding).count(), 1);
    assert!(told.len() <= 9, "{} messages in twelve hours", told.len());
}

#[test]
fn a_finding_that_resolves_and_comes_back_says_nothing_where_nobody_asked() {
    let mut route = Played::by(|_| {});
    for revision in 1..=10 {
        route.hear("f_1", revision, status(if revision % 2 == 1 { Status::Open } else { Status::Resolved }));
        let told = route.told(10 * MINUTE);
        assert_eq!(told.len(), usize::from(revision == 1), "revision {revision}");
    }
}

#[test]
fn where_somebody_asked_it_says_that_it_is_over_and_that_it_is_back() {
    let mut route = Played::by(|rules| rules.tells_resolved = true);
    route.hear("f_1", 1, |_| {});
    assert_eq!(whats(&route.told(10 * MINUTE)), [Notice::Finding]);
    route.hear("f_1", 2, status(Status::Resolved));
    let over = route.told(HOUR);
    assert!(whats(&over) == [Notice::Resolution] && over[0].ends_thread);
    route.hear("f_1", 3, |_| {});
    assert_eq!(whats(&route.told(HOUR)), [Notice::Update]);
}

fn night() -> QuietHours {
    let time = |hour| chrono::NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
    QuietHours { from: time(9), to: time(18), days: Vec::new(), zone: chrono_tz::Tz::UTC }
}

#[test]
fn what_comes_in_quiet_hours_is_told_together_when_they_end_and_what_is_critical_at_once() {
    let mut route = Played::by(|rules| rules.quiet = Some(night()));
    for number in 0..30 {
        route.hear(&format!("f_{number}"), 1, |_| {});
    }
    route.hear("f_critical", 1, severity(Severity::Critical));
    let told = route.told(MINUTE);
    assert!(whats(&told) == [Notice::Finding] && told[0].is_urgent && told[0].made_time == START);
    assert_eq!(route.told(8 * HOUR - 2 * MINUTE).len(), 0);
    let morning = route.told(MINUTE);
    assert_eq!((whats(&morning), morning[0].count), (vec![Notice::Summary], 30));
    assert_eq!(morning[0].made_time, START.plus(8 * HOUR));
    assert!(morning[0].title.starts_with("30 findings in quiet hours: "), "{}", morning[0].title);
}

#[test]
fn the_only_thing_that_happened_in_a_night_is_told_as_itself() {
    let mut route = Played::by(|rules| rules.quiet = Some(night()));
    route.hear("f_1", 1, |_| {});
    assert_eq!(whats(&route.told(9 * HOUR)), [Notice::Finding]);
}

#[test]
fn beyond_the_limit_of_an_hour_one_message_says_how_many_were_held_back() {
    let mut route = Played::by(|rules| rules.most_per_hour = 5);
    for number in 0..50 {
        route.hear(&format!("f_{number}"), 1, |_| {});
    }
    assert_eq!(route.told(50 * MINUTE).len(), 5);
    route.hear("f_critical", 1, severity(Severity::Critical));
    assert_eq!(route.told(MINUTE).len(), 1, "what is critical is never held back");
    let next = route.told(10 * MINUTE);
    assert_eq!((whats(&next), next[0].count), (vec![Notice::Summary], 45));
    assert!(next[0].title.starts_with("45 findings were held back by the limit of 5 messages an hour"));
    assert_eq!(route.told(3 * HOUR).len(), 0);
}

#[test]
fn what_was_late_for_another_reason_is_not_called_held_back() {
    let mut route = Played::by(|_| {});
    for number in 0..3 {
        route.hear(&format!("f_{number}"), 1, |_| {});
    }
    // The process was not there for two hours.
    route.now = route.now.plus(2 * HOUR);
    assert_eq!(whats(&route.told(MINUTE)), [Notice::Finding; 3]);
}

#[test]
fn a_correction_of_what_a_summary_told_names_the_thread_of_the_summary() {
    let mut route = Played::by(|rules| rules.quiet = Some(night()));
    for number in 0..3 {
        route.hear(&format!("f_{number}"), 1, |_| {});
    }
    let morning = route.told(9 * HOUR);
    route.hear("f_1", 2, status(Status::Suppressed));
    let corrected = route.told(HOUR);
    assert_eq!((whats(&corrected), &corrected[0].thread), (vec![Notice::Correction], &morning[0].thread));
    assert!(!corrected[0].ends_thread, "two of three stand");
}

#[test]
fn a_pager_hears_at_night_that_it_was_wrong() {
    let mut route = Played::by(|rules| {
        rules.quiet = Some(night());
        rules.closes_quietly = true;
    });
    route.now = START.plus(-2 * HOUR);
    route.hear("f_1", 1, |_| {});
    assert_eq!(route.told(2 * HOUR).len(), 1);
    route.hear("f_1", 2, status(Status::Withdrawn));
    assert_eq!(whats(&route.told(MINUTE)), [Notice::Correction]);
}

#[test]
fn a_flood_does_not_wait_for_the_morning() {
    let mut route = Played::by(|rules| rules.quiet = Some(night()));
    for number in 0..=MOST_WAITING {
        route.hear(&format!("f_{number}"), 1, |_| {});
    }
    let told = route.look();
    assert_eq!((whats(&told), told[0].count, told[0].findings.len()), (vec![Notice::Summary], MOST_WAITING + 1, 20));
    assert_eq!(route.memory.waits(), 0);
}

#[test]
fn who_reads_both_logs_again_decides_the_same() {
    let mut route = Played::by(|rules| rules.quiet = Some(night()));
    let mut heard: Vec<Finding> = Vec::new();
    for number in 0..20 {
        let id = format!("f_{}", number % 7);
        let kind = [Status::Open, Status::Withdrawn, Status::Open][number % 3];
        let level = if number % 5 == 0 { Severity::Critical } else { Severity::High };
        let revision = i64::try_from(number).unwrap() + 1;
        route.hear(&id, revision, |one| {
            (one.status, one.severity) = (kind, level);
            heard.push(one.clone());
        });
        route.told(20 * MINUTE);
        // Another process, from nothing but the two logs and how far the first has come.
        let position = route.memory.position(&|_| false);
        let mut again = Memory::from(position);
        route.rows.iter().for_each(|row| again.record(row));
        let rest = heard.iter().filter(|one| one.seq.unwrap() > position).cloned();
        rest.for_each(|one| again.hear(&route.rules, Brief::from(one)));
        for later in [0, MINUTE, HOUR, 9 * HOUR] {
            let told = |memory: &Memory| {
                let planned = plan(&route.rules, memory, route.now.plus(later));
                let message = |one| Message::of(one, &route.rules, &Words::default(), route.now).unwrap();
                planned.iter().map(|one| message(one).notice_id).collect::<Vec<_>>()
            };
            assert_eq!(told(&route.memory), told(&again), "after {number}, {later} us later");
        }
    }
}

#[test]
fn a_message_says_what_since_when_who_and_what_to_do() {
    let mut route = Played::by(|_| {});
    route.hear("f_1", 1, |_| {});
    route.now = route.now.plus(MINUTE);
    let planned = plan(&route.rules, &route.memory, route.now);
    let detector = finding("f_1", 10).detector_id;
    let words = Words {
        next_steps: [(detector, "Ask who added it.".to_owned())].into(),
        public_url: Some("https://credwatch.example/".into()),
    };
    let message = Message::of(&planned[0], &route.rules, &words, route.now).unwrap();
    assert_eq!(
        message.text(),
        "since 1970-01-01 00:00:10 UTC · agent_id f_1 · org_id org_a\n\n\
         - high open: First call to paste.example\n  \
           paste.example was called once (4 events, 1970-01-01 00:00:10 UTC to 1970-01-01 00:00:10 UTC)\n  \
           https://credwatch.example/v1/findings/f_1\n\n\
         Next: Ask who added it.\n"
    );
}

#[test]
fn what_nobody_was_told_after_all_is_new_when_it_comes_back() {
    let mut route = Played::by(|_| {});
    route.hear("f_1", 1, severity(Severity::Critical));
    let told = route.told(MINUTE);
    route.hear("f_1", 2, status(Status::Withdrawn));
    assert_eq!(whats(&route.told(HOUR)), [Notice::Correction]);
    // The page was never taken, and is given up.
    let page = route.rows.iter().find(|row| row.notice_id == told[0].notice_id && row.finding_id.is_some()).unwrap();
    route.memory.record(&NoticeRow { what: Notice::GivenUp, message: None, ..page.clone() });
    route.hear("f_1", 3, severity(Severity::Critical));
    let again = route.told(5 * SECOND);
    assert!(whats(&again) == [Notice::Finding] || again[0].is_urgent, "{again:?}");
}

#[test]
fn one_that_comes_and_goes_does_not_hold_up_the_rest_of_its_thread() {
    let mut route = Played::by(|_| {});
    route.hear("f_flapping", 1, of_agent("a"));
    route.hear("f_other", 1, of_agent("a"));
    route.told(MINUTE);
    for revision in 2..40 {
        let now = if revision % 2 == 1 { Status::Open } else { Status::Withdrawn };
        route.hear("f_flapping", revision, |one| {
            of_agent("a")(one);
            one.status = now;
        });
        route.told(20 * MINUTE);
    }
    route.hear("f_other", 2, |one| {
        of_agent("a")(one);
        one.status = Status::Withdrawn;
    });
    let told = route.told(10 * MINUTE);
    assert!(told.iter().any(|one| one.findings.iter().any(|one| one.finding_id.as_str() == "f_other")), "{told:?}");
}
