//! Stopping a statement: Postgres' clients ask for that on a connection of its own, with a number and a secret that they
//! were told on the first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use pgwire::messages::ProtocolVersion;
use pgwire::messages::startup::SecretKey;
use tokio_util::sync::CancellationToken;

/// Which connections there are, and how to stop what each is doing.
#[derive(Debug, Default)]
pub(super) struct Cancels {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    last: i32,
    connections: HashMap<i32, (SecretKey, Current)>,
}

/// What a connection is doing at this moment.
#[derive(Debug, Clone, Default)]
struct Current(Arc<Mutex<CancellationToken>>);

/// A connection's entry; it goes with the connection.
#[derive(Debug)]
pub(super) struct Cancellable {
    cancels: Arc<Cancels>,
    current: Current,
    pub(super) number: i32,
    pub(super) secret: SecretKey,
}

impl Cancels {
    pub(super) fn enter(self: &Arc<Self>, version: ProtocolVersion) -> Result<Cancellable, getrandom::Error> {
        let (secret, current) = (draw(version)?, Current::default());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.last = known.last.checked_add(1).unwrap_or(1);
        let number = known.last;
        known.connections.insert(number, (secret.clone(), current.clone()));
        Ok(Cancellable { cancels: Arc::clone(self), current, number, secret })
    }

    /// A wrong secret stops nothing and is told nothing.
    pub(super) fn cancel(&self, number: i32, secret: &SecretKey) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, current)) = known.connections.get(&number).filter(|(kept, _)| kept.eq_value(secret)) {
            current.0.lock().unwrap_or_else(PoisonError::into_inner).cancel();
        }
    }
}

impl Cancellable {
    /// Ready when somebody has stopped the statement that begins now.
    pub(super) fn begin(&self) -> CancellationToken {
        let token = CancellationToken::new();
        *self.current.0.lock().unwrap_or_else(PoisonError::into_inner) = token.clone();
        token
    }
}

impl Drop for Cancellable {
    fn drop(&mut self) {
        let mut known = self.cancels.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.connections.remove(&self.number);
    }
}

/// Protocol 3.0 has room for four bytes only.
fn draw(version: ProtocolVersion) -> Result<SecretKey, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    let [a, b, c, d, ..] = bytes;
    Ok(match version {
        ProtocolVersion::PROTOCOL3_0 => SecretKey::I32(i32::from_be_bytes([a, b, c, d])),
        _ => SecretKey::Bytes(bytes.to_vec().into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_knows_the_secret_stops_the_statement_of_that_connection() {
        let cancels = Arc::new(Cancels::default());
        let (one, other) = (
            cancels.enter(ProtocolVersion::PROTOCOL3_0).unwrap(),
            cancels.enter(ProtocolVersion::PROTOCOL3_0).unwrap(),
        );
        let (first, second) = (one.begin(), other.begin());
        cancels.cancel(one.number, &other.secret);
        cancels.cancel(9_999, &one.secret);
        assert!(!first.is_cancelled() && !second.is_cancelled());
        cancels.cancel(one.number, &one.secret);
        assert!(first.is_cancelled() && !second.is_cancelled());
        assert!(!one.begin().is_cancelled(), "the next statement is not stopped by what was meant for the last");
    }

    #[test]
    fn a_connection_that_is_gone_is_forgotten() {
        let cancels = Arc::new(Cancels::default());
        drop(cancels.enter(ProtocolVersion::PROTOCOL3_0).unwrap());
        assert!(cancels.known.lock().unwrap().connections.is_empty());
    }
}
