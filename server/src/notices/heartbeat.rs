//! The heartbeat: "alive, and caught up to T", so that somebody else can be alarmed by its absence.
//!
//! It says that all of it works, and not that a process runs: while events come in late, or are not judged, there is none.

use std::time::Duration;

use credwatch_detectors::{EngineError, InForce, Reached, detectors_in_force, detectors_unread};
use credwatch_lake::Lake;
use credwatch_schemas::time::{MINUTE, Micros};
use serde::Serialize;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::channel::Channel;
use super::message::clock;
use super::status::Notifications;
use crate::access::Clock;
use crate::book::BookError;
use crate::causes::chain;
use crate::delivering::Undelivered;
use crate::outbox::{Number, Outbox, Recorded};

/// What arrives later than this is late: the watermark lies so far behind the clocks.
const LATENESS: i64 = 15 * MINUTE;
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
const SENT_WITHIN: Duration = Duration::from_secs(25);

/// A heartbeat that is ready to be sent.
#[derive(Debug)]
pub(super) struct Beating {
    pub(super) name: String,
    pub(super) channel: Channel,
    /// Microseconds.
    pub(super) every: i64,
    pub(super) behind_at_most: i64,
}

impl Beating {
    pub(super) fn test(&self, now: Micros) -> Alive {
        Alive { name: self.name.clone(), time: now, caught_up_to: now, detectors: 0 }
    }
}

/// What a heartbeat says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Alive {
    pub(super) name: String,
    pub(super) time: Micros,
    /// Event time up to which everything is there and judged.
    pub(super) caught_up_to: Micros,
    /// Detectors that judge.
    pub(super) detectors: usize,
}

impl Alive {
    pub(super) fn id(&self) -> String {
        format!("beat-{}-{}", self.name, self.time.0)
    }

    pub(super) fn text(&self) -> String {
        format!("credwatch is alive: {} detectors have caught up to {}", self.detectors, clock(self.caught_up_to))
    }
}

#[derive(Debug, Error)]
enum Silent {
    #[error("no clock says how far events have come: nothing is read from Kafka into this lake")]
    NoClock,
    #[error("nothing is judged: the lake has no detectors in force")]
    NoDetectors,
    #[error("this program cannot read the file of {0}, which is in force")]
    Unread(String),
    #[error("{0} has judged nothing yet")]
    NotJudged(String),
    #[error("{0} does not get on: it has not judged what came before the last look")]
    Stuck(String),
    #[error("it is caught up to {0} only")]
    Behind(Micros),
    #[error("{0}")]
    Undelivered(Undelivered),
    #[error("the lake cannot be read or written: {0}")]
    Lake(String),
}

/// Beats until it is told to stop. Of several servers with the same heartbeat one sends each.
pub(super) async fn beat(beating: Beating, lake: Lake, board: Notifications, clock: Clock, stop: CancellationToken) {
    let mut outbox = Outbox::new(lake.clone(), &beating.name);
    while !stop.is_cancelled() {
        match step(&beating, &lake, &mut outbox, clock).await {
            Ok(false) => {}
            Ok(true) => board.sent(&beating.name, 1, clock()),
            Err(silent) => board.failing(&beating.name, Some(silent.to_string())),
        }
        tokio::time::timeout(BETWEEN_LOOKS, stop.cancelled()).await.unwrap_or_default();
    }
}

/// Whether one was sent.
async fn step(beating: &Beating, lake: &Lake, outbox: &mut Outbox, clock: Clock) -> Result<bool, Silent> {
    let now = clock();
    outbox.refresh(now).await?;
    let last = outbox.number(Number::Beat);
    if last.is_some_and(|last| now.0 - last < beating.every && last <= now.0) {
        return Ok(false);
    }
    if outbox.record_number(Number::Beat, last, now.0, now).await? == Recorded::Overtaken {
        return Ok(false);
    }
    let snapshot = lake.snapshot().await.map_err(|error| Silent::Lake(chain(&error)))?;
    if let Some(id) = detectors_unread(&snapshot, now).await?.first() {
        return Err(Silent::Unread(id.to_string()));
    }
    let detectors = detectors_in_force(&snapshot, now).await?;
    let seen = outbox.number(Number::Seen);
    let _whoever_was_first = outbox.record_number(Number::Seen, seen, snapshot.highest_seq(), now).await?;
    let caught_up_to = caught_up(snapshot.watermark(LATENESS), &detectors, seen)?;
    if now.0 - caught_up_to.0 > beating.behind_at_most {
        return Err(Silent::Behind(caught_up_to));
    }
    let alive = Alive { name: beating.name.clone(), time: now, caught_up_to, detectors: detectors.len() };
    let late = |_| Err(Undelivered::from("it did not answer in time".to_owned()));
    let beaten = tokio::time::timeout(SENT_WITHIN, beating.channel.beat(&alive)).await;
    beaten.unwrap_or_else(late).map_err(Silent::Undelivered)?;
    Ok(true)
}

/// The earliest of what ingest and every detector have come to. `seen` is the highest `seq` at the last look: who has not
/// judged that is stuck.
fn caught_up(watermark: Option<Micros>, detectors: &[InForce], seen: Option<i64>) -> Result<Micros, Silent> {
    let mut least = watermark.ok_or(Silent::NoClock)?;
    if detectors.is_empty() {
        return Err(Silent::NoDetectors);
    }
    for detector in detectors {
        match detector.window {
            Some(Reached::Nothing) => return Err(Silent::NotJudged(detector.id.to_string())),
            // Before its next window is over there is nothing to judge.
            Some(Reached::Until(until))
                if watermark.is_some_and(|now| until.plus(detector.every.unwrap_or(0)) > now) => {}
            Some(Reached::Until(until)) => least = least.min(until),
            None => {}
        }
        if seen.is_some_and(|seen| detector.data_seq < seen) {
            return Err(Silent::Stuck(detector.id.to_string()));
        }
    }
    Ok(least)
}

impl From<BookError> for Silent {
    fn from(error: BookError) -> Self {
        Self::Lake(chain(&error))
    }
}

impl From<EngineError> for Silent {
    fn from(error: EngineError) -> Self {
        Self::Lake(chain(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::in_force;

    fn detector(data_seq: i64, window: Option<Reached>) -> InForce {
        InForce { data_seq, window, every: Some(2), ..in_force("d") }
    }

    #[test]
    fn it_is_caught_up_to_where_the_last_of_all_is() {
        let (eager, windowed) = (detector(7, None), detector(7, Some(Reached::Until(Micros(5)))));
        let time = |watermark, seen| caught_up(watermark, &[eager.clone(), windowed.clone()], seen).ok();
        assert_eq!(time(Some(Micros(9)), Some(7)), Some(Micros(5)));
        assert_eq!(time(Some(Micros(3)), None), Some(Micros(3)));
        assert_eq!(time(Some(Micros(6)), None), Some(Micros(6)), "its next window is not over");
        assert_eq!(time(None, None), None, "without a clock nobody knows");
        assert_eq!(time(Some(Micros(9)), Some(8)), None, "what came before the last look is not judged");
    }

    #[test]
    fn who_has_judged_nothing_is_not_alive() {
        let watermark = Some(Micros(9));
        assert!(matches!(caught_up(watermark, &[], None), Err(Silent::NoDetectors)));
        let nothing = [detector(0, Some(Reached::Nothing))];
        assert!(matches!(caught_up(watermark, &nothing, None), Err(Silent::NotJudged(_))));
    }
}
