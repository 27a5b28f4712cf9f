//! Reports: a page about a week, made of what the lake says, kept in editions.
//!
//! [`Weekly::make`] is the one way to a report; the command line and the API both take it. A report sees what its scope
//! sees, and is the same bytes whoever makes it: what it says depends on the lake and on nothing else, and two who make it
//! at the same time get the same edition.

mod answers;
mod changes;
mod content;
mod coverage;
mod editions;
mod routes;
mod share;
#[cfg(test)]
mod tests;
mod week;

use chrono_tz::Tz;
use credwatch_detectors::{EngineError, Registry, outcomes, settings_in_force};
use credwatch_lake::{Lake, LakeError, LakeSnapshot};
use credwatch_query::{QueryError, Session, TenantScope};
use credwatch_schemas::ids::OrgId;
use credwatch_schemas::time::{MINUTE, Micros};
use credwatch_schemas::weekly_report::{NAME, VERSION, WeeklyReport};
use thiserror::Error;

use answers::Bounds;
use editions::{Edited, Editions};
pub use editions::{EditionError, document};
pub(crate) use routes::{__path_weekly, weekly};
pub use routes::{Format, rendered};
pub use week::{NoWeek, Week};

/// What arrives later than this is late: the watermark lies so far behind the clocks.
const LATENESS: i64 = 15 * MINUTE;

#[derive(Debug, Error)]
pub enum ReportError {
    #[error("there is no event yet, so there is no week to report on")]
    Nothing,
    #[error("the week {week} has not ended yet: events are complete up to {watermark}")]
    NotEnded { week: String, watermark: Micros },
    #[error("the week {week} lies before the first event, of {first}")]
    BeforeEverything { week: String, first: Micros },
    #[error("the week {0} lies beyond what a calendar holds")]
    Calendar(String),
    #[error("reading the lake")]
    Lake(#[from] LakeError),
    #[error("reading how detectors stand")]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Edition(#[from] EditionError),
}

/// What a weekly report is made with.
#[derive(Debug)]
pub struct Weekly<'a> {
    pub lake: &'a Lake,
    pub registry: &'a Registry,
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
        let zone = self.zone(org.as_ref()).await?;
        let week = self.week(week, zone).await?;
        let outcomes = outcomes(self.snapshot).await?;
        let bounds = bounds(week, zone)?;
        let content = content::content(self.session, self.registry, &outcomes, bounds).await?;
        let draft = WeeklyReport {
            report: NAME.to_owned(),
            version: VERSION,
            org_id: org.clone(),
            week: week.to_string(),
            time_zone: zone.name().to_owned(),
            from_time: bounds.from,
            to_time: bounds.to,
            edition: 0,
            changed: Vec::new(),
            changed_more: 0,
            content,
        };
        let edited = Edited { org, report: NAME, period: week.to_string(), time_zone: zone.name().to_owned() };
        Ok(Editions::new(self.lake.clone()).settled(&edited, &draft, now).await?)
    }

    /// The org's own zone, where it has said one.
    async fn zone(&self, org: Option<&OrgId>) -> Result<Tz, ReportError> {
        let Some(org) = org else { return Ok(Tz::UTC) };
        let settings = settings_in_force(self.snapshot).await?;
        let zone = settings.into_iter().find(|one| one.org_id == org.as_str() && one.key == "time_zone");
        Ok(zone.and_then(|zone| zone.value.parse().ok()).unwrap_or(Tz::UTC))
    }

    /// A week that there is something to say of. In a lake that only has imports everything has arrived.
    async fn week(&self, asked: Option<Week>, zone: Tz) -> Result<Week, ReportError> {
        let (first, last) = self.span().await?.ok_or(ReportError::Nothing)?;
        let calendar = |week: Week| ReportError::Calendar(week.to_string());
        let watermark = self.snapshot.watermark(LATENESS);
        let week = match (asked, watermark) {
            (Some(week), _) => week,
            (None, Some(watermark)) => Week::ended_by(watermark, zone).ok_or(ReportError::Nothing)?,
            (None, None) => {
                let ended = Week::ended_by(last, zone).filter(|week| week.ends(zone).is_some_and(|end| end > first));
                ended.or_else(|| Week::of(last, zone)).ok_or(ReportError::Nothing)?
            }
        };
        let (begins, ends) =
            (week.begins(zone).ok_or_else(|| calendar(week))?, week.ends(zone).ok_or_else(|| calendar(week))?);
        match watermark {
            Some(watermark) if ends > watermark => Err(ReportError::NotEnded { week: week.to_string(), watermark }),
            None if begins > last => Err(ReportError::NotEnded { week: week.to_string(), watermark: last }),
            _ if ends <= first => Err(ReportError::BeforeEverything { week: week.to_string(), first }),
            _ => Ok(week),
        }
    }

    /// When the first and the last event happened that the scope sees.
    async fn span(&self) -> Result<Option<(Micros, Micros)>, ReportError> {
        let sql = "SELECT min(time) AS first_time, max(time) AS last_time FROM events";
        let whole = Bounds { before: Micros(0), from: Micros(0), to: Micros(0) };
        let rows: Vec<SpanRow> = answers::rows(self.session, sql, whole).await?;
        Ok(rows.first().and_then(|row| Some((row.first_time?, row.last_time?))))
    }
}

#[derive(Debug, serde::Deserialize)]
struct SpanRow {
    first_time: Option<Micros>,
    last_time: Option<Micros>,
}

fn bounds(week: Week, zone: Tz) -> Result<Bounds, ReportError> {
    let of = || Some(Bounds { before: week.before()?.begins(zone)?, from: week.begins(zone)?, to: week.ends(zone)? });
    of().ok_or_else(|| ReportError::Calendar(week.to_string()))
}
