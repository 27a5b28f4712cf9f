//! Editions of a report: what was given out once stays as it is, and what has changed since is the next edition.

use credwatch_lake::{Change, Committed, Lake, TableName};
use credwatch_query::QueryError;
use credwatch_schemas::ids::OrgId;
use credwatch_schemas::report::{REPORTS, ReportRow};
use credwatch_schemas::rows::to_batch;
use credwatch_schemas::time::Micros;
use credwatch_schemas::weekly_report::{Changed, WeeklyReport};
use datafusion::logical_expr::Expr;
use datafusion::prelude::{col, lit};
use serde_json::Value;
use thiserror::Error;

use super::changes::changes;
use crate::book::{Book, BookError};

/// Losses against others who make the same report at the same time.
const MOST_ATTEMPTS: u32 = 20;

#[derive(Debug, Error)]
pub enum EditionError {
    #[error(transparent)]
    Book(#[from] BookError),
    #[error("others made the same report {MOST_ATTEMPTS} times at the same moment")]
    Contention,
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// Which report it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edited {
    pub(super) org: Option<OrgId>,
    pub(super) report: &'static str,
    pub(super) period: String,
}

impl Edited {
    /// Its editions.
    fn rows(&self) -> Expr {
        let org = match &self.org {
            Some(org) => col("org_id").eq(lit(org.as_str())),
            None => col("org_id").is_null(),
        };
        org.and(col("report").eq(lit(self.report))).and(col("period").eq(lit(self.period.as_str())))
    }

    /// The transaction that counts its editions.
    fn transaction(&self) -> String {
        let org = self.org.as_ref().map_or("*", OrgId::as_str);
        [self.report, "/", org, "/", &self.period].concat()
    }
}

/// The editions of a lake.
#[derive(Debug, Clone)]
pub(super) struct Editions {
    lake: Lake,
    book: Book<ReportRow>,
}

impl Editions {
    pub(super) fn new(lake: Lake) -> Self {
        Self { book: Book::new(lake.clone(), TableName::Reports), lake }
    }

    /// The document as it is given out: that of the last edition where nothing has changed, else a new one, which is kept.
    /// Of two who make the same edition at the same time one is told, and looks again.
    pub(super) async fn settled(
        &self,
        edited: &Edited,
        draft: &WeeklyReport,
        now: Micros,
    ) -> Result<WeeklyReport, EditionError> {
        for _ in 0..MOST_ATTEMPTS {
            let last = self.last(edited).await?;
            if let Some(report) = last.as_ref().and_then(|last| last.report.as_ref())
                // Of two drafts the one that has seen more is kept.
                && (report.says_the_same(draft) || report.data_seq > draft.data_seq)
            {
                return Ok(report.clone());
            }
            let edition = next(last.as_ref(), draft);
            if self.kept(edited, &edition, now).await? {
                return Ok(edition);
            }
        }
        Err(EditionError::Contention)
    }

    async fn last(&self, edited: &Edited) -> Result<Option<Last>, EditionError> {
        let newest = vec![col("edition").sort(false, false)];
        let rows = self.book.some(edited.rows(), newest, 1).await?;
        Ok(rows.first().map(|row| Last { edition: row.edition, report: serde_json::from_str(&row.document).ok() }))
    }

    /// One edition, as it was given out.
    pub(super) async fn edition(&self, edited: &Edited, edition: i64) -> Result<Option<WeeklyReport>, EditionError> {
        let its = edited.rows().and(col("edition").eq(lit(edition)));
        let rows = self.book.some(its, vec![col("seq").sort(true, false)], 1).await?;
        Ok(rows.first().and_then(|row| serde_json::from_str(&row.document).ok()))
    }

    async fn kept(&self, edited: &Edited, edition: &WeeklyReport, now: Micros) -> Result<bool, EditionError> {
        let row = ReportRow {
            org_id: edited.org.clone(),
            report: edited.report.to_owned(),
            period: edited.period.clone(),
            time_zone: edition.time_zone.clone(),
            edition: edition.edition,
            document: document(edition),
            seq: None,
            recorded_time: now,
        };
        let rows = to_batch(&REPORTS, &[row]);
        let rows = rows.map_err(|source| BookError::Row { table: TableName::Reports, source })?;
        let before = edition.edition - 1;
        let change = Change {
            append: vec![rows],
            expect: vec![(edited.transaction(), (before > 0).then_some(before))],
            set: vec![(edited.transaction(), edition.edition)],
            ..Change::default()
        };
        let committed = self.lake.commit(&TableName::Reports, change, now).await.map_err(BookError::from)?;
        Ok(matches!(committed, Committed::Done { .. }))
    }
}

/// One line of JSON.
pub fn document(report: &WeeklyReport) -> String {
    serde_json::json!(report).to_string()
}

/// The edition that was kept last.
struct Last {
    edition: i64,
    /// `None`: another version of this program has written it in a form that this one does not read.
    report: Option<WeeklyReport>,
}

fn next(last: Option<&Last>, draft: &WeeklyReport) -> WeeklyReport {
    let (before, (changed, changed_more)) = match last {
        None => (0, (Vec::new(), 0)),
        Some(Last { edition, report: Some(report) }) => (*edition, changes(&said(report), &said(draft))),
        Some(Last { edition, report: None }) => (*edition, (vec![in_another_form()], 0)),
    };
    WeeklyReport { edition: before + 1, changed, changed_more, ..draft.clone() }
}

fn in_another_form() -> Changed {
    Changed { what: String::new(), before: Some("an edition in another form".to_owned()), after: None }
}

fn said(report: &WeeklyReport) -> Value {
    let mut said = serde_json::json!(report.content);
    said["time_zone"] = report.time_zone.as_str().into();
    said
}
