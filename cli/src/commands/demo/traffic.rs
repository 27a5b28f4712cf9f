//! Live traffic through Kafka, in real time, and never far ahead of what is committed: the mock cluster silently drops
//! what a partition has no room for.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use credwatch_lake::Lake;
use credwatch_simulate::Simulation;
use tokio_util::sync::CancellationToken;

use super::TOPIC;
use crate::producing::Feed;
use crate::wall_clock::now;

/// Far below the mock cluster's 5 MiB and 100,000 messages of one partition.
const MOST_AHEAD: i64 = 2_000;
/// Between two looks at what is committed.
const LOOK: Duration = Duration::from_millis(100);
/// How long the last events may take into the lake.
const LAST_COMMIT: Duration = Duration::from_secs(15);

/// Sends until told to stop; then waits for the last events and compares produced with committed.
pub(crate) async fn run(live: Simulation, brokers: String, lake: Lake, stop: CancellationToken) -> anyhow::Result<()> {
    let feed = tokio::task::spawn_blocking(move || Feed::to(&brokers, TOPIC)).await??;
    let mut sent = 0;
    for simulated in live.traffic() {
        let wait = simulated.time.0.saturating_sub(now().0);
        let wait = Duration::from_micros(u64::try_from(wait).unwrap_or(0));
        tokio::select! {
            () = stop.cancelled() => break,
            () = until_due(wait, &lake, sent) => {}
        }
        feed.send(simulated.key(), &simulated.json()?)?;
        sent += 1;
    }
    let feed = Arc::new(feed);
    tokio::task::spawn_blocking(move || feed.flush()).await??;
    let committed = until_committed(&lake, sent).await;
    eprintln!("produced {sent} events, committed {committed}");
    if committed != sent {
        bail!("{} events did not reach the lake within {LAST_COMMIT:?}", sent - committed);
    }
    Ok(())
}

/// Until the event's time has come and the lake is not too far behind.
async fn until_due(wait: Duration, lake: &Lake, sent: i64) {
    tokio::time::sleep(wait).await;
    // A look costs a listing of the log, so it is not for every event.
    while sent % 100 == 0 && sent - committed(lake).await > MOST_AHEAD {
        tokio::time::sleep(LOOK).await;
    }
}

async fn until_committed(lake: &Lake, sent: i64) -> i64 {
    let looked = tokio::time::timeout(LAST_COMMIT, async {
        while committed(lake).await < sent {
            tokio::time::sleep(LOOK).await;
        }
    });
    // Late or not, what is there is what is told.
    looked.await.unwrap_or_default();
    committed(lake).await
}

/// Records of the demo's topic that the lake holds; none while it cannot be read.
async fn committed(lake: &Lake) -> i64 {
    let positions = lake.snapshot().await.map(|snapshot| snapshot.positions()).unwrap_or_default();
    positions.iter().filter(|(partition, _)| partition.topic == TOPIC).map(|(_, next)| next).sum()
}
