//! `credwatch serve`: ingest, detectors and the API until SIGINT or SIGTERM; ingest stops first, the API last.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use credwatch_detectors::{Ask, Engine, Pace, Registry, Tick};
use credwatch_lake::Lake;
use credwatch_query::Limits;
use credwatch_server::api::Api;
use credwatch_server::background::{self, Board, Nudge};
use credwatch_server::listener::Listening;
use credwatch_server::notices::Notifications;
use credwatch_server::push::{Sinks, forward, forwarders};
use credwatch_server::{flight_sql, postgres};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::sync::Mutex;

use crate::args::{Part, Serve};
use crate::commands::ingest;
use crate::error_chain::story;
use crate::identity::Identity;
use crate::listening::Entrance;
use crate::reaching::Reaching;
use crate::running::{Running, Stop};
use crate::setting::Setting;
use crate::upkeep::{self, Writes};
use crate::wall_clock::now;

/// New rows are judged at the latest after this long.
const TICK: Duration = Duration::from_secs(1);
/// Whether a window has passed is looked at so often. A commit does not wake this: it would be work without an outcome.
const TICK_OF_WINDOWS: Duration = Duration::from_secs(5);
/// What one request may cost.
const LIMITS: Limits =
    Limits { time: Duration::from_secs(30), memory_bytes: 256 << 20, rows: 1_000_000, bytes: 256 << 20 };
/// All parts together stop within this long.
const STOP_WITHIN: Duration = Duration::from_secs(30);
/// Between two upkeeps of the metrics.
const UPKEEP: Duration = Duration::from_secs(5);

pub(crate) async fn run(setting: &Setting, asked: Serve) -> anyhow::Result<ExitCode> {
    let (mut stop, mut running) = (Stop::listen()?, Running::default());
    let early = tokio::select! {
        () = stop.asked() => {
            eprintln!("stopping");
            Ok(())
        }
        ended = serve(setting, &asked, &mut running) => ended,
    };
    early.and(running.stop(STOP_WITHIN).await)?;
    Ok(ExitCode::SUCCESS)
}

/// Begins with every role, and goes on until a part ends by itself.
async fn serve(setting: &Setting, asked: &Serve, running: &mut Running) -> anyhow::Result<()> {
    let (registry, reaching) = (setting.registry()?, reaching(setting, asked)?);
    let (board, nudge) = (Board::default(), Nudge::default());
    let wake = nudge.clone();
    let source = match asked.roles.contains(&Part::Ingest) {
        true => Some(ingest::source(setting, move || wake.nudge()).await?),
        false => None,
    };
    let judges = asked.roles.contains(&Part::Detect);
    // The API writes too: its audit, the key of its cursors, the places of consumers, what people say.
    let lake = setting.lake_to_judge().await?;
    if judges && lake.snapshot().await?.clocks().is_empty() {
        // Detectors hold from the beginning in a lake without clocks. The first commit brings one.
        Engine::new(lake.clone(), registry.clone()).tick(&Ask::default(), now()).await?;
    }
    // Through the handle that appends, so that what it remembers of files is told which became one.
    let (tidied, writes) = source.as_ref().map_or((&lake, Writes::Logs), |source| (&source.lake, Writes::Records));
    upkeep::start(running, tidied, &board, setting.configuration.upkeep, writes);
    if let Some(source) = source {
        running.add("ingest", |stop| async move { Ok(source.run(stop.cancelled_owned()).await?) });
    }
    if judges {
        detect(running, &lake, &registry, &board, nudge, |_| {});
    }
    let (sinks, notifications) = (Sinks::default(), Notifications::default());
    if asked.roles.contains(&Part::Export) {
        export(running, setting, &lake, &sinks)?;
    }
    if let Some(reaching) = reaching {
        reaching.start(running, &lake, &notifications);
    }
    if asked.roles.contains(&Part::Api) {
        let configured = &setting.configuration;
        let address = asked.listen.or(configured.listen);
        let entrance = Entrance::of(&configured.api, address, configured.public_url.as_deref())?;
        let postgres = asked.listen_postgres.or(configured.listen_postgres);
        let flight_sql = asked.listen_flight_sql.or(configured.listen_flight_sql);
        let entrance = entrance.and_postgres(&configured.api, postgres).and_flight_sql(&configured.api, flight_sql);
        let identity = Identity::of(configured)?;
        api(running, lake, registry, board, &entrance, |api| {
            identity.at(api).with_sinks(sinks).with_notifications(notifications)
        })?;
    }
    let (name, ended) = running.ended().await;
    ended.and_then(|()| Err(anyhow!("it ended by itself"))).context(name)
}

/// Who is to be reached, found out before anything is started.
fn reaching(setting: &Setting, asked: &Serve) -> anyhow::Result<Option<Reaching>> {
    if !asked.roles.contains(&Part::Notify) {
        return Ok(None);
    }
    let reaching = Reaching::of(&setting.configuration)?;
    if reaching.len() == 0 {
        bail!("the role notify has nothing to do: no route, heartbeat or report is configured");
    }
    Ok(Some(reaching))
}

/// Judges whatever is new, for good; `told` hears of every tick. What somebody waits for never waits for the windows.
pub(crate) fn detect(
    running: &mut Running,
    lake: &Lake,
    registry: &Registry,
    board: &Board,
    nudge: Nudge,
    told: impl Fn(&Tick) + Copy + Send + Sync + 'static,
) {
    let engine = |pace| Engine::new(lake.clone(), registry.clone()).only(pace);
    tick(running, ("detect", TICK), engine(Pace::Eager), board.clone(), nudge, told);
    tick(running, ("detect-windows", TICK_OF_WINDOWS), engine(Pace::Windowed), board.clone(), Nudge::default(), told);
}

fn tick(
    running: &mut Running,
    (name, period): (&'static str, Duration),
    engine: Engine,
    board: Board,
    nudge: Nudge,
    told: impl Fn(&Tick) + Copy + Send + Sync + 'static,
) {
    let engine = Arc::new(Mutex::new(engine));
    running.add(name, |stop| async move {
        let stopped = stop.clone();
        let tick = move || {
            let (engine, stopped) = (Arc::clone(&engine), stopped.clone());
            async move {
                let (mut engine, ask) = (engine.lock().await, Ask::default());
                // A judgement may take long, and to break it off costs no more than a kill would: nothing.
                let ticked = tokio::select! {
                    ticked = engine.tick(&ask, now()) => ticked,
                    () = stopped.cancelled() => return Ok(()),
                };
                ticked.map(|tick| told(&tick)).map_err(|error| story(&error.into()))
            }
        };
        Ok(background::start(name, period, nudge, board, stop, tick).await?)
    });
}

/// Sends to every configured sink, for good.
fn export(running: &mut Running, setting: &Setting, lake: &Lake, sinks: &Sinks) -> anyhow::Result<()> {
    let configured = &setting.configuration.sinks;
    if configured.is_empty() {
        bail!("the role export has nothing to do: no sink is configured");
    }
    for forwarder in forwarders(configured)? {
        let (lake, sinks) = (lake.clone(), sinks.clone());
        running.add("export", |stop| async move {
            forward(forwarder, lake, sinks, now, stop).await;
            Ok(())
        });
    }
    Ok(())
}

/// Answers until the end.
pub(crate) fn api(
    running: &mut Running,
    lake: Lake,
    registry: Registry,
    board: Board,
    entrance: &Entrance,
    with: impl FnOnce(Api) -> Api,
) -> anyhow::Result<()> {
    let metrics = PrometheusBuilder::new().install_recorder().context("starting the metrics")?;
    let histograms = metrics.clone();
    running.add("metrics", |stop| async move {
        // Without it, what was observed piles up until somebody asks.
        while !stop.is_cancelled() {
            histograms.run_upkeep();
            tokio::time::timeout(UPKEEP, stop.cancelled()).await.unwrap_or_default();
        }
        Ok(())
    });
    let listening = Listening::bind(entrance.address, entrance.door, &entrance.transport)?;
    eprintln!("listening on {}", listening.url());
    let api = with(Api::new(lake, registry, LIMITS, board, metrics, entrance.door, now));
    let api = match &entrance.public_url {
        Some(url) => api.reached_at(url)?,
        None => api,
    };
    if let Some((address, door)) = entrance.postgres {
        let listening = Listening::bind(address, door, &entrance.transport)?;
        eprintln!("listening for clients of Postgres on {}", listening.address());
        let api = api.clone();
        running.add("postgres", |stop| async move {
            postgres::serve(listening, api, stop.cancelled_owned()).await?;
            Ok(())
        });
    }
    if let Some((address, door)) = entrance.flight_sql {
        let listening = Listening::bind(address, door, &entrance.transport)?;
        eprintln!("listening for clients of Flight SQL on {}", listening.address());
        let api = api.clone();
        running.add("flight-sql", |stop| async move {
            flight_sql::serve(listening, api, stop.cancelled_owned()).await?;
            Ok(())
        });
    }
    running.add("api", |stop| async move {
        listening.serve(api, async move { stop.cancelled().await }).await?;
        Ok(())
    });
    Ok(())
}
