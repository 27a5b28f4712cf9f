//! `credwatch simulate`: believable traffic with known incidents, into a file or to Kafka, the truth beside it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use credwatch_simulate::{Plan, Simulation, Written, write_to};

use crate::args::Simulate;
use crate::producing::Feed;
use crate::setting::Setting;

pub(crate) async fn run(setting: &Setting, asked: Simulate) -> anyhow::Result<ExitCode> {
    let plan = plan(&asked);
    let kafka = &setting.configuration.kafka;
    let Some(out) = asked.out else {
        if kafka.brokers.is_empty() || kafka.topics.is_empty() {
            bail!("simulated traffic goes somewhere: name a file with --out, or Kafka with --brokers and --topic");
        }
        let (brokers, topic) = (kafka.brokers.clone(), kafka.topics.clone());
        let sent = tokio::task::spawn_blocking(move || produce(plan, &brokers, &topic)).await??;
        eprintln!("{sent} events sent to {}", kafka.topics);
        return Ok(ExitCode::SUCCESS);
    };
    let truth = beside(&out);
    let written = write(plan, &out, &truth)?;
    eprintln!(
        "{}: {} events; {}: {} incidents and look-alikes",
        out.display(),
        written.events,
        truth.display(),
        written.truths
    );
    Ok(ExitCode::SUCCESS)
}

fn plan(asked: &Simulate) -> Plan {
    let plan = match asked.events {
        Some(events) => Plan::of_events(asked.seed, events),
        None => Plan { seed: asked.seed, ..Plan::default() },
    };
    Plan { days: asked.days, from: asked.from.unwrap_or(plan.from), ..plan }
}

fn write(plan: Plan, out: &Path, truth: &Path) -> anyhow::Result<Written> {
    let create = |path: &Path| File::create(path).with_context(|| format!("creating {path:?}"));
    write_to(plan, &mut create(out)?, &mut create(truth)?).with_context(|| format!("writing {out:?}"))
}

/// `audit.ndjson` has its truth in `audit.truth.ndjson`.
fn beside(out: &Path) -> PathBuf {
    let extension = out.extension().map_or_else(|| "ndjson".into(), |text| text.to_string_lossy().into_owned());
    out.with_extension(format!("truth.{extension}"))
}

fn produce(plan: Plan, brokers: &str, topic: &str) -> anyhow::Result<u64> {
    let (feed, mut sent) = (Feed::to(brokers, topic)?, 0);
    for simulated in Simulation::history(plan).traffic() {
        feed.send(simulated.key(), &simulated.json()?)?;
        sent += 1;
    }
    feed.flush()?;
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use credwatch_schemas::time::Micros;

    use super::*;

    #[test]
    fn the_truth_lies_beside_the_traffic() {
        assert_eq!(beside(Path::new("a/audit.ndjson")), Path::new("a/audit.truth.ndjson"));
        assert_eq!(beside(Path::new("audit")), Path::new("audit.truth.ndjson"));
    }

    #[test]
    fn days_and_beginning_are_as_asked() {
        let asked = Simulate { seed: 3, days: 4, events: None, from: Some(Micros(5)), out: None };
        let plan = plan(&asked);
        assert_eq!((plan.seed, plan.days, plan.from), (3, 4, Micros(5)));
    }
}
