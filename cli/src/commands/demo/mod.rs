//! `credwatch demo`: everything in one process, with nothing installed and nothing configured.
//!
//! An in-process Kafka (the client library's own mock cluster), agents with habits and known incidents, ingest, detectors
//! and the API. A history of ten days enters by the import path; from then on traffic goes through Kafka in real time.

mod history;
mod traffic;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use credwatch_detectors::{Ask, Engine, Tick};
use credwatch_ingest::kafka;
use credwatch_schemas::time::DAY;
use credwatch_server::background::{Board, Nudge};
use credwatch_simulate::{Plan, Simulation};
use rdkafka::mocking::MockCluster;

use crate::args::Demo;
use crate::commands::{ingest, serve};
use crate::configuration::Configuration;
use crate::finding_text;
use crate::listening::Entrance;
use crate::output;
use crate::running::{Running, Stop};
use crate::setting::Setting;
use crate::upkeep::{self, Writes};
use crate::wall_clock::now;

const TOPIC: &str = "audit";
const PARTITIONS: i32 = 3;
const DAYS: u32 = 10;
/// Some fifty calls of an agent a day: enough to have habits, little enough to be judged in seconds.
const RATE: f64 = 0.1;
/// Live traffic is not endless, only long.
const LIVE_DAYS: u32 = 30;
const STOP_WITHIN: Duration = Duration::from_secs(40);
/// Wide enough for the ids of simulated orgs.
const ORG_WIDTH: usize = 12;

pub(crate) async fn run(setting: &Setting, asked: Demo) -> anyhow::Result<ExitCode> {
    let folder = Folder::of(asked.keep.as_deref())?;
    let cluster = MockCluster::new(1).context("starting a Kafka in this process")?;
    cluster.create_topic(TOPIC, PARTITIONS, 1).context("creating a topic")?;
    let setting = setting_in(setting, folder.path(), cluster.bootstrap_servers());
    eprintln!("lake: {}", setting.configuration.lake());
    let (mut stop, mut running) = (Stop::listen()?, Running::default());
    let early = tokio::select! {
        () = stop.asked() => {
            eprintln!("stopping");
            Ok(())
        }
        ended = show(&setting, &asked, folder.path(), &mut running) => ended,
    };
    early.and(running.stop(STOP_WITHIN).await)?;
    Ok(ExitCode::SUCCESS)
}

/// Begins, and goes on until a part ends by itself.
async fn show(setting: &Setting, asked: &Demo, folder: &Path, running: &mut Running) -> anyhow::Result<()> {
    let plan = plan(asked.seed);
    history::import(setting, plan, folder).await?;
    let lake = setting.lake_to_judge().await?;
    let registry = setting.registry()?;
    tell(&Engine::new(lake.clone(), registry.clone()).tick(&Ask::default(), now()).await?);
    let live = Simulation::history(plan).live(now(), LIVE_DAYS);
    let incidents = live.truths().iter().filter(|truth| truth.is_incident()).count();
    let brokers = setting.configuration.kafka.brokers.clone();
    running.add("traffic", {
        let lake = lake.clone();
        |stop| traffic::run(live, brokers, lake, stop)
    });
    let (nudge, board) = (Nudge::default(), Board::default());
    let wake = nudge.clone();
    let source = ingest::source(setting, move || wake.nudge()).await?;
    upkeep::start(running, &source.lake, &board, setting.configuration.upkeep, Writes::Records);
    running.add("ingest", |stop| async move { Ok(source.run(stop.cancelled_owned()).await?) });
    serve::detect(running, &lake, &registry, &board, nudge, tell);
    serve::api(running, lake, registry, board, &Entrance::local(asked.port), |api| api)?;
    eprintln!("live traffic with {incidents} incidents is on its way; Ctrl-C stops");
    let (name, ended) = running.ended().await;
    ended.and_then(|()| Err(anyhow!("it ended by itself"))).context(name)
}

fn plan(seed: u64) -> Plan {
    Plan { seed, days: DAYS, from: now().plus(-i64::from(DAYS) * DAY), rate: RATE, ..Plan::default() }
}

/// The demo's own lake and Kafka; detectors of the user's folder join in.
fn setting_in(setting: &Setting, folder: &Path, brokers: String) -> Setting {
    let kafka = kafka::Config { brokers, topics: TOPIC.into(), flush_seconds: 1.0, ..kafka::Config::default() };
    let configuration = Configuration {
        lake: Some(folder.join("lake").display().to_string()),
        detectors: setting.configuration.detectors.clone(),
        kafka,
        ..Configuration::default()
    };
    Setting { configuration, scope: setting.scope.clone(), format: setting.format }
}

/// One line on stdout for each new finding that wants to be seen; what went wrong on stderr.
fn tell(tick: &Tick) {
    let news = tick.revisions.iter().filter(|finding| finding.revision == 1 && !finding.status.is_quiet());
    for finding in news {
        let line = finding_text::line(finding, ORG_WIDTH);
        // Nobody reads stdout any more: the page and the API still have it.
        output::line(&line).unwrap_or_default();
    }
    for (detector, why) in &tick.failed {
        eprintln!("detector {detector} failed: {why}");
    }
}

/// Where the demo keeps its lake: a folder that stays, or one that goes with the program.
enum Folder {
    Kept(PathBuf),
    Scratch(tempfile::TempDir),
}

impl Folder {
    fn of(kept: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = kept else {
            let folder = tempfile::TempDir::with_prefix("credwatch-demo-").context("creating a scratch folder")?;
            return Ok(Self::Scratch(folder));
        };
        std::fs::create_dir_all(path).with_context(|| format!("creating {path:?}"))?;
        if path.join("lake").exists() {
            bail!(
                "{path:?} holds the lake of an earlier demo; look at it with `credwatch findings list --lake {path:?}/lake`, or name another folder"
            );
        }
        Ok(Self::Kept(std::path::absolute(path)?))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Scratch(folder) => folder.path(),
        }
    }
}
