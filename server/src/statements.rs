//! Statements that run in this process, and those that lately ended: how far each is, how it ended, and how to stop it.
//!
//! The one who asked may name a statement, so that it can be stopped before its answer has begun. What is known is
//! bounded: the oldest that has ended is forgotten first. Another server over the same lake knows nothing of them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use credwatch_query::Ground;
use serde::Serialize;
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::problem::Problem;

/// Statements that may run at once; one more is refused rather than queued. Each may use the whole memory limit.
pub(crate) const AT_ONCE: usize = 4;
/// Statements of one owner that may wait for a place.
const MOST_WAITING: usize = 16;
/// Ended ones that are remembered.
const MOST_REMEMBERED: usize = 1_000;

const LONGEST_ERROR: usize = 1_024;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Statements {
    turns: Arc<Semaphore>,
    waiting: Arc<Mutex<HashMap<String, usize>>>,
    known: Arc<Mutex<VecDeque<Arc<Statement>>>>,
}

/// One statement, running or ended.
#[derive(Debug)]
struct Statement {
    id: String,
    owner: String,
    begun: Instant,
    cancel: CancellationToken,
    progress: Mutex<Progress>,
}

#[derive(Debug, Clone, Default)]
struct Progress {
    rows: usize,
    bytes_scanned: u64,
    ended: Option<(Ended, Duration)>,
}

/// How a statement ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    Finished,
    /// What the one who asked is told.
    Failed(String),
    /// Somebody stopped it, or nobody waited for the answer any more.
    Cancelled,
}

/// What the one who asked can learn about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = StatementReport)]
pub(crate) struct Report {
    query_id: String,
    /// `running`, `finished`, `failed` or `cancelled`.
    state: &'static str,
    /// Rows that were handed out.
    rows: usize,
    /// Bytes of files that were read.
    bytes_scanned: u64,
    elapsed_ms: u64,
    error: Option<String>,
}

/// A statement's place among those that run. When it is dropped the statement has ended, however that came.
#[derive(Debug)]
pub(crate) struct Turn {
    statement: Arc<Statement>,
    place: Arc<OwnedSemaphorePermit>,
}

/// Why a statement may not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotNow {
    TooMany,
    /// Another statement of theirs of that name runs.
    Taken,
}

impl Default for Statements {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), waiting: Arc::default(), known: Arc::default() }
    }
}

impl Statements {
    pub(crate) fn begin(&self, id: String, owner: String) -> Result<Turn, NotNow> {
        let place = Arc::clone(&self.turns).try_acquire_owned().map_err(|_| NotNow::TooMany)?;
        self.begin_in(place, id, owner)
    }

    /// The same for who has one statement at a time and can wait for a place.
    pub(crate) async fn wait(&self, id: String, owner: String, at_most: Duration) -> Result<Turn, NotNow> {
        let place = tokio::time::timeout(at_most, Arc::clone(&self.turns).acquire_owned()).await;
        let place = place.map_err(|_| NotNow::TooMany)?.map_err(|_| NotNow::TooMany)?;
        self.begin_in(place, id, owner)
    }

    /// The same for who may ask many things at once: few of one owner's statements wait, so that others come to theirs.
    pub(crate) async fn wait_among_few(&self, id: String, owner: String, at_most: Duration) -> Result<Turn, NotNow> {
        let _waiting = Waiting::of(&self.waiting, &owner)?;
        self.wait(id, owner, at_most).await
    }

    fn begin_in(&self, place: OwnedSemaphorePermit, id: String, owner: String) -> Result<Turn, NotNow> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.iter().any(|one| one.id == id && one.owner == owner && one.is_running()) {
            return Err(NotNow::Taken);
        }
        known.retain(|one| one.id != id || one.owner != owner);
        if known.len() >= MOST_REMEMBERED + AT_ONCE
            && let Some(oldest) = known.iter().position(|one| !one.is_running())
        {
            known.remove(oldest);
        }
        let (cancel, progress) = (CancellationToken::new(), Mutex::default());
        let statement = Arc::new(Statement { id, owner, begun: Instant::now(), cancel, progress });
        known.push_back(Arc::clone(&statement));
        Ok(Turn { statement, place: Arc::new(place) })
    }

    /// What is known of a statement that this owner began; `None` also where it is another's.
    pub(crate) fn report(&self, id: &str, owner: &str) -> Option<Report> {
        self.find(id, owner).map(|statement| statement.report())
    }

    /// Stops it, if it still runs.
    pub(crate) fn cancel(&self, id: &str, owner: &str) -> Option<Report> {
        let statement = self.find(id, owner)?;
        statement.cancel.cancel();
        statement.end(Ended::Cancelled);
        Some(statement.report())
    }

    #[cfg(test)]
    pub(crate) fn running(&self) -> usize {
        AT_ONCE - self.turns.available_permits()
    }

    fn find(&self, id: &str, owner: &str) -> Option<Arc<Statement>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|one| one.id == id && one.owner == owner).cloned()
    }
}

/// Threads that read files for statements.
const READING_THREADS: usize = 16;

/// Statements have threads of their own: one that computes and computes must not keep everybody waiting who asks for
/// something else. One thread more than statements, so that those that wait are heard.
static THREADS: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(AT_ONCE + 1).max_blocking_threads(READING_THREADS);
    builder.thread_name("statement").enable_all().build()
});

/// One statement that waits for its place, as long as this is held.
struct Waiting {
    all: Arc<Mutex<HashMap<String, usize>>>,
    owner: String,
}

impl Waiting {
    fn of(all: &Arc<Mutex<HashMap<String, usize>>>, owner: &str) -> Result<Self, NotNow> {
        let mut waiting = all.lock().unwrap_or_else(PoisonError::into_inner);
        let of_owner = waiting.entry(owner.to_owned()).or_default();
        if *of_owner >= MOST_WAITING {
            return Err(NotNow::TooMany);
        }
        *of_owner += 1;
        Ok(Self { all: Arc::clone(all), owner: owner.to_owned() })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut of_owner) = waiting.entry(std::mem::take(&mut self.owner)) {
            *of_owner.get_mut() -= 1;
            if *of_owner.get() == 0 {
                of_owner.remove();
            }
        }
    }
}

impl Turn {
    /// Where the statement runs. Its place is taken until it has really ended there.
    pub(crate) fn ground(&self) -> Result<Ground, Problem> {
        let threads = THREADS.as_ref().map_err(|error| Problem::internal("starting threads for statements", error))?;
        let place: Arc<OwnedSemaphorePermit> = Arc::clone(&self.place);
        Ok(Ground::new(threads.handle().clone(), place))
    }

    pub(crate) fn id(&self) -> &str {
        &self.statement.id
    }

    /// Cancelled when somebody stops it.
    pub(crate) fn stopped(&self) -> CancellationToken {
        self.statement.cancel.clone()
    }

    pub(crate) fn handed_out(&self, rows: usize, bytes_scanned: u64) {
        let mut progress = self.statement.progress.lock().unwrap_or_else(PoisonError::into_inner);
        (progress.rows, progress.bytes_scanned) = (rows, bytes_scanned);
    }

    /// The first end counts.
    pub(crate) fn end(&self, ended: Ended) {
        self.statement.end(ended);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.statement.end(Ended::Cancelled);
    }
}

impl Statement {
    fn is_running(&self) -> bool {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).ended.is_none()
    }

    fn end(&self, mut ended: Ended) {
        if let Ended::Failed(why) = &mut ended {
            why.truncate(why.floor_char_boundary(LONGEST_ERROR));
        }
        let took = self.begun.elapsed();
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).ended.get_or_insert((ended, took));
    }

    fn report(&self) -> Report {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (state, error, took) = match progress.ended {
            None => ("running", None, self.begun.elapsed()),
            Some((Ended::Finished, took)) => ("finished", None, took),
            Some((Ended::Cancelled, took)) => ("cancelled", None, took),
            Some((Ended::Failed(why), took)) => ("failed", Some(why), took),
        };
        Report {
            query_id: self.id.clone(),
            state,
            rows: progress.rows,
            bytes_scanned: progress.bytes_scanned,
            elapsed_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(statements: &Statements, id: &str) -> Option<&'static str> {
        statements.report(id, "key:a").map(|report| report.state)
    }

    #[test]
    fn a_statement_runs_until_its_turn_is_over_and_then_says_how_it_ended() {
        let statements = Statements::default();
        let turn = statements.begin("q1".into(), "key:a".into()).unwrap();
        assert_eq!(state(&statements, "q1"), Some("running"));
        turn.handed_out(7, 100);
        turn.end(Ended::Finished);
        drop(turn);
        let report = statements.report("q1", "key:a").unwrap();
        assert_eq!((report.state, report.rows, report.bytes_scanned), ("finished", 7, 100));
        drop(statements.begin("q2".into(), "key:a".into()).unwrap());
        assert_eq!(state(&statements, "q2"), Some("cancelled"), "nobody waited for it");
    }

    #[tokio::test]
    async fn who_began_it_can_stop_it_and_nobody_else_knows_of_it() {
        let statements = Statements::default();
        let turn = statements.begin("q1".into(), "key:a".into()).unwrap();
        assert_eq!(statements.cancel("q1", "key:b"), None);
        assert_eq!(statements.report("q1", "key:b"), None);
        assert_eq!(statements.cancel("q1", "key:a").map(|report| report.state), Some("cancelled"));
        turn.stopped().cancelled().await;
        turn.end(Ended::Finished);
        assert_eq!(state(&statements, "q1"), Some("cancelled"), "the first end counts");
    }

    #[test]
    fn one_too_many_is_refused_and_a_name_is_used_by_one_at_a_time() {
        let statements = Statements::default();
        let turns: Vec<Turn> =
            (0..AT_ONCE).map(|number| statements.begin(number.to_string(), "key:a".into()).unwrap()).collect();
        assert_eq!(statements.begin("more".into(), "key:a".into()).err(), Some(NotNow::TooMany));
        drop(turns);
        let _turn = statements.begin("q".into(), "key:a".into()).unwrap();
        assert_eq!(statements.begin("q".into(), "key:a".into()).err(), Some(NotNow::Taken));
        assert!(statements.begin("q".into(), "key:b".into()).is_ok(), "names are each one's own");
    }

    #[tokio::test]
    async fn one_owner_has_only_so_many_that_wait_and_others_may_wait_too() {
        let (statements, long) = (Statements::default(), Duration::from_secs(600));
        let turns: Vec<Turn> =
            (0..AT_ONCE).map(|number| statements.begin(number.to_string(), "key:a".into()).unwrap()).collect();
        let mut waiting = tokio::task::JoinSet::new();
        for number in 0..MOST_WAITING {
            let statements = statements.clone();
            waiting.spawn(async move {
                statements.wait_among_few(format!("w{number}"), "key:a".into(), long).await.map(drop)
            });
        }
        while statements.waiting.lock().unwrap().get("key:a") != Some(&MOST_WAITING) {
            tokio::task::yield_now().await;
        }
        assert_eq!(statements.wait_among_few("more".into(), "key:a".into(), long).await.err(), Some(NotNow::TooMany));
        let other = statements.clone();
        let other = tokio::spawn(async move { other.wait_among_few("q".into(), "key:b".into(), long).await.map(drop) });
        drop(turns);
        assert!(waiting.join_all().await.iter().all(Result::is_ok) && other.await.unwrap().is_ok());
        assert!(statements.waiting.lock().unwrap().is_empty());
    }

    #[test]
    fn the_oldest_that_has_ended_is_forgotten_first() {
        let statements = Statements::default();
        let running = statements.begin("running".into(), "key:a".into()).unwrap();
        for number in 0..2 * MOST_REMEMBERED {
            drop(statements.begin(number.to_string(), "key:a".into()).unwrap());
        }
        assert_eq!(state(&statements, "running"), Some("running"));
        assert_eq!(state(&statements, "0"), None);
        assert_eq!(state(&statements, &(2 * MOST_REMEMBERED - 1).to_string()), Some("cancelled"));
        assert!(statements.known.lock().unwrap().len() <= MOST_REMEMBERED + AT_ONCE);
        drop(running);
    }
}
