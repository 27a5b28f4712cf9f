//! What is to be sent to somebody, and that it was: kept in the lake's table `notices`, so that any server can send it and a
//! kill loses nothing.
//!
//! First a message is made: its rows, and how far its maker has come, are one commit that only one of several makers wins.
//! Then whoever holds the turn sends it, and then it is recorded as sent. A receiver sees a message twice only where
//! somebody was killed, or cut off, between the second and the third; its id is the same then.

mod sending;
mod turn;

use std::collections::BTreeMap;

use credwatch_lake::fail_point::reach;
use credwatch_lake::{Change, Committed, Lake, TableName, TableSnapshot};
use credwatch_schemas::finding::Severity;
use credwatch_schemas::ids::FindingId;
use credwatch_schemas::notice::{NOTICES, Notice, NoticeRow};
use credwatch_schemas::rows::to_batch;
use credwatch_schemas::time::{DAY, Micros};
use datafusion::prelude::{col, lit};
use sha2::{Digest, Sha256};

use crate::book::{Book, BookError};

pub(crate) use sending::{Carrier, Sender};

/// What a process remembers of itself; older messages are looked up when something new is heard of what they told.
pub(crate) const REMEMBERED: i64 = 90 * DAY;
/// Losses against others who write the same table, for other routes say, before it is put off.
const MOST_ATTEMPTS: u32 = 60;
/// Rows that are read of the table at once.
const MOST_ROWS: usize = 1_000_000;

/// The outbox of one route or schedule.
#[derive(Debug)]
pub(crate) struct Outbox {
    book: Book<NoticeRow>,
    route: String,
    /// Rows up to this `seq` are known.
    seen: i64,
    table: Option<TableSnapshot>,
    /// By the `seq` of the row that holds the message.
    unsent: BTreeMap<i64, Unsent>,
    /// Read while something else was done, and not given back yet.
    unheard: Vec<NoticeRow>,
}

/// A message that nobody has taken yet, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unsent {
    pub(crate) notice_id: String,
    pub(crate) what: Notice,
    pub(crate) thread: Option<String>,
    pub(crate) severity: Option<Severity>,
    pub(crate) message: String,
    /// What it tells of.
    pub(crate) findings: Vec<FindingId>,
}

/// What came of recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Recorded {
    Done,
    /// Somebody else came first: look again and decide again.
    Overtaken,
}

/// A number that the table keeps for a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    /// Messages were made so often: of two who make one, one wins.
    Made,
    /// How far the maker has come in what it makes messages of.
    Position,
    /// Who sends.
    Turn,
    /// Rows of `records` that there were at the last heartbeat.
    Seen,
    /// When a heartbeat was sent last.
    Beat,
}

impl Number {
    fn of(self, route: &str) -> String {
        let name = match self {
            Self::Made => "made/",
            Self::Position => "position/",
            Self::Turn => "turn/",
            Self::Seen => "seen/",
            Self::Beat => "beat/",
        };
        [name, route].concat()
    }
}

impl Outbox {
    pub(crate) fn new(lake: Lake, route: &str) -> Self {
        let book = Book::new(lake, TableName::Notices);
        Self { book, route: route.to_owned(), seen: 0, table: None, unsent: BTreeMap::new(), unheard: Vec::new() }
    }

    /// What was recorded since the last time, by anybody, in the order of recording.
    pub(crate) async fn refresh(&mut self, now: Micros) -> Result<Vec<NoticeRow>, BookError> {
        self.look_again(now).await?;
        Ok(std::mem::take(&mut self.unheard))
    }

    async fn look_again(&mut self, now: Micros) -> Result<(), BookError> {
        let table = self.book.table().await?;
        if self.table.as_ref().is_some_and(|known| known.version() == table.version()) {
            return Ok(());
        }
        let new = col("route").eq(lit(self.route.as_str())).and(col("seq").gt(lit(self.seen)));
        let mut rows = self.book.some_of(&table, new, vec![col("seq").sort(true, false)], MOST_ROWS).await?;
        self.table = Some(table);
        let read = rows.iter().filter_map(|row| row.seq).max().unwrap_or(self.seen);
        // Rows of others need not be passed over again.
        let all = self.table.as_ref().and_then(|table| table.transaction("seq")).filter(|_| rows.len() < MOST_ROWS);
        self.seen = all.unwrap_or(read).max(read);
        // What nobody has taken is never too old.
        rows.iter().for_each(|row| self.learn(row));
        rows.retain(|row| row.what == Notice::Report || row.recorded_time >= now.plus(-REMEMBERED));
        self.unheard.extend(rows);
        Ok(())
    }

    fn learn(&mut self, row: &NoticeRow) {
        if matches!(row.what, Notice::Sent | Notice::GivenUp) {
            self.unsent.retain(|_, one| one.notice_id != row.notice_id);
        } else if let (Some(message), Some(seq)) = (&row.message, row.seq) {
            let one = Unsent {
                notice_id: row.notice_id.clone(),
                what: row.what,
                thread: row.thread.clone(),
                severity: row.severity,
                message: message.clone(),
                findings: Vec::new(),
            };
            self.unsent.insert(seq, one);
        } else if let Some(finding) = &row.finding_id {
            let its = self.unsent.values_mut().filter(|one| one.notice_id == row.notice_id);
            its.for_each(|one| one.findings.push(finding.clone()));
        }
    }

    /// What was told of these findings, ever, in the order of recording.
    pub(crate) async fn told_of(&self, findings: &[FindingId]) -> Result<Vec<NoticeRow>, BookError> {
        let ids = findings.iter().map(|id| lit(id.as_str())).collect();
        let theirs = col("route").eq(lit(self.route.as_str())).and(col("finding_id").in_list(ids, false));
        self.book.some(theirs, vec![col("seq").sort(true, false)], MOST_ROWS).await
    }

    /// As of the last look.
    pub(crate) fn number(&self, number: Number) -> Option<i64> {
        self.table.as_ref()?.transaction(&number.of(&self.route))
    }

    /// In the order of recording.
    pub(crate) fn unsent(&self) -> impl Iterator<Item = &Unsent> {
        self.unsent.values()
    }

    /// Keeps new messages, and how far their maker has come: all of it or nothing.
    pub(crate) async fn make(
        &mut self,
        rows: Vec<NoticeRow>,
        position: i64,
        now: Micros,
    ) -> Result<Recorded, BookError> {
        let made = self.number(Number::Made);
        let expect = [(Number::Made, made), (Number::Position, self.number(Number::Position))];
        let set = [(Number::Made, made.unwrap_or(0) + 1), (Number::Position, position)];
        let recorded = self.record(rows, &expect, &set, now).await?;
        reach("outbox-made");
        Ok(recorded)
    }

    /// Moves one number, if nobody else has moved it.
    pub(crate) async fn record_number(
        &mut self,
        number: Number,
        from: Option<i64>,
        to: i64,
        now: Micros,
    ) -> Result<Recorded, BookError> {
        self.record(Vec::new(), &[(number, from)], &[(number, to)], now).await
    }

    /// Numbers as they must be, and as they are to be.
    async fn record(
        &self,
        rows: Vec<NoticeRow>,
        expect: &[(Number, Option<i64>)],
        set: &[(Number, i64)],
        now: Micros,
    ) -> Result<Recorded, BookError> {
        let append = if rows.is_empty() { Vec::new() } else { vec![self.batch(&rows)?] };
        for _ in 0..MOST_ATTEMPTS {
            let change = Change {
                append: append.clone(),
                expect: expect.iter().map(|(number, value)| (number.of(&self.route), *value)).collect(),
                set: set.iter().map(|(number, value)| (number.of(&self.route), *value)).collect(),
                ..Change::default()
            };
            if let Committed::Done { .. } = self.book.lake().commit(&TableName::Notices, change, now).await? {
                return Ok(Recorded::Done);
            }
            let table = self.book.table().await?;
            if expect.iter().any(|(number, value)| table.transaction(&number.of(&self.route)) != *value) {
                return Ok(Recorded::Overtaken);
            }
        }
        Err(BookError::Contention(TableName::Notices))
    }

    fn batch(&self, rows: &[NoticeRow]) -> Result<arrow::array::RecordBatch, BookError> {
        to_batch(&NOTICES, rows).map_err(|source| BookError::Row { table: TableName::Notices, source })
    }

    /// The row that says what became of a message.
    fn row(&self, what: Notice, notice_id: &str, now: Micros) -> NoticeRow {
        NoticeRow {
            route: self.route.clone(),
            notice_id: notice_id.to_owned(),
            what,
            thread: None,
            org_id: None,
            finding_id: None,
            revision: None,
            severity: None,
            status: None,
            message: None,
            seq: None,
            recorded_time: now,
        }
    }

    /// By somebody's word it is tried no longer. False: none of that id is unsent.
    pub(crate) async fn skip(&mut self, notice_id: &str, now: Micros) -> Result<bool, BookError> {
        self.refresh(now).await?;
        let is_there = self.unsent().any(|one| one.notice_id == notice_id);
        if is_there {
            self.give_up(notice_id, &[], now).await?;
        }
        Ok(is_there)
    }

    /// It is tried no longer: nobody will ever take it, or what it says is no longer so. Of these findings nobody was told.
    pub(crate) async fn give_up(
        &mut self,
        notice_id: &str,
        untold: &[FindingId],
        now: Micros,
    ) -> Result<(), BookError> {
        let row = self.row(Notice::GivenUp, notice_id, now);
        let of = |id: &FindingId| NoticeRow { finding_id: Some(id.clone()), ..row.clone() };
        let rows = std::iter::once(row.clone()).chain(untold.iter().map(of)).collect();
        let _nothing_was_expected = self.record(rows, &[], &[], now).await?;
        self.unsent.retain(|_, one| one.notice_id != notice_id);
        Ok(())
    }
}

/// A name made of what it names.
pub(crate) fn id(prefix: &str, of: &[&str]) -> String {
    let mut hash = Sha256::new();
    of.iter().for_each(|part| {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    });
    [prefix, &hex::encode(&hash.finalize()[..10])].concat()
}
