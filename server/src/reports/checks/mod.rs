//! Checklists: is this ready for a second customer, and what can be shown to an auditor? Each question is a statement over
//! the session's own tables, so that an org's checklist holds nothing of others, and whoever doubts an answer runs it again.

mod packs;

use std::collections::BTreeMap;

use credwatch_query::{Params, QueryError, Session, TenantScope, literal};
use credwatch_schemas::checklist::{Check, Checklist, Framework, VERSION};
use credwatch_schemas::rows::from_batch;
use credwatch_schemas::time::{DAY, Micros};
use datafusion::scalar::ScalarValue;
use serde::Deserialize;

use super::answers::{self, Bounds, SpanRow};
use super::{ReportError, Span};
use packs::{Asked, questions};

/// Every credential: its owner, its scope, when it was used last, and which agents stop when it is revoked.
pub const CREDENTIALS: &str = include_str!("credentials.sql");
/// What stops when the person `$1` leaves.
pub const OFFBOARDING: &str = include_str!("offboarding.sql");

/// Without a beginning: so far back from the end.
const USUAL: i64 = 30 * DAY;

/// How many things of a verdict there are.
#[derive(Debug, Deserialize)]
struct Verdicts {
    verdict: String,
    things: i64,
    example: Option<String>,
}

/// Of the events between two times; without them, of the last thirty days with events.
pub async fn checklist(
    session: &Session,
    of: Framework,
    from: Option<Micros>,
    to: Option<Micros>,
) -> Result<Checklist, ReportError> {
    let span = span(session).await?;
    let to_time = to.unwrap_or(span.last.plus(1));
    let from_time = from.unwrap_or(to_time.plus(-USUAL));
    if from_time >= to_time {
        return Err(ReportError::Backwards { from: from_time, to: to_time });
    }
    let mut checks = Vec::new();
    for one in questions(of) {
        checks.push(check(session, one, from_time, to_time).await?);
    }
    let org_id = match session.scope() {
        TenantScope::Operator => None,
        TenantScope::Org(org) => Some(org.clone()),
    };
    Ok(Checklist { report: of, version: VERSION, org_id, from_time, to_time, data_seq: span.data_seq, checks })
}

async fn span(session: &Session) -> Result<Span, ReportError> {
    let whole = Bounds { before: Micros(0), from: Micros(0), to: Micros(0) };
    let rows: Vec<SpanRow> = answers::rows(session, answers::SPAN, whole).await?;
    Span::of(&rows)
}

async fn check(session: &Session, asked: &Asked, from: Micros, to: Micros) -> Result<Check, QueryError> {
    let counted = counting(asked.statement());
    let verdicts = verdicts(session, &counted, asked.step(), (from, to)).await?;
    let of = |verdict: &str| verdicts.iter().find(|one| one.verdict == verdict);
    let things = |verdict: &str| of(verdict).map_or(0, |one| one.things);
    let (holds, fails, unseen) = (things("for"), things("against"), things("unseen"));
    Ok(Check {
        check: asked.name.to_owned(),
        question: asked.question().to_owned(),
        answer: Check::answered(holds, fails, unseen),
        holds,
        fails,
        unseen,
        example: of("against").and_then(|one| one.example.clone()),
        unseen_because: asked.unseen_because().to_owned(),
        evidence: spelt_out(asked, from, to),
    })
}

fn counting(statement: &str) -> String {
    [
        "WITH judged AS (\n",
        statement,
        "\n)\nSELECT verdict, count(*) AS things, min(what) AS example FROM judged GROUP BY verdict",
    ]
    .concat()
}

async fn verdicts(
    session: &Session,
    sql: &str,
    step: Option<&str>,
    (from, to): (Micros, Micros),
) -> Result<Vec<Verdicts>, QueryError> {
    let time = |time: Micros| ScalarValue::TimestampMicrosecond(Some(time.0), Some("UTC".into()));
    let step = ScalarValue::Utf8(step.map(str::to_owned));
    let named = [("from", time(from)), ("to", time(to)), ("step", step)].into_iter();
    let named = named.filter(|(name, _)| sql.contains(&["$", name].concat()));
    let named: BTreeMap<String, ScalarValue> = named.map(|(name, value)| (name.to_owned(), value)).collect();
    let params = if named.is_empty() { Params::None } else { Params::Named(named) };
    let mut rows = Vec::new();
    for batch in session.run(sql, params).await?.collect().await? {
        rows.extend(from_batch::<Verdicts>(&batch).map_err(|error| {
            tracing::error!(%error, "an answer for a checklist cannot be read");
            QueryError::Storage
        })?);
    }
    Ok(rows)
}

/// For people who copy it.
fn spelt_out(asked: &Asked, from: Micros, to: Micros) -> String {
    let step = asked.step().map(literal::text).unwrap_or_default();
    let statement = asked.statement().replace("$from", &literal::time(from)).replace("$to", &literal::time(to));
    statement.replace("$step", &step)
}
