//! A schedule at work: see what is due, make it, deliver it; for ever.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use credwatch_lake::{Lake, LakeError};
use credwatch_query::{Limits, QueryError, Session, TenantScope};
use credwatch_schemas::ids::OrgId;
use credwatch_schemas::notice::{Notice, NoticeRow};
use credwatch_schemas::time::Micros;
use credwatch_schemas::weekly_report::{NAME, WeeklyReport};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::due::Times;
use super::parcel::To;
use crate::access::Clock;
use crate::book::BookError;
use crate::causes::chain;
use crate::delivering::{Blames, Undelivered};
use crate::notices::{Notifications, id};
use crate::outbox::{Carrier, Number, Outbox, Recorded, Sender, Unsent};
use crate::reports::editions::{Edited, Editions};
use crate::reports::{EditionError, ReportError, Week, Weekly};

const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// A week that is not complete yet is asked for again after this long.
const BETWEEN_TRIES: i64 = credwatch_schemas::time::MINUTE;

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
    Report { week: String, source: ReportError },
    #[error("finding the zone of the org")]
    Zone(#[source] ReportError),
}

impl Schedule {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes the last week that has ended and delivers it, now; nothing is recorded.
    pub async fn test(&self, lake: &Lake, now: Micros) -> Result<(), String> {
        let made = async {
            let snapshot = lake.snapshot().await?;
            let session = Session::open(&snapshot, self.scope.clone(), Limits::default())?;
            Weekly { lake, snapshot: &snapshot, session: &session }.make(None, now).await
        };
        let report = made.await.map_err(|error: ReportError| chain(&error))?;
        let id = id("n_", &[&self.name, "test", &now.to_string()]);
        self.to.deliver(&id, &report).await.map_err(|why| why.to_string())
    }
}

/// Works until it is told to stop. What is made and not delivered by then is delivered by the next who starts.
pub async fn deliver(schedule: Schedule, lake: Lake, board: Notifications, clock: Clock, stop: CancellationToken) {
    let mut work = Work::new(schedule, lake, board, clock);
    loop {
        let step = tokio::select! {
            step = work.step() => step,
            () = stop.cancelled() => return,
        };
        if let Err(why) = step {
            work.board.failing(&work.schedule.name, Some(chain(&why)));
        }
        tokio::select! {
            () = tokio::time::sleep(BETWEEN_LOOKS) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// A route of the same name is something else.
fn kept_as(name: &str) -> String {
    ["report/", name].concat()
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
}

/// What came of a week.
enum Made {
    Edition(Box<WeeklyReport>),
    /// There is nothing to say of it, and never will be.
    Nothing,
    NotYet(ReportError),
}

impl Work {
    fn new(schedule: Schedule, lake: Lake, board: Notifications, clock: Clock) -> Self {
        let outbox = Outbox::new(lake.clone(), &kept_as(&schedule.name));
        let (sender, known) = (Sender::default(), BTreeSet::new());
        Self { schedule, lake, board, clock, outbox, sender, known, again: Micros(0) }
    }

    async fn step(&mut self) -> Result<(), Stopped> {
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
        self.send(made.is_ok() && now >= self.again).await?;
        made
    }

    /// All weeks that are due. How far the schedule has come moves when each of them is made, or cannot be.
    async fn make(&mut self, handled: Micros, last: Micros, now: Micros) -> Result<(), Stopped> {
        let lake = self.lake.clone();
        let snapshot = lake.snapshot().await?;
        let session = Session::open(&snapshot, self.schedule.scope.clone(), Limits::default())?;
        let weekly = Weekly { lake: &lake, snapshot: &snapshot, session: &session };
        let zone = weekly.zone_at(last).await.map_err(Stopped::Zone)?;
        let mut not_yet = None;
        for week in self.schedule.times.weeks(handled, last, zone) {
            match made(&weekly, week, now).await {
                Made::Edition(report) => {
                    if self.keep(&report, handled, now).await? == Recorded::Overtaken {
                        // Another server is at it: look again what is left to do.
                        return Ok(());
                    }
                }
                Made::Nothing => {}
                Made::NotYet(source) => not_yet = Some(Stopped::Report { week: week.to_string(), source }),
            }
        }
        match not_yet {
            Some(why) => Err(why),
            None => Ok(self.outbox.make(Vec::new(), last.0, now).await.map(drop)?),
        }
    }

    async fn keep(&mut self, report: &WeeklyReport, handled: Micros, now: Micros) -> Result<Recorded, Stopped> {
        let parcel = Parcel {
            report: NAME.to_owned(),
            org_id: report.org_id.clone(),
            period: report.week.clone(),
            edition: report.edition,
        };
        if self.known.contains(&parcel) {
            return Ok(Recorded::Done);
        }
        let row = row(&self.schedule.name, &parcel, now);
        let recorded = self.outbox.make(vec![row], handled.0, now).await?;
        if recorded == Recorded::Done {
            self.known.insert(parcel);
            self.outbox.refresh(now).await?;
        }
        Ok(recorded)
    }

    async fn send(&mut self, is_well: bool) -> Result<(), Stopped> {
        let carrier = Postman { schedule: &self.schedule, editions: Editions::new(self.lake.clone()) };
        let sent = self.sender.send(&mut self.outbox, &carrier, self.clock).await?;
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

async fn made(weekly: &Weekly<'_>, week: Week, now: Micros) -> Made {
    match weekly.make(Some(week), now).await {
        Ok(report) => Made::Edition(Box::new(report)),
        Err(ReportError::Nothing | ReportError::BeforeEverything { .. } | ReportError::Calendar(_)) => Made::Nothing,
        Err(error) => Made::NotYet(error),
    }
}

fn row(schedule: &str, parcel: &Parcel, now: Micros) -> NoticeRow {
    let org = parcel.org_id.as_ref().map_or("", OrgId::as_str);
    let edition = parcel.edition.to_string();
    NoticeRow {
        route: kept_as(schedule),
        notice_id: id("n_", &[schedule, &parcel.report, org, &parcel.period, &edition]),
        what: Notice::Report,
        thread: Some(id("t_", &[schedule, &parcel.report, org, &parcel.period])),
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
        let report = self.report(unsent).await;
        let unread = |why| Undelivered { why, after: None, blames: Blames::Message };
        self.schedule.to.deliver(&unsent.notice_id, &report.map_err(unread)?).await
    }
}

impl Postman<'_> {
    async fn report(&self, unsent: &Unsent) -> Result<WeeklyReport, String> {
        let parcel: Parcel = serde_json::from_str(&unsent.message).map_err(|error| error.to_string())?;
        let edited = Edited { org: parcel.org_id, report: NAME, period: parcel.period };
        let found = self.editions.edition(&edited, parcel.edition).await;
        let found = found.map_err(|error: EditionError| chain(&error))?;
        found.ok_or_else(|| format!("edition {} of {} is not in the table reports", parcel.edition, edited.period))
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
        let config = json!({
            "name": "monday", "report": "weekly", "schedule": "0 7 * * MON", "to": "folder", "url": folder,
            "formats": ["md", "json"],
        });
        let config: super::super::Config = serde_json::from_value(config).unwrap();
        Work::new(config.schedule().unwrap(), world.lake.clone(), board.clone(), monday)
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
        let mut first = work(&world, folder.path(), &board);
        let three_weeks_ago = Micros::parse("2026-05-25T00:00:00Z").unwrap();
        first.outbox.refresh(monday()).await.unwrap();
        assert_eq!(first.outbox.make(Vec::new(), three_weeks_ago.0, monday()).await.unwrap(), Recorded::Done);
        let waits = first.step().await.unwrap_err();
        assert!(chain(&waits).contains("2026-W24 has not ended yet"), "{}", chain(&waits));
        assert_eq!(files(folder.path()), ["monday.2026-W23.1.json", "monday.2026-W23.1.md"]);
        // Another process goes on from there: what was delivered is not delivered again, what has changed is.
        std::fs::remove_file(folder.path().join("monday.2026-W23.1.md")).unwrap();
        assert!(work(&world, folder.path(), &board).step().await.is_err());
        assert_eq!(files(folder.path()), ["monday.2026-W23.1.json"]);
        let raised = to_batch(&FINDINGS, &[finding("f_w", 1_780_304_400)]).unwrap();
        commit(&world.lake, TableName::Findings, raised).await;
        assert!(work(&world, folder.path(), &board).step().await.is_err());
        assert_eq!(files(folder.path()), ["monday.2026-W23.1.json", "monday.2026-W23.2.json", "monday.2026-W23.2.md"]);
    }

    #[tokio::test]
    async fn a_new_schedule_begins_with_the_next_time_that_comes() {
        let (world, folder, board) = (World::new().await, tempfile::tempdir().unwrap(), Notifications::default());
        let mut first = work(&world, folder.path(), &board);
        first.step().await.unwrap();
        first.step().await.unwrap();
        assert_eq!(first.outbox.number(Number::Position), Some(monday().0));
        assert!(files(folder.path()).is_empty());
    }
}
