//! What a route would have told in a stretch of time, had it been there: the same decisions at the same moments, and nothing
//! is sent or kept.

use credwatch_detectors::{EngineError, detectors_in_force};
use credwatch_lake::{LakeError, LakeSnapshot, TableName};
use credwatch_schemas::finding::Finding;
use credwatch_schemas::ids::FindingId;
use credwatch_schemas::notice::NoticeRow;
use credwatch_schemas::rows::from_batch;
use credwatch_schemas::time::{DAY, MINUTE, Micros, SECOND};
use datafusion::prelude::{SessionContext, col, lit};
use thiserror::Error;

use super::brief::Brief;
use super::memory::Memory;
use super::message::{Message, Words};
use super::plan::plan;
use super::work::{Route, Telling};
use crate::book::BookError;

/// As often as a route looks.
const STEP: i64 = SECOND;
/// Where nothing happens, it looks so much later: no decision depends on a shorter time.
const STRIDE: i64 = 15 * SECOND;
/// Beyond every quiet stretch of a week.
const LONGEST_WAIT: i64 = 8 * DAY;
/// Revisions that are read at once.
const MOST_REVISIONS: usize = 5_000;

#[derive(Debug, Error)]
pub enum PreviewError {
    #[error("a heartbeat has nothing to preview")]
    Heartbeat,
    #[error(transparent)]
    Book(#[from] BookError),
    #[error("reading the lake")]
    Lake(#[from] LakeError),
    #[error("reading how detectors stand")]
    Engine(#[from] EngineError),
}

/// One message that would have been sent.
pub type Previewed = Message;

/// Of the revisions that were recorded in this stretch, in the order of telling. What is told after its end is in it too.
pub async fn preview(
    route: &Route,
    snapshot: &LakeSnapshot,
    from: Micros,
    to: Micros,
) -> Result<Vec<Previewed>, PreviewError> {
    let telling = route.telling().ok_or(PreviewError::Heartbeat)?;
    let words = Words::of(detectors_in_force(snapshot, to).await?, telling.public_url.as_deref());
    let mut play = Play { telling, words, memory: Memory::default(), told: Vec::new(), heard: from };
    let (mut seq, mut now) = (0, from);
    loop {
        let read = revisions(snapshot, seq, MOST_REVISIONS).await?;
        let Some(last) = read.last() else { break };
        seq = last.seq.unwrap_or(seq + 1);
        for finding in read.into_iter().filter(|one| one.recorded_time >= from && one.recorded_time < to) {
            // What is recorded in one second is heard at once.
            now = play.until(now, finding.recorded_time);
            play.heard = now;
            play.memory.hear(&telling.rules, Brief::from(finding));
        }
    }
    play.play_on(now);
    Ok(play.told)
}

struct Play<'a> {
    telling: &'a Telling,
    words: Words,
    memory: Memory,
    told: Vec<Message>,
    /// When something was heard last.
    heard: Micros,
}

impl Play<'_> {
    /// Looks again and again until then.
    fn until(&mut self, mut now: Micros, then: Micros) -> Micros {
        while now.plus(STEP) <= then {
            if self.memory.waits() == 0 {
                return then;
            }
            self.look(now);
            // Soon after something was heard, as often as a route looks.
            let rest = then.0 - now.0;
            let stride = if now.0 - self.heard.0 < MINUTE { STEP } else { STRIDE.min(rest.max(STEP)) };
            now = now.plus(if self.memory.waits() == 0 { rest } else { stride });
        }
        now.max(then)
    }

    /// Until nothing waits: quiet hours end, and so do hours that are full.
    fn play_on(&mut self, mut now: Micros) {
        let latest = now.plus(LONGEST_WAIT);
        while self.memory.waits() > 0 && now < latest {
            self.look(now);
            now = now.plus(STRIDE);
        }
    }

    fn look(&mut self, now: Micros) {
        let planned = plan(&self.telling.rules, &self.memory, now);
        let thread = |id: &FindingId| self.memory.told(id).map(|told| told.thread.clone());
        let mut rows: Vec<NoticeRow> = Vec::new();
        for one in &planned {
            let Some(message) = Message::of(one, &self.telling.rules, &self.words, now) else { continue };
            rows.extend(message.rows(one, &thread));
            self.told.push(message);
        }
        rows.iter().for_each(|row| self.memory.record(row));
    }
}

/// The next revisions behind a `seq`.
pub(super) async fn revisions(snapshot: &LakeSnapshot, behind: i64, at_most: usize) -> Result<Vec<Finding>, BookError> {
    let name = TableName::Findings;
    let Some(table) = snapshot.table(&name) else { return Ok(Vec::new()) };
    let unread = |source| BookError::Read { table: TableName::Findings, source: Box::new(source) };
    let rows = SessionContext::new().read_table(table.provider()).map_err(unread)?;
    let rows = rows.filter(col("seq").gt(lit(behind))).and_then(|rows| rows.sort(vec![col("seq").sort(true, false)]));
    let rows = rows.and_then(|rows| rows.limit(0, Some(at_most))).map_err(unread)?;
    let mut read = Vec::new();
    for batch in rows.collect().await.map_err(unread)? {
        let found = from_batch::<Finding>(&batch);
        read.extend(found.map_err(|source| BookError::Row { table: TableName::Findings, source })?);
    }
    Ok(read)
}
