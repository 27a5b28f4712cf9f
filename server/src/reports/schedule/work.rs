//! A schedule at work: see what is due, make it, deliver it; for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use credwatch_lake::{Lake, LakeError};
use credwatch_query::{Limits, QueryError, Session, TenantScope};
use credwatch_schemas::ids::OrgId;
use credwatch_schemas::notice::{Notice, NoticeRow};
use credwatch_schemas::time::{DAY, HOUR, MINUTE, Micros};
use credwatch_schemas::weekly_report::{NAME, WeeklyReport};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::due::{Times, weeks};
use super::parcel::To;
use crate::access::Clock;
use crate::book::BookError;
use crate::causes::chain;
use crate::delivering::{Blames, Undelivered};
use crate::notices::Notifications;
use crate::outbox::{Carrier, Number, Outbox, Recorded, Sender, Unsent, id};
use crate::reports::editions::{Edited, Editions};
use crate::reports::{EditionError, ReportError, Week, Weekly, limits};

const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// A week that is not complete yet is asked for again after this long.
const BETWEEN_TRIES: i64 = MINUTE;
/// Detectors may take so long to judge a week that has ended; then it is told that they have not.
const JUDGED_WITHIN: i64 = HOUR;
/// A process makes one report at a time: each may take as much memory as a statement may.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A schedule that is ready to work.
#[derive(Debug)]
pub struct Schedule {
    pub(super) name: String,
    pub(super) scope: TenantScope,
    pub(super) times: Times,
    pub(super) to: To,
}

/// Which edition a row of the outbox stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Parcel {
    report: String,
    org_id: Option<OrgId>,
    period: String,
    edition: i64,
    /// This schedule has delivered an edition of that period before.
    #[serde(default)]
    is_again: bool,
}

impl Parcel {
    fn is_of_the_same(&self, other: &Self) -> bool {
        (&self.report, &self.org_id, &self.period) == (&other.report, &other.org_id, &other.period)
    }
}

#[derive(Debug, Error)]
enum Stopped {
    #[error(transparent)]
    Book(#[from] BookError),
    #[error("reading the lake")]
    Lake(#[from] LakeError),
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error("making the report of {week}")]
    Report { week: Week, source: ReportError },
    #[error("detectors have not judged {0} yet")]
    NotJudged(Week),
    #[error("finding the zone of the org")]
    Zone(#[source] ReportError),
}

impl Schedule {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives a delivery up that the other side will never take. False: none of that id is unsent.
    pub async fn skip(&self, lake: &Lake, notice_id: &str, now: Micros) -> Result<bool, BookError> {
        Outbox::new(lake.clone(), &kept_as(self)).skip(notice_id, now).await
    }

    /// Makes the last week that has ended and delivers it, now; that it was delivered is not recorded.
    pub async fn test(&self, lake: &Lake, now: Micros) -> Result<(), String> {
        let _one = ONE_AT_A_TIME.lock().await;
        let made = async {
            let snapshot = lake.snapshot().await?;
            let session = Session::open(&snapshot, self.scope.clone(), limits(Limits::default()))?;
            Weekly { lake, snapshot: &snapshot, session: &session }.make(None, now).await
        };
        let report = made.await.map_err(|error: ReportError| chain(&error))?;
        let id = id("n_", &[&self.name, "test", &now.to_string()]);
        self.to.deliver(&id, &report, false).await.map_err(|why| why.to_string())
    }
}

/// Works until it is told to stop. What is made and not delivered by then is delivered by the next who starts.
pub async fn deliver(schedule: Schedule, lake: Lake, board: Notifications, clock: Clock, stop: CancellationToken) {
    let mut work = Work::new(schedule, lake, board, clock);
    // A step is not broken off: what is sent is recorded as sent before it ends.
    while !stop.is_cancelled() {
        if let Err(why) = work.step(&stop).await {
            work.board.failing(&work.schedule.name, Some(chain(&why)));
        }
        tokio::time::timeout(BETWEEN_LOOKS, stop.cancelled()).await.unwrap_or_default();
    }
}

/// A route of the same name is something else, and so is the same schedule for another org.
fn kept_as(schedule: &Schedule) -> String {
    let org = match &schedule.scope {
        TenantScope::Operator => String::new(),
        TenantScope::Org(org) => ["@", org.as_str()].concat(),
    };
    ["report/", &schedule.name, &org].concat()
}

struct Work {
    schedule: Schedule,
    lake: Lake,
    board: Notifications,
    clock: Clock,
    outbox: Outbox,
    sender: Sender,
    /// Editions that were made for this schedule.
    known: BTreeSet<Parcel>,
    /// When what failed is tried again.
    again: Micros,
    /// Since when all of a week that is due is there.
    complete: BTreeMap<Week, Micros>,
}

impl Work {
    fn new(schedule: Schedule, lake: Lake, board: Notifications, clock: Clock) -> Self {
        let outbox = Outbox::new(lake.clone(), &kept_as(&schedule));
        let (sender, known) = (Sender::default(), BTreeSet::new());
        Self { schedule, lake, board, clock, outbox, sender, known, again: Micros(0), complete: BTreeMap::new() }
    }

    async fn step(&mut self, stop: &CancellationToken) -> Result<(), Stopped> {
        let now = (self.clock)();
        for row in self.outbox.refresh(now).await? {
            let parcel = row.message.as_deref().and_then(|message| serde_json::from_str(message).ok());
            self.known.extend(parcel.filter(|_| row.what == Notice::Report));
        }
        let Some(handled) = self.outbox.number(Number::Position) else {
            // A new schedule begins with the next time that comes.
            let _whoever_was_first = self.outbox.make(Vec::new(), now.0, now).await?;
            return Ok(());
        };
        let made = match self.schedule.times.due(Micros(handled), now).filter(|_| now >= self.again) {
            Some(last) => self.make(Micros(handled), last, now).await,
            None => Ok(()),
        };
        if made.is_err() {
            self.again = now.plus(BETWEEN_TRIES);
        }
        // What was made is delivered also while something else cannot be.
        self.send(made.is_ok() && now >= self.again, stop).await?;
        made
    }

    /// All weeks that are due, the oldest first, up to the first that is not complete. How far the schedule has come moves
    /// with each of them.
    async fn make(&mut self, handled: Micros, last: Micros, now: Micros) -> Result<(), Stopped> {
        let _one = ONE_AT_A_TIME.lock().await;
        let lake = self.lake.clone();
        let snapshot = lake.snapshot().await?;
        let session = Session::open(&snapshot, self.schedule.scope.clone(), limits(Limits::default()))?;
        let weekly = Weekly { lake: &lake, snapshot: &snapshot, session: &session };
        let zone = weekly.zone_at(last).await.map_err(Stopped::Zone)?;
        for week in weeks(handled, last, zone) {
            let ends = week.ends(zone).unwrap_or(last);
            let report = match made(&weekly, week, &mut self.complete, now).await {
                Ok(Some(report)) => report,
                Ok(None) => continue,
                // What fails for a day does not hold up those after it.
                Err(why) if self.complete.get(&week).is_some_and(|since| now > since.plus(DAY)) => {
                    tracing::error!(schedule = self.schedule.name, week = %week, why = chain(&why), "a report is given up");
                    continue;
                }
                Err(why) => return Err(why),
            };
            // The next look begins behind it: this week had ended when the next one began.
            if self.keep(&report, ends.max(handled).min(last), now).await? == Recorded::Overtaken {
                // Another server is at it: look again what is left to do.
                return Ok(());
            }
        }
        let _whoever_was_first = self.outbox.make(Vec::new(), last.0, now).await?;
        self.complete.clear();
        Ok(())
    }

    async fn keep(&mut self, report: &WeeklyReport, position: Micros, now: Micros) -> Result<Recorded, Stopped> {
        let mut parcel = Parcel {
            report: NAME.to_owned(),
            org_id: report.org_id.clone(),
            period: report.week.clone(),
            edition: report.edition,
            is_again: false,
        };
        let known: Vec<i64> =
            self.known.iter().filter(|one| one.is_of_the_same(&parcel)).map(|one| one.edition).collect();
        if known.contains(&parcel.edition) {
            return Ok(Recorded::Done);
        }
        parcel.is_again = !known.is_empty();
        let row = row(&self.schedule, &parcel, now);
        let recorded = self.outbox.make(vec![row], position.0, now).await?;
        if recorded == Recorded::Done {
            self.known.insert(parcel);
            self.outbox.refresh(now).await?;
        }
        Ok(recorded)
    }

    async fn send(&mut self, is_well: bool, stop: &CancellationToken) -> Result<(), Stopped> {
        let carrier = Postman { schedule: &self.schedule, editions: Editions::new(self.lake.clone()) };
        let sent = self.sender.send(&mut self.outbox, &carrier, self.clock, stop).await?;
        let name = &self.schedule.name;
        self.board.write(name, |status| {
            status.unsent = self.outbox.unsent().count();
            status.unsent_ids = self.outbox.unsent().map(|one| one.notice_id.clone()).take(100).collect();
        });
        if sent.taken > 0 {
            self.board.sent(name, sent.taken, (self.clock)());
        }
        if sent.failed > 0 || sent.failing.is_none() && is_well {
            self.board.failing(name, sent.failing);
        }
        Ok(())
    }
}

/// `None`: there is nothing to say of it, and never will be.
async fn made(
    weekly: &Weekly<'_>,
    week: Week,
    complete: &mut BTreeMap<Week, Micros>,
    now: Micros,
) -> Result<Option<WeeklyReport>, Stopped> {
    let failed = |source| Stopped::Report { week, source };
    match weekly.has_ended(week).await {
        // What is told once is not taken back: a week of which more may come is waited for, whoever asks for it now.
        Ok(false) => return Err(failed(weekly.not_ended(week).await)),
        Ok(true) => {}
        Err(ReportError::BeforeEverything { .. } | ReportError::Calendar(_)) => return Ok(None),
        Err(error) => return Err(failed(error)),
    }
    let since = *complete.entry(week).or_insert(now);
    if now < since.plus(JUDGED_WITHIN) && !weekly.is_judged(week).await.map_err(failed)? {
        return Err(Stopped::NotJudged(week));
    }
    weekly.make(Some(week), now).await.map(Some).map_err(failed)
}

fn row(schedule: &Schedule, parcel: &Parcel, now: Micros) -> NoticeRow {
    let org = parcel.org_id.as_ref().map_or("", OrgId::as_str);
    let edition = parcel.edition.to_string();
    NoticeRow {
        route: kept_as(schedule),
        notice_id: id("n_", &[&schedule.name, &parcel.report, org, &parcel.period, &edition]),
        what: Notice::Report,
        thread: Some(id("t_", &[&schedule.name, &parcel.report, org, &parcel.period])),
        org_id: parcel.org_id.clone(),
        finding_id: None,
        revision: None,
        severity: None,
        status: None,
        message: Some(serde_json::json!(parcel).to_string()),
        seq: None,
        recorded_time: now,
    }
}

/// Takes an edition out of the table and to its receiver.
struct Postman<'a> {
    schedule: &'a Schedule,
    editions: Editions,
}

#[async_trait]
impl Carrier for Postman<'_> {
    async fn carry(&self, unsent: &Unsent) -> Result<(), Undelivered> {
        let unread = |why| Undelivered { why, after: None, blames: Blames::Message };
        let (report, is_again) = self.report(unsent).await.map_err(unread)?;
        self.schedule.to.deliver(&unsent.notice_id, &report, is_again).await
    }
}

impl Postman<'_> {
    async fn report(&self, unsent: &Unsent) -> Result<(WeeklyReport, bool), String> {
        let parcel: Parcel = serde_json::from_str(&unsent.message).map_err(|error| error.to_string())?;
        let edited = Edited { org: parcel.org_id, report: NAME, period: parcel.period };
        let found = self.editions.edition(&edited, parcel.edition).await;
        let found = found.map_err(|error: EditionError| chain(&error))?;
        let lost = || format!("edition {} of {} is not in the table reports", parcel.edition, edited.period);
        Ok((found.ok_or_else(lost)?, parcel.is_again))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use credwatch_lake::TableName;
    use credwatch_schemas::finding::FINDINGS;
    use credwatch_schemas::rows::to_batch;
    use serde_json::json;

    use super::*;
    use crate::sample::finding;
    use crate::world::{World, commit};

    /// A Monday, two weeks after the only events of that world.
    fn monday() -> Micros {
        Micros::parse("2026-06-15T08:00:00Z").unwrap_or_default()
    }

    fn work(world: &World, folder: &Path, board: &Notifications) -> Work {
        Work::new(schedule(folder), world.lake.clone(), board.clone(), monday)
    }

    fn schedule(folder: &Path) -> Schedule {
        let config = json!({
            "name": "monday", "report": "weekly", "schedule": "0 7 * * MON", "to": "folder", "url": folder,
            "formats": ["md", "json"],
        });
        let config: super::super::Config = serde_json::from_value(config).unwrap();
        config.schedule().unwrap()
    }

    /// As if it had come so far by then.
    async fn handled(work: &mut Work, time: &str) {
        work.outbox.refresh(monday()).await.unwrap();
        let time = Micros::parse(time).unwrap();
        assert_eq!(work.outbox.make(Vec::new(), time.0, monday()).await.unwrap(), Recorded::Done);
    }

    async fn step(work: &mut Work) -> Result<(), String> {
        work.step(&CancellationToken::new()).await.map_err(|why| chain(&why))
    }

    fn files(folder: &Path) -> Vec<String> {
        let all = std::fs::read_dir(folder).map_or_else(|_| Vec::new(), |all| all.flatten().collect());
        let mut names: Vec<String> = all.iter().map(|one| one.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn what_was_missed_is_made_and_what_is_not_over_is_waited_for() {
        let (world, folder, board) = (World::new().await, tempfile::tempdir().unwrap(), Notifications::default());
        world.heard_until("2026-06-10T00:00:00Z").await;
        let mut first = work(&world, folder.path(), &board);
        handled(&mut first, "2026-05-25T00:00:00Z").await;
        let waits = step(&mut first).await.unwrap_err();
        assert!(waits.contains("2026-W24 has not ended yet"), "{waits}");
        assert_eq!(files(folder.path()), ["monday.2026-W23.1.json", "monday.2026-W23.1.md"]);
        // Another process goes on from there: what was delivered is not delivered again.
        std::fs::remove_file(folder.path().join("monday.2026-W23.1.md")).unwrap();
        let raised = to_batch(&FINDINGS, &[finding("f_w", 1_780_304_400)]).unwrap();
        commit(&world.lake, TableName::Findings, raised).await;
        assert!(step(&mut work(&world, folder.path(), &board)).await.is_err());
        assert_eq!(files(folder.path()), ["monday.2026-W23.1.json"], "nor made again while W24 is waited for");
        world.heard_until("2026-06-16T00:00:00Z").await;
        step(&mut work(&world, folder.path(), &board)).await.unwrap();
        assert_eq!(files(folder.path()), ["monday.2026-W23.1.json", "monday.2026-W24.1.json", "monday.2026-W24.1.md"]);
    }

    #[tokio::test]
    async fn the_last_week_is_delivered_again_when_it_has_changed_and_another_org_knows_nothing_of_it() {
        let (world, folder, board) = (World::new().await, tempfile::tempdir().unwrap(), Notifications::default());
        world.heard_until("2026-06-16T00:00:00Z").await;
        let mut first = work(&world, folder.path(), &board);
        handled(&mut first, "2026-06-08T08:00:00Z").await;
        step(&mut first).await.unwrap();
        let raised = to_batch(&FINDINGS, &[finding("f_w", 1_781_000_000)]).unwrap();
        commit(&world.lake, TableName::Findings, raised).await;
        handled(&mut first, "2026-06-15T00:00:00Z").await;
        step(&mut first).await.unwrap();
        assert_eq!(
            files(folder.path()),
            ["monday.2026-W24.1.json", "monday.2026-W24.1.md", "monday.2026-W24.2.json", "monday.2026-W24.2.md"]
        );
        let of_org = Schedule { scope: TenantScope::Org(OrgId::new("org_a")), ..schedule(folder.path()) };
        let mut other = Work::new(of_org, world.lake.clone(), board, monday);
        other.outbox.refresh(monday()).await.unwrap();
        assert_eq!((other.outbox.number(Number::Position), other.outbox.unsent().count()), (None, 0));
    }

    #[tokio::test]
    async fn a_new_schedule_begins_with_the_next_time_that_comes() {
        let (world, folder, board) = (World::new().await, tempfile::tempdir().unwrap(), Notifications::default());
        let mut first = work(&world, folder.path(), &board);
        step(&mut first).await.unwrap();
        step(&mut first).await.unwrap();
        assert_eq!(first.outbox.number(Number::Position), Some(monday().0));
        assert!(files(folder.path()).is_empty());
    }
}
