//! `credwatch ingest`: Kafka into the lake until SIGINT or SIGTERM; what was gathered by then is committed.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use credwatch_ingest::kafka::KafkaSource;
use credwatch_ingest::{Decoder, Limits};
use credwatch_server::background::Board;

use crate::args::Ingest;
use crate::output;
use crate::running::{Running, Stop};
use crate::setting::Setting;
use crate::upkeep::{self, Writes};

/// The last commit, and the way out of the group.
const STOP_WITHIN: Duration = Duration::from_secs(30);

pub(crate) async fn run(setting: &Setting, asked: Ingest) -> anyhow::Result<ExitCode> {
    if let Some(topic) = asked.retire {
        return retire(setting, &topic).await;
    }
    let (mut stop, mut running) = (Stop::listen()?, Running::default());
    let early = tokio::select! {
        () = stop.asked() => Ok(()),
        ended = read(setting, &mut running) => ended,
    };
    early.and(running.stop(STOP_WITHIN).await)?;
    Ok(ExitCode::SUCCESS)
}

/// Begins, and goes on until a part ends by itself.
async fn read(setting: &Setting, running: &mut Running) -> anyhow::Result<()> {
    let source = source(setting, || {}).await?;
    eprintln!("reading {} at {}", source.config.topics, source.config.brokers);
    let config = setting.configuration.upkeep;
    upkeep::start(running, &source.lake, &Board::default(), config, Writes::Records);
    running.add("ingest", |stop| async move { Ok(source.run(stop.cancelled_owned()).await?) });
    running.ended().await.1
}

/// What reads Kafka as configured; `committed` is called after every commit.
pub(crate) async fn source(
    setting: &Setting,
    committed: impl Fn() + Send + Sync + 'static,
) -> anyhow::Result<KafkaSource> {
    let config = setting.configuration.kafka.clone();
    if config.brokers.is_empty() || config.topics.is_empty() {
        bail!(
            "reading Kafka needs --brokers and --topic (or \"kafka.brokers\" and \"kafka.topics\" in the configuration)"
        );
    }
    let (lake, key) = setting.lake_to_fill().await?;
    Ok(KafkaSource {
        config,
        lake,
        decoder: Decoder::new(key, Limits::default()),
        bindings: setting.configuration.bindings.clone(),
        committed: Box::new(move |_| committed()),
    })
}

async fn retire(setting: &Setting, topic: &str) -> anyhow::Result<ExitCode> {
    let (lake, _) = setting.lake_to_fill().await?;
    let clocks = lake.snapshot().await?.clocks();
    let of_topic: Vec<_> = clocks.into_keys().filter(|partition| partition.topic == topic).collect();
    if of_topic.is_empty() {
        bail!("no clock of a topic {topic:?} holds the others back");
    }
    for partition in &of_topic {
        lake.retire_clock(partition).await.with_context(|| format!("retiring the clock of {partition}"))?;
    }
    output::line(&format!("{topic}: clocks of {} partitions retired", of_topic.len()))?;
    Ok(ExitCode::SUCCESS)
}
