//! From a sink's place to the next one, for ever: read a page, have it taken, move the place.

use std::time::Duration;

use credwatch_export::Vocabulary;
use credwatch_lake::{Lake, LakeError, LakeSnapshot};
use credwatch_query::TenantScope;
use credwatch_schemas::time::Micros;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::config::Start;
use super::destination::{Batch, To};
use super::place::{Kept, Place, Skipped};
use super::status::Sinks;
use crate::access::Clock;
use crate::delivering::{Undelivered, pause};
use crate::problem::Problem;
use crate::pull::{Buffer, Filter, Page, Retention, Stream, Wish, highest_seq, retention};

/// Rows of one batch; the bytes of one are bounded by the page.
const MOST_ROWS: usize = 1_000;
/// Between two looks for something new.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// A sink that is ready to be forwarded to.
#[derive(Debug)]
pub struct Forwarder {
    pub(super) name: String,
    pub(super) stream: Stream,
    pub(super) scope: TenantScope,
    pub(super) vocabulary: Vocabulary,
    pub(super) start: Start,
    pub(super) to: To,
}

#[derive(Debug, Error)]
enum Stopped {
    #[error("{0}")]
    Undelivered(Undelivered),
    #[error("the lake cannot be read or written at this moment")]
    Lake,
    #[error("another server moves this sink's place too; it goes on from there")]
    Overtaken,
}

/// Forwards until it is told to stop. What was read and not taken by then is read again by the next who starts.
pub async fn forward(forwarder: Forwarder, lake: Lake, sinks: Sinks, clock: Clock, stop: CancellationToken) {
    let kept = Kept::of(&forwarder.name, forwarder.stream, &forwarder.scope);
    let mut walk = Walking {
        forwarder: &forwarder,
        lake,
        kept,
        buffer: Buffer::default(),
        sinks,
        clock,
        size: MOST_ROWS,
        again: None,
    };
    let mut failures = 0;
    loop {
        let step = tokio::select! {
            step = walk.step() => step,
            () = stop.cancelled() => return,
        };
        let pause = match &step {
            Ok(true) => Duration::ZERO,
            Ok(false) => BETWEEN_LOOKS,
            Err(why) => pause(failures, asked(why)),
        };
        failures = if step.is_ok() { 0 } else { failures + 1 };
        walk.tell(step.err());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// As long as the other side asks for, where it does.
fn asked(why: &Stopped) -> Option<Duration> {
    match why {
        Stopped::Undelivered(undelivered) => undelivered.after,
        Stopped::Lake | Stopped::Overtaken => None,
    }
}

/// One sink's way through its stream.
struct Walking<'a> {
    forwarder: &'a Forwarder,
    lake: Lake,
    kept: Kept,
    buffer: Buffer,
    sinks: Sinks,
    clock: Clock,
    /// Rows of a batch: fewer after a failure, which may be one of size.
    size: usize,
    /// How far the batch went that was not taken: the same rows are sent again, so that a receiver can tell.
    again: Option<i64>,
}

impl Walking<'_> {
    /// Whether there may be more at once.
    async fn step(&mut self) -> Result<bool, Stopped> {
        let snapshot = self.lake.snapshot().await.map_err(|error| away(&error))?;
        let head = highest_seq(&snapshot, self.forwarder.stream);
        let stands = self.stands(&snapshot, head).await?;
        self.note(stands, head, 0);
        let page = self.page(&snapshot, stands.position, self.again.unwrap_or(head).min(head)).await?;
        if page.position == stands.position {
            return Ok(false);
        }
        let (to, has_more) = (Place { position: page.position, ..stands }, page.has_more || page.position < head);
        let rows = self.deliver(page, stands.position).await?;
        self.move_to(stands, to).await?;
        metrics::counter!("credwatch_sink_rows_total", "sink" => self.forwarder.name.clone()).increment(rows);
        self.note(to, head, rows);
        Ok(has_more)
    }

    /// Where the sink stands, kept before anything is sent: also where it begins, and what it can no longer be sent.
    async fn stands(&self, snapshot: &LakeSnapshot, head: i64) -> Result<Place, Stopped> {
        let retention = retention(snapshot, self.forwarder.stream);
        let Some(place) = self.kept.read(snapshot) else {
            let missing = retention.map_or(0, |retention| retention.missing);
            let position = if self.forwarder.start == Start::Now { head } else { 0 };
            self.move_from(None, Place { position, missing }).await?;
            return Ok(Place { position, missing });
        };
        match retention {
            _ if place.position > head => self.put_back(place, head).await,
            Some(now) if now.missing != place.missing => self.past_what_is_gone(place, &now).await,
            // Also where a file says nothing of itself: what is not known is not "none".
            Some(_) | None => Ok(place),
        }
    }

    /// The lake was put back to before this place: what comes now gets numbers that count as sent, and was not.
    async fn put_back(&self, place: Place, head: i64) -> Result<Place, Stopped> {
        let (name, now) = (&self.forwarder.name, Place { position: head, ..place });
        self.move_to(place, now).await?;
        let was = place.position;
        tracing::error!(
            sink = name,
            was,
            now = head,
            "the stream ends before this sink's place: it goes on from the end"
        );
        metrics::counter!("credwatch_sink_put_back_total", "sink" => name.clone()).increment(1);
        Ok(now)
    }

    /// What was removed since the last look is counted once.
    async fn past_what_is_gone(&self, place: Place, retention: &Retention) -> Result<Place, Stopped> {
        let (name, now) = (&self.forwarder.name, Place { missing: retention.missing, ..place });
        self.move_to(place, now).await?;
        if retention.has_lost(place.position, place.missing) {
            let gone = retention.missing - place.missing;
            tracing::error!(sink = name, gone, "up to so many rows were removed before this sink had taken them");
            metrics::counter!("credwatch_sink_rows_gone_total", "sink" => name.clone())
                .increment(u64::try_from(gone).unwrap_or(0));
        }
        Ok(now)
    }

    async fn page(&self, snapshot: &LakeSnapshot, from: i64, head: i64) -> Result<Page, Stopped> {
        let forwarder = self.forwarder;
        let wish =
            Wish::new(forwarder.stream, forwarder.scope.clone(), Filter::default(), forwarder.vocabulary, self.size);
        let wish = Wish { wrap: forwarder.to.wrap(), ..wish };
        wish.page(&self.buffer, snapshot, from, head).await.map_err(|problem| unread(&problem))
    }

    /// How many rows were taken.
    async fn deliver(&mut self, page: Page, from: i64) -> Result<u64, Stopped> {
        let rows = page.items.len();
        if rows == 0 {
            return Ok(0);
        }
        let forwarder = self.forwarder;
        let batch =
            Batch { name: forwarder.name.clone(), stream: forwarder.stream, from, to: page.position, rows: page.items };
        match forwarder.to.deliver(&batch).await {
            Ok(()) => {
                (self.size, self.again) = ((self.size * 2).min(MOST_ROWS), None);
                Ok(rows as u64)
            }
            Err(why) => {
                // The first time the same rows are sent once more; what fails again may be too much at once.
                let is_second = self.again == Some(batch.to);
                (self.size, self.again) =
                    if is_second { ((rows / 2).max(1), None) } else { (self.size, Some(batch.to)) };
                Err(Stopped::Undelivered(why))
            }
        }
    }

    async fn move_to(&self, from: Place, to: Place) -> Result<(), Stopped> {
        self.move_from(Some(from), to).await
    }

    async fn move_from(&self, from: Option<Place>, to: Place) -> Result<(), Stopped> {
        let moved = self.kept.move_to(&self.lake, from, to, (self.clock)()).await;
        if moved.map_err(|error| away(&error))? { Ok(()) } else { Err(Stopped::Overtaken) }
    }

    fn note(&self, place: Place, head: i64, rows: u64) {
        self.sinks.write(&self.forwarder.name, |status| {
            status.position = place.position;
            status.behind_at_most = (head - place.position).max(0);
            status.delivered += rows;
            status.last_delivered_time = if rows > 0 { Some((self.clock)()) } else { status.last_delivered_time };
        });
    }

    fn tell(&self, why: Option<Stopped>) {
        let (name, why) = (&self.forwarder.name, why.map(|why| why.to_string()));
        self.sinks.write(name, |status| {
            if let Some(why) = why.as_ref().filter(|_| status.failing != why) {
                tracing::warn!(sink = name, why, "a sink does not go on");
            }
            status.failing = why.clone();
        });
        if why.is_some() {
            metrics::counter!("credwatch_sink_failures_total", "sink" => name.clone()).increment(1);
        }
    }
}

impl Forwarder {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends one made-up row, and says whether it was taken. No place is moved.
    pub async fn test(&self, now: Micros) -> Result<(), String> {
        let batch = Batch::of_a_test(&self.name, self.vocabulary, self.to.wrap(), now);
        self.to.deliver(&batch.map_err(|error| error.to_string())?).await.map_err(|why| why.to_string())
    }

    /// Leaves out every row up to this `seq`, for good: for one that the other side will never take.
    pub async fn skip(&self, lake: &Lake, to: i64, now: Micros) -> Result<Skipped, LakeError> {
        let kept = Kept::of(&self.name, self.stream, &self.scope);
        loop {
            let snapshot = lake.snapshot().await?;
            let (stands, head) = (kept.read(&snapshot), highest_seq(&snapshot, self.stream));
            let missing = retention(&snapshot, self.stream).unwrap_or_default().missing;
            let from = stands.map_or(0, |place| place.position);
            match to {
                to if to > head => return Ok(Skipped::Beyond(head)),
                to if to <= from => return Ok(Skipped::Nothing(from)),
                to if kept.move_to(lake, stands, Place { position: to, missing }, now).await? => {
                    return Ok(Skipped::Left(from + 1, to));
                }
                _ => {}
            }
        }
    }
}

fn away(error: &dyn std::error::Error) -> Stopped {
    tracing::error!(%error, "forwarding");
    Stopped::Lake
}

/// The problem has been logged where it arose.
fn unread(_problem: &Problem) -> Stopped {
    Stopped::Lake
}
