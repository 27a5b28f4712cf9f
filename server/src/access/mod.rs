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
mod gate;
mod holder;
mod key;
mod keyring;
mod keys;
mod note;
mod principal;
mod rate;
mod resident;
mod scram;

use std::sync::Arc;

use credwatch_lake::Lake;
use credwatch_schemas::time::Micros;

use crate::problem::Problem;
pub(crate) use arrived::Arrived;
pub use audit_log::AuditLog;
pub(crate) use caller::{Caller, Permit};
pub(crate) use gate::{challenge, gate, limited};
pub use holder::Holder;
pub use key::{Key, Unreadable};
use keyring::Keyring;
pub use keys::{Draft, KeyError, KeyInfo, Keys, Revoked};
use rate::Rates;
pub(crate) use rate::Standing;
pub(crate) use resident::Resident;
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
    keyring: Arc<Keyring>,
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
        let (keyring, rates) = (Arc::new(Keyring::new(lake)), Arc::default());
        Self { door, keyring, rates, audit, mock: Arc::new(mock), clock }
    }

    /// A change of a finding costs every detector a second look, so one principal makes few of them.
    pub(crate) fn admit_change(&self, permit: &Permit) -> Result<(), Problem> {
        let changes = self.rates.change(&permit.principal());
        changes
            .map(drop)
            .map_err(|standing| limited(standing, (self.clock)(), "too many changes of findings at this moment"))
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
mod tests;
