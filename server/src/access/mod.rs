//! From a request to a permit: who asks, whose rows are meant, what is allowed, and the row that says so.
//!
//! The order is kept by types. [`gate`](gate::gate) recognises a [`Principal`] and hands the handler a [`Caller`];
//! [`Caller::within`] settles whose rows are meant; [`Scoped::may`] checks the right and gives a [`Permit`]; and
//! without a permit there is no snapshot to read from. Whatever the answer is, also a refusal, the gate holds it back
//! until its row in the table `audit` is durable; where that cannot be had, the answer is 503.

mod arrived;
mod audit_log;
mod bearer;
mod caller;
mod fitting;
mod gate;
mod grants;
mod holder;
mod key;
mod keys;
mod note;
pub(crate) mod oauth;
mod oidc;
mod principal;
mod public_key;
mod rate;
mod resident;
mod scram;

use std::sync::Arc;

use credwatch_lake::Lake;
use credwatch_schemas::access::{GrantRow, KeyRow};
use credwatch_schemas::time::Micros;

use crate::book::Fresh;
use crate::problem::Problem;
pub(crate) use arrived::{Arrived, Surface};
pub use audit_log::AuditLog;
pub(crate) use bearer::{Brought, brought};
pub(crate) use caller::{Caller, Permit};
pub(crate) use gate::{challenge, gate, limited, whole};
use grants::standing;
pub use grants::{Grant, GrantError, GrantInfo, Grants, NewGrant, NoGrant};
pub use holder::Holder;
use holder::{Holders, holders};
pub use key::{Key, Unreadable};
pub use keys::{Draft, KeyError, KeyInfo, Keys, Revoked};
pub use oauth::Minting;
use oauth::Replays;
pub(crate) use oauth::TOKEN;
pub use oidc::{Issuer, IssuerError, Trust};
pub use public_key::{NotPublic, PublicKey};
use rate::Rates;
pub(crate) use rate::Standing;
pub(crate) use resident::{Bringing, Proof, Resident};
pub(crate) use scram::MECHANISM;

/// Reads the wall clock; tests have one of their own.
pub type Clock = fn() -> Micros;

/// What is asked of a caller who brings no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Nothing: whoever can reach this loopback listener is the operator of the machine.
    LocalIsOperator,
    /// A key, always.
    KeysOnly,
}

/// What the gate needs. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    door: Door,
    keyring: Arc<Fresh<KeyRow, Holders>>,
    grants: Arc<Fresh<GrantRow, Vec<Grant>>>,
    /// Whose tokens count besides keys, if anybody's.
    issuer: Option<Arc<Issuer>>,
    /// What makes tokens for keys, where this server can.
    minting: Option<Arc<Minting>>,
    replays: Arc<Replays>,
    rates: Arc<Rates>,
    audit: AuditLog,
    /// What names that nobody has are asked with; see [`scram`].
    mock: Arc<[u8; 32]>,
    pub(crate) clock: Clock,
}

impl Access {
    pub(crate) fn new(lake: Lake, door: Door, audit: AuditLog, clock: Clock) -> Self {
        let mut mock = [0; 32];
        // Without randomness there are no keys either: this only hides which names exist.
        getrandom::fill(&mut mock).unwrap_or_default();
        Self {
            door,
            keyring: Arc::new(Fresh::new(keys::book(lake.clone()), holders)),
            grants: Arc::new(Fresh::new(grants::book(lake), standing)),
            issuer: None,
            minting: None,
            replays: Arc::default(),
            rates: Arc::default(),
            audit,
            mock: Arc::new(mock),
            clock,
        }
    }

    pub(crate) fn trust(&mut self, issuer: Issuer) {
        self.issuer = Some(Arc::new(issuer));
    }

    pub(crate) fn mint_with(&mut self, minting: Minting) {
        self.minting = Some(Arc::new(minting));
    }

    /// A change costs others a second look, so one principal makes few of them.
    pub(crate) fn admit_change(&self, permit: &Permit) -> Result<(), Problem> {
        let changes = self.rates.change(&permit.principal());
        changes.map(drop).map_err(|standing| limited(standing, (self.clock)(), "too many changes at this moment"))
    }

    /// Where a reader stands who pulls one more page; `Err` when it is one too many.
    pub(crate) fn pull(&self, permit: &Permit) -> Result<Standing, Standing> {
        self.rates.pull(&permit.principal())
    }

    pub(crate) fn door(&self) -> Door {
        self.door
    }
}

#[cfg(test)]
pub(crate) mod tests;
