//! Reports: a page about a week, made of what the lake says, kept in editions.
//!
//! [`Weekly::make`] is the one way to a report; the command line and the API both take it. A report sees what its scope
//! sees, and is the same bytes whoever makes it: what it says depends on the lake and on nothing else, and two who make it
//! at the same time get the same edition.

mod answers;
mod calls;
mod changes;
pub mod checks;
mod content;
mod coverage;
mod discovery;
mod editions;
mod exceptions;
mod listed;
mod routes;
pub mod schedule;
mod sections;
mod share;
#[cfg(test)]
mod tests;
mod week;

use chrono_tz::Tz;
use credwatch_detectors::{EngineError, InForce, Reached, detectors_in_force, outcomes, settings, settings_in_force};
use credwatch_lake::{Lake, LakeError, LakeSnapshot};
use credwatch_query::{Limits, QueryError, Session, TenantScope};
use credwatch_schemas::ids::OrgId;
use credwatch_schemas::time::{MINUTE, Micros};
use credwatch_schemas::weekly_report::{NAME, VERSION, WeeklyReport};
use thiserror::Error;

use answers::{Bounds, LostRow, SpanRow};
use content::Known;
use editions::{Edited, Editions};
pub use editions::{EditionError, document};
pub(crate) use routes::{
    __path_compliance, __path_credentials, __path_offboarding, __path_readiness, __path_weekly, compliance,
    credentials, offboarding, readiness, weekly,
};
pub use routes::{Format, rendered};
pub use week::{NoWeek, Week};

/// What arrives later than this is late: the watermark lies so far behind the clocks.
const LATENESS: i64 = 15 * MINUTE;

#[derive(Debug, Error)]
pub enum ReportError {
    #[error("there is no event yet, so there is nothing to report on")]
    Nothing,
    #[error("the week {week} has not ended yet: events are complete up to {until}")]
    NotEnded { week: String, until: Micros },
    #[error("no week has ended yet: events are complete up to {0}")]
    NoneEnded(Micros),
    #[error("the week {week} lies before the first event, of {first}")]
    BeforeEverything { week: String, first: Micros },
    #[error("the week {0} lies beyond what a calendar holds")]
    Calendar(String),
    #[error("nothing lies between {from} and {to}")]
    Backwards { from: Micros, to: Micros },
    #[error("reading the lake")]
    Lake(#[from] LakeError),
    #[error("reading how detectors stand")]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Edition(#[from] EditionError),
}

/// A report is short, however many rows its statements give: what they do not bound is folded as it comes.
pub fn limits(of_a_statement: Limits) -> Limits {
    Limits { rows: usize::MAX, bytes: usize::MAX, ..of_a_statement }
}

/// What a weekly report is made with.
#[derive(Debug)]
pub struct Weekly<'a> {
    pub lake: &'a Lake,
    pub snapshot: &'a LakeSnapshot,
    pub session: &'a Session,
}

impl Weekly<'_> {
    /// Of this week, or of the last one that has ended.
    pub async fn make(&self, week: Option<Week>, now: Micros) -> Result<WeeklyReport, ReportError> {
        let org = match self.session.scope() {
            TenantScope::Operator => None,
            TenantScope::Org(org) => Some(org.clone()),
        };
        let span = self.span().await?;
        let (week, zone, ended) = self.week(week, org.as_ref(), span).await?;
        let bounds = bounds(week, zone)?;
        let detectors = detectors_in_force(self.snapshot, bounds.to.plus(-1)).await?;
        let outcomes = outcomes(self.snapshot).await?;
        let held = settings(self.snapshot).await?;
        let (until, lost) = (self.until(span), self.lost(bounds).await?);
        let known = Known { detectors: &detectors, outcomes: &outcomes, held: &held, until, ended, lost };
        let draft = WeeklyReport {
            report: NAME.to_owned(),
            version: VERSION,
            org_id: org.clone(),
            week: week.to_string(),
            time_zone: zone.name().to_owned(),
            from_time: bounds.from,
            to_time: bounds.to,
            edition: 0,
            data_seq: span.data_seq,
            changed: Vec::new(),
            changed_more: 0,
            content: content::content(self.session, &known, bounds).await?,
        };
        let edited = Edited { org, report: NAME, period: week.to_string() };
        Ok(Editions::new(self.lake.clone()).settled(&edited, &draft, now).await?)
    }

    /// Event time up to which everything is there. In a lake that only has imports, everything has arrived.
    fn until(&self, span: Span) -> Micros {
        self.snapshot
            .watermark(LATENESS)
            .unwrap_or_else(|| self.snapshot.last_event_from().unwrap_or(span.last).max(span.last))
    }

    /// The zone of the weeks that a report made at this time is about.
    pub(crate) async fn zone_at(&self, time: Micros) -> Result<Tz, ReportError> {
        self.zone(self.org(), time).await
    }

    /// Whether all of a week is there.
    pub(crate) async fn has_ended(&self, week: Week) -> Result<bool, ReportError> {
        let span = self.span().await?;
        match self.week(Some(week), self.org(), span).await {
            Ok((_, _, has_ended)) => Ok(has_ended),
            Err(ReportError::NotEnded { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Why a week is waited for.
    pub(crate) async fn not_ended(&self, week: Week) -> ReportError {
        let until = self.span().await.map_or(Micros(0), |span| self.until(span));
        ReportError::NotEnded { week: week.to_string(), until }
    }

    /// Whether every detector of windows has judged all windows of a week.
    pub(crate) async fn is_judged(&self, week: Week) -> Result<bool, ReportError> {
        let zone = self.zone_at(week.ends(Tz::UTC).unwrap_or_default()).await?;
        let bounds = bounds(week, zone)?;
        let detectors = detectors_in_force(self.snapshot, bounds.to.plus(-1)).await?;
        let is_judged = |one: &InForce| match one.window {
            None => true,
            Some(Reached::Nothing) => false,
            Some(Reached::Until(until)) => until.plus(one.every.unwrap_or(0)) > bounds.to || until >= bounds.to,
        };
        Ok(detectors.iter().all(is_judged))
    }

    fn org(&self) -> Option<&OrgId> {
        match self.session.scope() {
            TenantScope::Operator => None,
            TenantScope::Org(org) => Some(org),
        }
    }

    /// A week that there is something to say of, the zone that it begins and ends in, and whether all of it is there.
    async fn week(
        &self,
        asked: Option<Week>,
        org: Option<&OrgId>,
        span: Span,
    ) -> Result<(Week, Tz, bool), ReportError> {
        let until = self.until(span);
        let week = match asked {
            Some(week) => week,
            None => {
                let zone = self.zone(org, until).await?;
                let ended =
                    Week::ended_by(until, zone).filter(|week| week.ends(zone).is_some_and(|end| end > span.first));
                let only = || Week::of(until, zone).filter(|_| self.snapshot.clocks().is_empty());
                ended.or_else(only).ok_or(ReportError::NoneEnded(until))?
            }
        };
        let calendar = || ReportError::Calendar(week.to_string());
        // The zone that held when the week ended.
        let zone = self.zone(org, week.ends(Tz::UTC).ok_or_else(calendar)?).await?;
        let (begins, ends) = (week.begins(zone).ok_or_else(calendar)?, week.ends(zone).ok_or_else(calendar)?);
        let may_end_early = self.snapshot.clocks().is_empty() && begins <= until;
        match () {
            () if ends > until && !may_end_early => Err(ReportError::NotEnded { week: week.to_string(), until }),
            () if ends <= span.first => {
                Err(ReportError::BeforeEverything { week: week.to_string(), first: span.first })
            }
            () => Ok((week, zone, ends <= until)),
        }
    }

    /// The org's own zone, where it has said one by then.
    async fn zone(&self, org: Option<&OrgId>, time: Micros) -> Result<Tz, ReportError> {
        let Some(org) = org else { return Ok(Tz::UTC) };
        let settings = settings_in_force(self.snapshot, time).await?;
        let zone = settings.into_iter().find(|one| one.org_id == org.as_str() && one.key == "time_zone");
        Ok(zone.and_then(|zone| zone.value.parse().ok()).unwrap_or(Tz::UTC))
    }

    /// A row that says so names no org, so that only the operator sees it; how many they are concerns everybody.
    async fn lost(&self, bounds: Bounds) -> Result<i64, ReportError> {
        let session = Session::open(self.snapshot, TenantScope::Operator, limits(Limits::default()))?;
        let rows: Vec<LostRow> = answers::rows(&session, answers::LOST, bounds).await?;
        Ok(rows.first().map_or(0, |row| row.lost))
    }

    async fn span(&self) -> Result<Span, ReportError> {
        let whole = Bounds { before: Micros(0), from: Micros(0), to: Micros(0) };
        let rows: Vec<SpanRow> = answers::rows(self.session, answers::SPAN, whole).await?;
        Span::of(&rows)
    }
}

/// All events that the scope sees: when the first and the last happened, and the highest `seq`.
#[derive(Debug, Clone, Copy)]
struct Span {
    first: Micros,
    last: Micros,
    data_seq: i64,
}

impl Span {
    fn of(rows: &[SpanRow]) -> Result<Self, ReportError> {
        let span = rows
            .first()
            .and_then(|row| Some(Self { first: row.first_time?, last: row.last_time?, data_seq: row.data_seq? }));
        span.ok_or(ReportError::Nothing)
    }
}

fn bounds(week: Week, zone: Tz) -> Result<Bounds, ReportError> {
    let of = || Some(Bounds { before: week.before()?.begins(zone)?, from: week.begins(zone)?, to: week.ends(zone)? });
    of().ok_or_else(|| ReportError::Calendar(week.to_string()))
}
