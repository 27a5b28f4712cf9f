//! The keys that hold now, as far as this process knows: never older than a quarter of a second.
//!
//! A key is revoked by any process that can write the lake, and every server honours that within a second. When the
//! table cannot be read, nobody is recognised: a stale keyring would open doors that were closed.

use std::sync::Arc;
use std::time::Duration;

use credwatch_lake::Lake;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::holder::Holders;
use super::keys::{KeyError, Keys};

/// How old what is known may be.
pub(super) const FRESH: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(crate) struct Keyring {
    keys: Keys,
    /// Held while the table is read, so that it is read once for all who wait.
    known: Mutex<Option<Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    as_of: Instant,
    version: i64,
    holders: Arc<Holders>,
}

impl Keyring {
    pub(crate) fn new(lake: Lake) -> Self {
        Self { keys: Keys::new(lake), known: Mutex::default() }
    }

    pub(crate) async fn holders(&self) -> Result<Arc<Holders>, KeyError> {
        let mut known = self.known.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.as_of.elapsed() < FRESH) {
            return Ok(Arc::clone(&known.holders));
        }
        let fresh = self.read(known.take()).await?;
        let holders = Arc::clone(&fresh.holders);
        *known = Some(fresh);
        Ok(holders)
    }

    /// The same, read again for a key that is not among those known: it may have been made a moment ago.
    pub(crate) async fn holders_now(&self) -> Result<Arc<Holders>, KeyError> {
        let mut known = self.known.lock().await;
        let fresh = self.read(known.take()).await?;
        let holders = Arc::clone(&fresh.holders);
        *known = Some(fresh);
        Ok(holders)
    }

    async fn read(&self, known: Option<Known>) -> Result<Known, KeyError> {
        // Asked before the table is: what is committed after it must not count as known.
        let as_of = Instant::now();
        let table = self.keys.table().await?;
        let version = table.version();
        match known.filter(|known| known.version == version) {
            Some(known) => Ok(Known { as_of, ..known }),
            None => Ok(Known { as_of, version, holders: Arc::new(self.keys.holders_in(&table).await?) }),
        }
    }
}
