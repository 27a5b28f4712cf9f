//! Looking for news on behalf of everybody who waits: however many they are, the lake is asked a few times a second.

use std::time::Duration;

use credwatch_lake::LakeSnapshot;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::access::Permit;
use crate::api::Api;
use crate::problem::Problem;

/// Between two looks.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// What the last look saw.
#[derive(Debug, Default)]
pub(crate) struct News(Mutex<Option<(Instant, LakeSnapshot)>>);

impl News {
    /// The lake as it was a moment ago at most: only whoever finds that too old looks, and the others wait for it.
    pub(crate) async fn look(&self, api: &Api, permit: &Permit) -> Result<LakeSnapshot, Problem> {
        let mut seen = self.0.lock().await;
        match &*seen {
            Some((when, snapshot)) if when.elapsed() < BETWEEN_LOOKS => Ok(snapshot.clone()),
            Some(_) | None => {
                let snapshot = api.snapshot(permit).await?;
                *seen = Some((Instant::now(), snapshot.clone()));
                Ok(snapshot)
            }
        }
    }
}
