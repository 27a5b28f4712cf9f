//! A route at work: hear what is new, make the messages whose time has come, send what is made; for ever.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use credwatch_detectors::{EngineError, detectors_in_force};
use credwatch_lake::{Lake, LakeError, LakeSnapshot};
use credwatch_schemas::finding::Finding;
use credwatch_schemas::ids::FindingId;
use credwatch_schemas::notice::{Notice, NoticeRow};
use credwatch_schemas::time::{HOUR, MINUTE, Micros};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::brief::Brief;
use super::channel::Channel;
use super::heartbeat::{Beating, beat};
use super::memory::Memory;
use super::message::{Message, Words};
use super::plan::{MOST_WAITING, plan};
use super::preview::revisions;
use super::rules::Rules;
use super::status::Notifications;
use crate::access::Clock;
use crate::book::BookError;
use crate::causes::chain;
use crate::delivering::{Blames, Undelivered};
use crate::outbox::{Carrier, Number, Outbox, Recorded, Sender, Unsent};
use crate::pull::{Stream, highest_seq};

const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// Revisions that are read at once.
const MOST_REVISIONS: usize = 5_000;
/// How far a route has come is kept so often, also where there is nothing to tell.
const KEPT_EVERY: i64 = MINUTE;

/// A route or a heartbeat that is ready to work.
#[derive(Debug)]
pub struct Route(pub(super) Job);

#[derive(Debug)]
pub(super) enum Job {
    Tell(Telling),
    Beat(Beating),
}

#[derive(Debug)]
pub(super) struct Telling {
    pub(super) rules: Rules,
    pub(super) channel: Channel,
    pub(super) start: Start,
    pub(super) public_url: Option<String>,
}

/// Where a route begins that the lake does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Now,
    Beginning,
}

#[derive(Debug, Error)]
enum Stopped {
    #[error(transparent)]
    Book(#[from] BookError),
    #[error("reading the lake")]
    Lake(#[from] LakeError),
    #[error("reading how detectors stand")]
    Engine(#[from] EngineError),
}

impl Route {
    pub fn name(&self) -> &str {
        match &self.0 {
            Job::Tell(telling) => &telling.rules.route,
            Job::Beat(beating) => &beating.name,
        }
    }

    /// And not of itself, as a heartbeat does.
    pub fn tells_of_findings(&self) -> bool {
        self.telling().is_some()
    }

    /// Sends one made-up message, and says whether it was taken. Nothing is recorded.
    pub async fn test(&self, now: Micros) -> Result<(), String> {
        let taken = match &self.0 {
            Job::Tell(telling) => telling.channel.tell(&Message::of_a_test(&telling.rules.route, now)).await,
            Job::Beat(beating) => beating.channel.beat(&beating.test(now)).await,
        };
        taken.map_err(|why| why.to_string())
    }

    /// Gives a message up that the other side will never take. False: none of that id is unsent.
    pub async fn skip(&self, lake: &Lake, notice_id: &str, now: Micros) -> Result<bool, BookError> {
        Outbox::new(lake.clone(), self.name()).skip(notice_id, now).await
    }

    pub(super) fn telling(&self) -> Option<&Telling> {
        match &self.0 {
            Job::Tell(telling) => Some(telling),
            Job::Beat(_) => None,
        }
    }
}

/// Works until it is told to stop. What is made and not sent by then is sent by the next who starts.
pub async fn notify(route: Route, lake: Lake, board: Notifications, clock: Clock, stop: CancellationToken) {
    let telling = match route.0 {
        Job::Beat(beating) => return beat(beating, lake, board, clock, stop).await,
        Job::Tell(telling) => telling,
    };
    let mut work = Work::new(telling, lake, board, clock);
    // A step is not broken off: what is sent is recorded as sent before it ends.
    while !stop.is_cancelled() {
        if let Err(why) = work.step(&stop).await {
            work.board.failing(&work.telling.rules.route, Some(chain(&why)));
        }
        tokio::time::timeout(BETWEEN_LOOKS, stop.cancelled()).await.unwrap_or_default();
    }
}

struct Work {
    telling: Telling,
    lake: Lake,
    board: Notifications,
    clock: Clock,
    outbox: Outbox,
    memory: Memory,
    sender: Sender,
    /// How often messages were made, as far as the memory knows; `None`: it knows nothing yet.
    made: Option<i64>,
    kept: Micros,
    forgot: Micros,
}

impl Work {
    fn new(telling: Telling, lake: Lake, board: Notifications, clock: Clock) -> Self {
        let outbox = Outbox::new(lake.clone(), &telling.rules.route);
        let (memory, sender) = (Memory::default(), Sender::default());
        let (kept, forgot) = (Micros(0), Micros(0));
        Self { telling, lake, board, clock, outbox, memory, sender, made: None, kept, forgot }
    }

    async fn step(&mut self, stop: &CancellationToken) -> Result<(), Stopped> {
        let now = (self.clock)();
        let snapshot = self.lake.snapshot().await?;
        if !self.learn(&snapshot, now).await? {
            return Ok(());
        }
        self.hear(&snapshot).await?;
        self.make(&snapshot, now).await?;
        self.take_back_unsent(now).await?;
        self.send(stop).await
    }

    /// What was told by anybody. Where somebody else has made messages, everything is learnt anew: what this process took
    /// for news may have been told. False: look again.
    async fn learn(&mut self, snapshot: &LakeSnapshot, now: Micros) -> Result<bool, Stopped> {
        let mut rows = self.outbox.refresh(now).await?;
        let Some(made) = self.outbox.number(Number::Made) else {
            self.begin(snapshot, now).await?;
            return Ok(false);
        };
        if self.made != Some(made) {
            self.outbox = Outbox::new(self.lake.clone(), &self.telling.rules.route);
            rows = self.outbox.refresh(now).await?;
            self.memory = Memory::from(self.outbox.number(Number::Position).unwrap_or(0));
            self.made = self.outbox.number(Number::Made);
        }
        rows.iter().for_each(|row| self.memory.record(row));
        if now.0 - self.forgot.0 > HOUR {
            self.memory.forget(now);
            self.forgot = now;
        }
        Ok(true)
    }

    /// Where a new route begins is kept before anything else, by one of several servers.
    async fn begin(&mut self, snapshot: &LakeSnapshot, now: Micros) -> Result<(), Stopped> {
        let position = match self.telling.start {
            Start::Now => highest_seq(snapshot, Stream::Findings),
            Start::Beginning => 0,
        };
        let _whoever_was_first = self.outbox.make(Vec::new(), position, now).await?;
        Ok(())
    }

    async fn hear(&mut self, snapshot: &LakeSnapshot) -> Result<(), Stopped> {
        let head = highest_seq(snapshot, Stream::Findings);
        if self.memory.heard() > head {
            tracing::error!(
                route = self.telling.rules.route,
                head,
                "the log of findings was put back: what comes is news"
            );
            self.memory.hear_from(head);
        }
        while self.memory.heard() < head && self.memory.waits() <= MOST_WAITING {
            let heard = revisions(snapshot, self.memory.heard(), MOST_REVISIONS).await?;
            if heard.is_empty() {
                self.memory.hear_from(head);
            }
            self.look_up(&heard).await?;
            heard.into_iter().for_each(|one| self.memory.hear(&self.telling.rules, Brief::from(one)));
        }
        Ok(())
    }

    /// What was told of findings so long ago that the memory has let go of it.
    async fn look_up(&mut self, heard: &[Finding]) -> Result<(), Stopped> {
        let old = heard.iter().filter(|one| one.revision > 1 && self.memory.is_to_look_up(&one.finding_id));
        let old: Vec<FindingId> = old.map(|one| one.finding_id.clone()).collect();
        if !old.is_empty() {
            let told = self.outbox.told_of(&old).await?;
            told.iter().for_each(|row| self.memory.record(row));
        }
        Ok(())
    }

    async fn make(&mut self, snapshot: &LakeSnapshot, now: Micros) -> Result<(), Stopped> {
        let planned = plan(&self.telling.rules, &self.memory, now);
        let words = if planned.is_empty() { Words::default() } else { self.words(snapshot, now).await? };
        let thread = |id: &FindingId| self.memory.told(id).map(|told| told.thread.clone());
        let made = planned
            .iter()
            .filter_map(|one| Some(Message::of(one, &self.telling.rules, &words, now)?.rows(one, &thread)));
        let rows: Vec<NoticeRow> = made.flatten().collect();
        let told: BTreeSet<&FindingId> = rows.iter().filter_map(|row| row.finding_id.as_ref()).collect();
        let position = self.memory.position(&|id| told.contains(id));
        if rows.is_empty() {
            return self.keep_position(position, now).await;
        }
        if self.outbox.make(rows, position, now).await? == Recorded::Done {
            self.made = self.made.map(|made| made + 1);
            self.kept = now;
            let rows = self.outbox.refresh(now).await?;
            rows.iter().for_each(|row| self.memory.record(row));
        }
        Ok(())
    }

    /// Without a word to anybody, and now and then: so that who starts later need not hear all of it again.
    async fn keep_position(&mut self, position: i64, now: Micros) -> Result<(), Stopped> {
        let before = self.outbox.number(Number::Position);
        if Some(position) != before && now.0 - self.kept.0 >= KEPT_EVERY {
            let _whoever_was_first = self.outbox.record_number(Number::Position, before, position, now).await?;
            self.kept = now;
        }
        Ok(())
    }

    async fn words(&self, snapshot: &LakeSnapshot, now: Micros) -> Result<Words, EngineError> {
        Ok(Words::of(detectors_in_force(snapshot, now).await?, self.telling.public_url.as_deref()))
    }

    /// Nobody is woken hours later by what was taken back meanwhile. Its correction is sent all the same: an attempt may have
    /// arrived.
    async fn take_back_unsent(&mut self, now: Micros) -> Result<(), Stopped> {
        let is_back = |id: &FindingId| self.memory.told(id).is_some_and(|told| told.status.is_quiet());
        let stale = |one: &&Unsent| {
            matches!(one.what, Notice::Finding | Notice::Update | Notice::Summary)
                && !one.findings.is_empty()
                && one.findings.iter().all(is_back)
        };
        let stale: Vec<Unsent> = self.outbox.unsent().filter(stale).cloned().collect();
        for one in stale {
            self.outbox.give_up(&one.notice_id, &one.findings, now).await?;
        }
        Ok(())
    }

    async fn send(&mut self, stop: &CancellationToken) -> Result<(), Stopped> {
        let carrier = Telegraph(&self.telling.channel);
        let sent = self.sender.send(&mut self.outbox, &carrier, self.clock, stop).await?;
        let name = &self.telling.rules.route;
        self.board.write(name, |status| {
            status.waiting = self.memory.waits();
            status.unsent = self.outbox.unsent().count();
            status.unsent_ids = self.outbox.unsent().map(|one| one.notice_id.clone()).take(100).collect();
        });
        if sent.taken > 0 {
            self.board.sent(name, sent.taken, (self.clock)());
        }
        if sent.failed > 0 || sent.failing.is_none() {
            self.board.failing(name, sent.failing);
        }
        Ok(())
    }
}

/// Takes a message out of its row and to its receiver.
struct Telegraph<'a>(&'a Channel);

#[async_trait]
impl Carrier for Telegraph<'_> {
    async fn carry(&self, unsent: &Unsent) -> Result<(), Undelivered> {
        let unread = |error| Undelivered {
            why: format!("another version of this program has made it: {error}"),
            after: None,
            blames: Blames::Message,
        };
        let message: Message = serde_json::from_str(&unsent.message).map_err(unread)?;
        self.0.tell(&message).await
    }
}
