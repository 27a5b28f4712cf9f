//! The reading thread: poll, gather, commit, acknowledge; and begin again wherever anything is in doubt.
//!
//! There is one way out of every doubt (a lost race, a lost answer, storage away, a topic created again, an offset that
//! Kafka does not have): forget what was gathered, ask the table where it stands, and read from there.

mod committing;
mod ends;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use credwatch_schemas::position::Partition;
use credwatch_schemas::time::Micros;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as Cause, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::runtime::Handle;

use super::client::{Change, Notes};
use super::config::Start;
use super::error::{Doing, KafkaError, chain};
use super::idle::IdleClock;
use super::plan::{Plan, Planner};
use super::{KafkaSource, metrics, probe};
use crate::accumulate::{Accumulator, ClockRule};
use crate::binding::Binding;
use crate::raw_record::RawRecord;
use committing::Flight;

/// How long a poll waits for the first message.
const POLL: Duration = Duration::from_millis(50);
/// Messages between two looks at everything else.
const MESSAGES_AT_ONCE: u32 = 512;
/// And bytes of them: a record may be large.
const BYTES_AT_ONCE: usize = 4 << 20;
/// How long reading stands still for a commit before it polls on with its partitions paused.
const STAND_STILL: Duration = Duration::from_secs(2);
/// Clocks of quiet partitions are committed this often when there is nothing else to commit.
const QUIET_COMMIT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A topic that is not there may come back; nobody tells us when.
const LOOK_FOR_ABSENT: Duration = Duration::from_secs(5);
/// What the last commit may take when the program stops.
const LAST_COMMIT: Duration = Duration::from_secs(8);

pub(super) struct Reader<'a> {
    source: &'a KafkaSource,
    runtime: Handle,
    consumer: BaseConsumer<Notes>,
    start: Start,
    first_topics: BTreeSet<String>,
    /// What the group gave us.
    wanted: Vec<(String, i32)>,
    /// When to ask the table again where we stand.
    plan_at: Option<Instant>,
    held: BTreeMap<String, Held>,
    /// Since then the held partitions are read without a break.
    begun: Instant,
    /// Where the statistics before these saw the client at the end.
    ends: BTreeMap<Partition, i64>,
    accumulator: Accumulator,
    flight: Option<Flight>,
    /// Nothing is committed before this instant: Kafka could not say whether the topics are still the same.
    commit_at: Instant,
    is_paused: bool,
    idle: IdleClock,
    last_commit: Instant,
    /// Kafka's timestamp of the record that was read last.
    latest: Option<Micros>,
    pause: Duration,
}

/// A topic of which partitions are being read.
struct Held {
    id: String,
    binding: Binding,
    partitions: BTreeMap<i32, Partition>,
}

impl<'a> Reader<'a> {
    /// Finds out whether Kafka is there and has the topics, and joins the group.
    pub(super) fn start(source: &'a KafkaSource, runtime: Handle) -> Result<Self, KafkaError> {
        let topics = probe::probe(&source.config)?;
        for binding in &source.bindings {
            binding
                .pattern()
                .map_err(|error| KafkaError::Binding { name: binding.name.clone(), what: error.to_string() })?;
        }
        let notes = Notes::new(Instant::now(), source.config.login().tokens()?);
        let consumer: BaseConsumer<Notes> =
            source.config.build()?.create_with_context(notes).doing("set up a client of Kafka")?;
        consumer.subscribe(&source.config.subscription()).doing("subscribe to the topics")?;
        Ok(Self {
            source,
            runtime,
            consumer,
            start: source.config.start()?,
            first_topics: topics.into_iter().map(|topic| topic.name).collect(),
            wanted: Vec::new(),
            plan_at: None,
            held: BTreeMap::new(),
            begun: Instant::now(),
            ends: BTreeMap::new(),
            accumulator: Accumulator::new(source.config.cut()?),
            flight: None,
            commit_at: Instant::now(),
            is_paused: false,
            idle: IdleClock::default(),
            last_commit: Instant::now(),
            latest: None,
            pause: FIRST_PAUSE,
        })
    }

    pub(super) fn run(&mut self, is_stopped: &AtomicBool) -> Result<(), KafkaError> {
        while !is_stopped.load(Ordering::Relaxed) {
            self.follow_the_group()?;
            self.plan_if_due()?;
            self.poll()?;
            self.look_at_standing();
            self.land(Duration::ZERO);
            self.commit_if_due()?;
        }
        self.finish();
        Ok(())
    }

    fn follow_the_group(&mut self) -> Result<(), KafkaError> {
        while let Some(change) = self.consumer.context().next_change() {
            match change {
                Change::Assigned(partitions) => {
                    tracing::info!(partitions = partitions.len(), "the group gave us partitions");
                    self.wanted = partitions;
                    self.plan_at = Some(Instant::now());
                }
                Change::Revoked => {
                    tracing::info!("the group takes our partitions");
                    // Whoever gets them asks the table: better after our last commit than before it.
                    self.land(STAND_STILL);
                    self.forget();
                    self.wanted.clear();
                    self.plan_at = None;
                    self.consumer.unassign().doing("give partitions back")?;
                }
            }
        }
        Ok(())
    }

    fn plan_if_due(&mut self) -> Result<(), KafkaError> {
        // An old batch that is still on its way would make the answer old.
        if self.plan_at.is_none_or(|at| at > Instant::now()) || self.flight.is_some() {
            return Ok(());
        }
        let planner = Planner {
            consumer: &self.consumer,
            lake: &self.source.lake,
            runtime: &self.runtime,
            start: self.start,
            first_topics: &self.first_topics,
            now: now(),
        };
        match planner.plan(&self.wanted) {
            Ok(plan) if self.holds_all_of(&plan) => {
                self.plan_at = Some(Instant::now() + LOOK_FOR_ABSENT);
                Ok(())
            }
            Ok(plan) => self.begin(plan),
            Err(error) if error.is_final() => Err(error),
            Err(error) => {
                self.begin_again_later(&error);
                Ok(())
            }
        }
    }

    /// Whether a look for what was absent has found nothing new.
    fn holds_all_of(&self, plan: &Plan) -> bool {
        let is_held = |partition: &Partition| {
            let held = self.held.get(&partition.topic).filter(|held| held.id == partition.topic_id);
            held.is_some_and(|held| held.partitions.contains_key(&partition.partition))
        };
        !self.held.is_empty() && plan.beginnings.iter().all(|beginning| is_held(&beginning.partition))
    }

    fn begin(&mut self, plan: Plan) -> Result<(), KafkaError> {
        self.forget();
        let is_whole = plan.beginnings.len() == self.wanted.len();
        self.plan_at = (!is_whole).then(|| Instant::now() + LOOK_FOR_ABSENT);
        for topic in &plan.absent {
            tracing::warn!(topic, "the topic is not there; it is looked for again");
        }
        let mut list = TopicPartitionList::new();
        for beginning in plan.beginnings {
            let (partition, start) = (beginning.partition, beginning.start);
            let offset = Offset::Offset(start);
            list.add_partition_offset(&partition.topic, partition.partition, offset).doing("assign partitions")?;
            self.accumulator.begin(&partition, Some(beginning.base), start, ClockRule::Moves);
            self.accumulator.tell_lost(&partition, now());
            metrics::skipped(start - beginning.base);
            let held = self.held.entry(partition.topic.clone()).or_insert_with(|| Held {
                id: partition.topic_id.clone(),
                binding: binding_for(&self.source.bindings, &partition.topic),
                partitions: BTreeMap::new(),
            });
            held.partitions.insert(partition.partition, partition);
        }
        self.consumer.assign(&list).doing("assign partitions")?;
        self.read_anew();
        // Pausing outlives an assignment.
        self.is_paused = true;
        self.resume();
        Ok(())
    }

    fn poll(&mut self) -> Result<(), KafkaError> {
        let (mut patience, mut bytes) = (POLL, 0);
        for _ in 0..MESSAGES_AT_ONCE {
            let error = match self.consumer.poll(patience) {
                None => return Ok(()),
                Some(Err(error)) => error,
                Some(Ok(message)) => {
                    self.latest = gather(&mut self.accumulator, &self.held, self.source, &message).or(self.latest);
                    patience = Duration::ZERO;
                    bytes += message.payload_len();
                    if bytes >= BYTES_AT_ONCE {
                        return Ok(());
                    }
                    continue;
                }
            };
            return self.hear(&error);
        }
        Ok(())
    }

    fn hear(&mut self, error: &Cause) -> Result<(), KafkaError> {
        use RDKafkaErrorCode as Code;
        let code = error.rdkafka_error_code();
        match code {
            Some(Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed) => {
                Err(error.clone()).doing("read the topics: Kafka does not let this user do so")
            }
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => {
                tracing::warn!("Kafka does not have the offset that is to be read");
                self.begin_again(FIRST_PAUSE);
                Ok(())
            }
            Some(
                Code::UnknownTopicOrPartition | Code::UnknownTopicId | Code::UnknownPartition | Code::UnknownTopic,
            ) => {
                tracing::warn!("a topic is gone");
                self.begin_again(FIRST_PAUSE);
                Ok(())
            }
            _ if matches!(error, Cause::MessageConsumptionFatal(_)) => Err(error.clone()).doing("read Kafka"),
            // The client tries again by itself, and said so in the log.
            _ => Ok(()),
        }
    }

    fn commit_if_due(&mut self) -> Result<(), KafkaError> {
        let is_quiet = self.last_commit.elapsed() >= QUIET_COMMIT && !self.accumulator.is_empty();
        if !is_quiet && !self.accumulator.is_due(now()) {
            self.resume();
            return Ok(());
        }
        self.land(STAND_STILL);
        if self.flight.is_some() || self.commit_at > Instant::now() {
            self.pause();
            return Ok(());
        }
        self.take_off();
        Ok(())
    }

    fn begin_again_later(&mut self, error: &dyn std::error::Error) {
        let pause = self.pause;
        tracing::warn!("{}; trying again in {} s", chain(error), pause.as_secs());
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        self.begin_again(pause);
    }

    /// Gives up what was gathered; after `pause` the table is asked where it stands.
    fn begin_again(&mut self, pause: Duration) {
        self.forget();
        if let Err(error) = self.consumer.unassign() {
            tracing::debug!(%error, "the partitions could not be let go");
        }
        self.plan_at = Some(Instant::now() + pause);
    }

    fn forget(&mut self) {
        self.ends.clear();
        let partitions = std::mem::take(&mut self.held).into_values().flat_map(|held| held.partitions.into_values());
        for partition in partitions {
            self.accumulator.forget(&partition);
        }
    }

    fn pause(&mut self) {
        if !self.is_paused {
            tracing::info!("storage is slow or away: reading pauses");
            self.is_paused = self.with_assignment(BaseConsumer::pause);
            self.read_anew();
        }
    }

    fn resume(&mut self) {
        if self.is_paused {
            self.is_paused = !self.with_assignment(BaseConsumer::resume);
            self.read_anew();
        }
    }

    /// What was said about ends before does not hold any more.
    fn read_anew(&mut self) {
        self.begun = Instant::now();
        self.ends.clear();
    }

    fn with_assignment(
        &self,
        act: impl FnOnce(&BaseConsumer<Notes>, &TopicPartitionList) -> Result<(), Cause>,
    ) -> bool {
        let done = self.consumer.assignment().and_then(|list| act(&self.consumer, &list));
        done.inspect_err(|error| tracing::debug!(%error, "reading could not be paused or resumed")).is_ok()
    }

    /// Commits what was gathered and tells Kafka.
    fn finish(&mut self) {
        self.land(LAST_COMMIT);
        if self.flight.is_none() && !self.accumulator.is_empty() {
            self.take_off();
            self.land(LAST_COMMIT);
        }
    }
}

/// However reading ended: a change that the group waits for is answered, or leaving it would never end.
impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.consumer.context().close();
        self.consumer.unassign().unwrap_or_default();
    }
}

fn binding_for(bindings: &[Binding], topic: &str) -> Binding {
    bindings.iter().find(|binding| binding.is_for(topic)).cloned().unwrap_or_default()
}

/// Kafka's timestamp of the record, if it is one of ours.
fn gather(
    accumulator: &mut Accumulator,
    held: &BTreeMap<String, Held>,
    source: &KafkaSource,
    message: &BorrowedMessage<'_>,
) -> Option<Micros> {
    let held = held.get(message.topic())?;
    let partition = held.partitions.get(&message.partition())?;
    let read_at = now();
    let arrival = message.timestamp().to_millis().map_or(read_at, |millis| Micros(millis.saturating_mul(1_000)));
    let headers: Vec<(&str, &[u8])> = message
        .headers()
        .map(|headers| headers.iter().map(|header| (header.key, header.value.unwrap_or_default())).collect())
        .unwrap_or_default();
    let (payload, offset) = (message.payload(), message.offset());
    let record = RawRecord { payload, headers: &headers, arrival, now: read_at, partition, offset };
    accumulator.push(&source.decoder, &held.binding, &record);
    Some(arrival)
}

#[expect(clippy::disallowed_methods, reason = "this shell reads the clock: it is when records are read and committed")]
pub(super) fn now() -> Micros {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
