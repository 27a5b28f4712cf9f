//! How far a sink is: a number in the lake's own log, beside the table `consumers`, moved by compare and set.

use credwatch_lake::{Change, Committed, Lake, LakeError, LakeSnapshot, TableName};
use credwatch_query::TenantScope;
use credwatch_schemas::time::Micros;
use sha2::{Digest, Sha256};

use crate::pull::Stream;

/// Where a sink stands, and what it knows of rows that were removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Every row up to here was taken.
    pub(super) position: i64,
    /// Rows below it that were gone when it came by.
    pub(super) missing: i64,
}

/// Losses against others who write the same table before it is put off.
const MOST_ATTEMPTS: u32 = 60;

/// The names of its two numbers.
#[derive(Debug)]
pub(super) struct Kept {
    position: String,
    missing: String,
}

impl Kept {
    /// A stream has numbers of its own, and who wants other orgs' rows has taken none of them: so each has a place.
    pub(super) fn of(sink: &str, stream: Stream, scope: &TenantScope) -> Self {
        let org = match scope {
            TenantScope::Operator => String::new(),
            // An org's id may hold anything.
            TenantScope::Org(org) => hex::encode(&Sha256::digest(org.as_str())[..8]),
        };
        let name = format!("sink/{sink}/{}/{org}", stream.as_str());
        Self { missing: format!("{name}/missing"), position: name }
    }

    pub(super) fn read(&self, snapshot: &LakeSnapshot) -> Option<Place> {
        let table = snapshot.table(&TableName::Consumers)?;
        let position = table.transaction(&self.position)?;
        Some(Place { position, missing: table.transaction(&self.missing).unwrap_or(0) })
    }

    /// False where somebody else has moved it meanwhile. Other commits to the same table are none of that.
    pub(super) async fn move_to(
        &self,
        lake: &Lake,
        from: Option<Place>,
        to: Place,
        now: Micros,
    ) -> Result<bool, LakeError> {
        for _ in 0..MOST_ATTEMPTS {
            let change = Change {
                expect: vec![(self.position.clone(), from.map(|place| place.position))],
                set: vec![(self.position.clone(), to.position), (self.missing.clone(), to.missing)],
                ..Change::default()
            };
            if let Committed::Done { .. } = lake.commit(&TableName::Consumers, change, now).await? {
                return Ok(true);
            }
            if self.read(&lake.snapshot().await?).map(|place| place.position) != from.map(|place| place.position) {
                return Ok(false);
            }
        }
        Ok(false)
    }
}

/// What came of passing over rows that a sink will never take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Skipped {
    /// Rows from this `seq` to that one are left out.
    Left(i64, i64),
    /// It is there already, or further.
    Nothing(i64),
    /// The stream does not go so far.
    Beyond(i64),
}
