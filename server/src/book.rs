//! The small append-only tables that people and servers keep together: keys, grants, saved queries. One row is one
//! change; what stands is what all rows make together.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use credwatch_lake::{Change, Committed, Lake, LakeError, TableName, TableSnapshot};
use credwatch_schemas::rows::{from_batch, to_batch};
use credwatch_schemas::time::Micros;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, SortExpr};
use datafusion::prelude::{SessionContext, col};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Losses against other writers before it is an error.
const MOST_ATTEMPTS: u32 = 60;

#[derive(Debug, Error)]
pub enum BookError {
    #[error("the lake has no table {0} yet: it comes with the first process of this version that writes the lake")]
    NoTable(TableName),
    #[error(transparent)]
    Lake(#[from] LakeError),
    #[error("reading the table {table}")]
    Read { table: TableName, source: Box<DataFusionError> },
    #[error("a row of the table {table} is none")]
    Row { table: TableName, source: arrow::error::ArrowError },
    #[error("other writers of the table {0} came first {MOST_ATTEMPTS} times")]
    Contention(TableName),
}

/// One such table of a lake.
#[derive(Debug)]
pub(crate) struct Book<Row> {
    lake: Lake,
    table: TableName,
    rows: PhantomData<fn() -> Row>,
}

impl<Row> Clone for Book<Row> {
    fn clone(&self) -> Self {
        Self { lake: self.lake.clone(), table: self.table.clone(), rows: PhantomData }
    }
}

impl<Row: Serialize + DeserializeOwned> Book<Row> {
    pub(crate) fn new(lake: Lake, table: TableName) -> Self {
        Self { lake, table, rows: PhantomData }
    }

    pub(crate) fn lake(&self) -> &Lake {
        &self.lake
    }

    pub(crate) async fn table(&self) -> Result<TableSnapshot, BookError> {
        self.lake.table_snapshot(&self.table).await?.ok_or_else(|| BookError::NoTable(self.table.clone()))
    }

    /// Every row, in the order of recording.
    pub(crate) async fn rows(&self) -> Result<Vec<Row>, BookError> {
        self.rows_in(&self.table().await?).await
    }

    pub(crate) async fn rows_in(&self, table: &TableSnapshot) -> Result<Vec<Row>, BookError> {
        let unread = |source| BookError::Read { table: self.table.clone(), source: Box::new(source) };
        let rows = SessionContext::new().read_table(table.provider()).map_err(unread)?;
        let rows = rows.sort(vec![col("seq").sort(true, false)]).map_err(unread)?;
        let mut read = Vec::new();
        for batch in rows.collect().await.map_err(unread)? {
            let rows = from_batch::<Row>(&batch);
            read.extend(rows.map_err(|source| BookError::Row { table: self.table.clone(), source })?);
        }
        Ok(read)
    }

    /// So many of those that match, in this order.
    pub(crate) async fn some(&self, that: Expr, order: Vec<SortExpr>, at_most: usize) -> Result<Vec<Row>, BookError> {
        self.some_of(&self.table().await?, that, order, at_most).await
    }

    /// The same, as the table was at one moment.
    pub(crate) async fn some_of(
        &self,
        table: &TableSnapshot,
        that: Expr,
        order: Vec<SortExpr>,
        at_most: usize,
    ) -> Result<Vec<Row>, BookError> {
        let unread = |source| BookError::Read { table: self.table.clone(), source: Box::new(source) };
        let table = SessionContext::new().read_table(table.provider()).map_err(unread)?;
        let rows = table.filter(that).and_then(|rows| rows.sort(order)).and_then(|rows| rows.limit(0, Some(at_most)));
        let mut read = Vec::new();
        for batch in rows.map_err(unread)?.collect().await.map_err(unread)? {
            let rows = from_batch::<Row>(&batch);
            read.extend(rows.map_err(|source| BookError::Row { table: self.table.clone(), source })?);
        }
        Ok(read)
    }

    pub(crate) async fn record(&self, row: &Row, now: Micros) -> Result<(), BookError> {
        let schema = self.table.static_schema().ok_or_else(|| BookError::NoTable(self.table.clone()))?;
        let rows = to_batch(&schema, std::slice::from_ref(row));
        let rows = rows.map_err(|source| BookError::Row { table: self.table.clone(), source })?;
        for _ in 0..MOST_ATTEMPTS {
            let change = Change { append: vec![rows.clone()], ..Change::default() };
            if let Committed::Done { .. } = self.lake.commit(&self.table, change, now).await? {
                return Ok(());
            }
        }
        Err(BookError::Contention(self.table.clone()))
    }
}

/// Rows of a history beyond which it is folded.
const LONG: usize = 64;

impl<Row: Serialize + DeserializeOwned> Book<Row> {
    /// The same, for a book whose history is worth nothing: once it is long, `fold` says what of it stands, and that takes
    /// its place together with the row.
    pub(crate) async fn record_and_fold(
        &self,
        row: Row,
        now: Micros,
        fold: fn(Vec<Row>) -> Vec<Row>,
    ) -> Result<(), BookError> {
        let schema = self.table.static_schema().ok_or_else(|| BookError::NoTable(self.table.clone()))?;
        let batch = |rows: &[Row]| {
            to_batch(&schema, rows).map_err(|source| BookError::Row { table: self.table.clone(), source })
        };
        let row = [row];
        for _ in 0..MOST_ATTEMPTS {
            let (table, mut change) = (self.table().await?, Change::default());
            let rows = self.rows_in(&table).await?;
            if rows.len() >= LONG {
                let before = rows.len();
                let standing = fold(rows);
                // Where most of it stands, folding gains nothing.
                if standing.len() * 2 <= before {
                    change.append.push(batch(&standing)?);
                    change.replace = Some(table.files().to_vec());
                }
            }
            change.append.push(batch(&row)?);
            if let Committed::Done { .. } = self.lake.commit(&self.table, change, now).await? {
                return Ok(());
            }
        }
        Err(BookError::Contention(self.table.clone()))
    }
}

/// How old what is known of a book may be.
pub(crate) const FRESH: Duration = Duration::from_millis(250);

/// What a book says now, as far as this process knows: never older than [`FRESH`].
///
/// Any process that can write the lake changes it, and every server honours that within a second. When the table cannot
/// be read, nothing is known: what is stale would open doors that were closed.
#[derive(Debug)]
pub(crate) struct Fresh<Row, Made> {
    book: Book<Row>,
    made: fn(&[Row]) -> Made,
    /// Held while the table is read, so that it is read once for all who wait.
    known: Mutex<Option<Known<Made>>>,
}

#[derive(Debug)]
struct Known<Made> {
    as_of: Instant,
    version: i64,
    made: Arc<Made>,
}

impl<Row: Serialize + DeserializeOwned, Made> Fresh<Row, Made> {
    /// `made` of all rows in the order of recording.
    pub(crate) fn new(book: Book<Row>, made: fn(&[Row]) -> Made) -> Self {
        Self { book, made, known: Mutex::default() }
    }

    pub(crate) async fn get(&self) -> Result<Arc<Made>, BookError> {
        let mut known = self.known.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.as_of.elapsed() < FRESH) {
            return Ok(Arc::clone(&known.made));
        }
        self.read(&mut known).await
    }

    /// The same, read again for something that is not among what is known: it may have been recorded a moment ago.
    pub(crate) async fn get_now(&self) -> Result<Arc<Made>, BookError> {
        self.read(&mut *self.known.lock().await).await
    }

    async fn read(&self, known: &mut Option<Known<Made>>) -> Result<Arc<Made>, BookError> {
        let before = known.take();
        // Asked before the table is: what is committed after it must not count as known.
        let as_of = Instant::now();
        let table = self.book.table().await?;
        let version = table.version();
        let made = match before.filter(|known| known.version == version) {
            Some(known) => known.made,
            None => Arc::new((self.made)(&self.book.rows_in(&table).await?)),
        };
        *known = Some(Known { as_of, version, made: Arc::clone(&made) });
        Ok(made)
    }
}
