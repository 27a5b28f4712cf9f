//! Sending what an outbox holds, one message after the other, by whoever has the turn.
//!
//! Messages of one thread are sent in their order; threads with a critical one come first; a message that the other side
//! will not take holds nobody else up.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use async_trait::async_trait;
use credwatch_lake::fail_point::reach;
use credwatch_schemas::finding::Severity;
use credwatch_schemas::notice::Notice;
use credwatch_schemas::time::Micros;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::turn::{Before, FREE, RENEWED_AFTER, Turn};
use super::{Number, Outbox, Recorded, Unsent};
use crate::access::Clock;
use crate::book::BookError;
use crate::delivering::{Blames, Undelivered, pause};

/// An attempt is cut off after this long: mail servers look at a letter before they take it.
const SENT_WITHIN: Duration = Duration::from_secs(120);
/// No message is begun later than this in a round.
const MOST_OF_A_ROUND: Duration = Duration::from_secs(5);
/// After so many failures one after the other the receiver is left alone for a while.
const FAILURES_IN_A_ROW: u32 = 3;

/// Whoever takes a message to its receiver.
#[async_trait]
pub(crate) trait Carrier: Send + Sync {
    /// `Ok` once the other side has it.
    async fn carry(&self, unsent: &Unsent) -> Result<(), Undelivered>;
}

/// What came of one round.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) taken: u64,
    pub(crate) failed: u64,
    /// Why messages are left.
    pub(crate) failing: Option<String>,
}

/// What one process remembers between two rounds. It may be lost at any time.
#[derive(Debug, Default)]
pub(crate) struct Sender {
    turn: Turn,
    tries: BTreeMap<String, Tries>,
    /// The receiver as a whole.
    receiver: Tries,
    /// Taken by the other side, and not recorded as sent yet.
    taken: BTreeSet<String>,
}

#[derive(Debug, Clone, Default)]
struct Tries {
    failures: u32,
    not_before: Option<Instant>,
    why: Option<String>,
}

impl Tries {
    fn may(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|time| now >= time)
    }
}

impl Sender {
    /// Sends whatever is due, as long as it is this process's turn. A round ends soon, so that what is new is not kept waiting.
    pub(crate) async fn send(
        &mut self,
        outbox: &mut Outbox,
        carrier: &dyn Carrier,
        clock: Clock,
        stop: &CancellationToken,
    ) -> Result<Sent, BookError> {
        let (mut sent, mut blocked, begun) = (Sent::default(), BTreeSet::new(), Instant::now());
        self.tries.retain(|id, _| outbox.unsent().any(|one| one.notice_id == *id));
        self.taken.retain(|id| outbox.unsent().any(|one| one.notice_id == *id));
        for one in in_order(outbox) {
            if stop.is_cancelled() || begun.elapsed() > MOST_OF_A_ROUND {
                break;
            }
            // Within a thread nothing overtakes what could not be sent.
            if blocked.contains(&one.thread) || !self.may(&one) {
                blocked.extend(one.thread.is_some().then(|| one.thread.clone()));
                continue;
            }
            if !self.has_turn(outbox, clock).await? {
                break;
            }
            // Whoever had the turn before may have sent it.
            if !outbox.unsent().any(|still| still.notice_id == one.notice_id) {
                continue;
            }
            match self.carried(outbox, carrier, &one, clock).await {
                Ok(()) => {
                    self.recorded(outbox, &one, clock()).await?;
                    sent.taken += 1;
                }
                Err(why) => {
                    self.failed(&one, &why);
                    blocked.extend(one.thread.is_some().then(|| one.thread.clone()));
                    sent.failed += 1;
                }
            }
        }
        self.give_back(outbox, clock()).await?;
        sent.failing = self.why(outbox);
        Ok(sent)
    }

    fn may(&self, one: &Unsent) -> bool {
        let now = Instant::now();
        self.receiver.may(now) && self.tries.get(&one.notice_id).is_none_or(|tries| tries.may(now))
    }

    /// What was taken and could not be recorded is not sent again.
    async fn carried(
        &mut self,
        outbox: &Outbox,
        carrier: &dyn Carrier,
        one: &Unsent,
        clock: Clock,
    ) -> Result<(), Undelivered> {
        if self.taken.contains(&one.notice_id) {
            return Ok(());
        }
        let late = || Err(Undelivered::from(format!("it did not answer within {} s", SENT_WITHIN.as_secs())));
        let carried = tokio::select! {
            carried = timeout(SENT_WITHIN, carrier.carry(one)) => carried.unwrap_or_else(|_| late()),
            // It ends only when the turn is lost, and then the message is under way all the same.
            never = self.turn.kept(outbox, clock) => match never {},
        };
        if carried.is_ok() {
            self.receiver = Tries::default();
            self.taken.insert(one.notice_id.clone());
        }
        carried
    }

    async fn recorded(&mut self, outbox: &mut Outbox, one: &Unsent, now: Micros) -> Result<(), BookError> {
        reach("outbox-sent");
        outbox.took(one, now).await?;
        reach("outbox-recorded");
        self.taken.remove(&one.notice_id);
        Ok(())
    }

    fn failed(&mut self, one: &Unsent, why: &Undelivered) {
        let now = Instant::now();
        let tries = self.tries.entry(one.notice_id.clone()).or_default();
        tries.not_before = Some(now + pause(tries.failures, why.after));
        tries.failures += 1;
        tries.why = Some(why.why.clone());
        if why.blames == Blames::Message {
            return;
        }
        self.receiver.failures += 1;
        // Who asks for a pause means all that is sent.
        if self.receiver.failures >= FAILURES_IN_A_ROW || why.after.is_some() {
            let rounds = self.receiver.failures / FAILURES_IN_A_ROW;
            self.receiver.not_before = Some(now + pause(rounds, why.after));
        }
    }

    fn why(&self, outbox: &Outbox) -> Option<String> {
        let mut left = outbox.unsent().filter_map(|one| self.tries.get(&one.notice_id));
        left.find_map(|tries| tries.why.clone())
    }

    async fn has_turn(&mut self, outbox: &mut Outbox, clock: Clock) -> Result<bool, BookError> {
        let since = Instant::now();
        outbox.look_again(clock()).await?;
        match self.turn.before(outbox.number(Number::Turn), since) {
            Before::Nothing => Ok(true),
            Before::Wait => Ok(false),
            Before::Take(from) => {
                // A number that was never there before.
                let mine = clock().0.max(from.unwrap_or(FREE) + 1);
                self.turn.asks_for(mine);
                let taken =
                    outbox.record(Vec::new(), &[(Number::Turn, from)], &[(Number::Turn, mine)], clock()).await?;
                if taken == Recorded::Done {
                    self.turn.taken(mine, since);
                }
                outbox.look_again(clock()).await?;
                Ok(taken == Recorded::Done && outbox.number(Number::Turn) == Some(mine))
            }
        }
    }

    async fn give_back(&mut self, outbox: &mut Outbox, now: Micros) -> Result<(), BookError> {
        let Some(mine) = self.turn.number() else { return Ok(()) };
        // Who has taken it meanwhile keeps it.
        let given = outbox.record(Vec::new(), &[(Number::Turn, Some(mine))], &[(Number::Turn, FREE)], now).await?;
        self.turn.is_over();
        if given == Recorded::Overtaken {
            tracing::warn!(route = outbox.route, "another server took over sending: this one was away for too long");
        }
        Ok(())
    }
}

/// Threads with something critical first, each in its own order; then what has failed less often is not held up by what has.
fn in_order(outbox: &Outbox) -> Vec<Unsent> {
    let is_urgent = |one: &Unsent| one.severity == Some(Severity::Critical);
    let urgent: BTreeSet<_> = outbox.unsent().filter(|one| is_urgent(one)).map(|one| &one.thread).collect();
    let mut all: Vec<Unsent> = outbox.unsent().cloned().collect();
    all.sort_by_key(|one| !(is_urgent(one) || one.thread.is_some() && urgent.contains(&one.thread)));
    all
}

impl Turn {
    /// Takes it anew, again and again, while a message is under way.
    async fn kept(&mut self, outbox: &Outbox, clock: Clock) -> Infallible {
        loop {
            tokio::time::sleep(RENEWED_AFTER).await;
            let Some(mine) = self.number() else { continue };
            let (since, next) = (Instant::now(), clock().0.max(mine + 1));
            self.asks_for(next);
            let renewed =
                outbox.record(Vec::new(), &[(Number::Turn, Some(mine))], &[(Number::Turn, next)], clock()).await;
            if matches!(renewed, Ok(Recorded::Done)) {
                self.taken(next, since);
            }
        }
    }
}

impl Outbox {
    /// Records that a message was taken: that is so, whoever has the turn by now.
    async fn took(&mut self, one: &Unsent, now: Micros) -> Result<(), BookError> {
        let row = self.row(Notice::Sent, &one.notice_id, now);
        self.book.record(&row, now).await?;
        self.unsent.retain(|_, still| still.notice_id != one.notice_id);
        Ok(())
    }
}
