//! Stopping what a connection does, from another. Postgres' clients ask for that in a first message, with a number and
//! a secret that they were told; or in a statement, with the number alone, which holds for connections of the same
//! principal and says nothing of others'.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use credwatch_query::postgres::{Backend, Backends, Stated, Stop};
use credwatch_schemas::time::Micros;
use pgwire::messages::ProtocolVersion;
use pgwire::messages::startup::SecretKey;
use tokio_util::sync::CancellationToken;

use super::settings::Settings;

/// Of a statement so much is remembered, as in Postgres.
const LONGEST_TEXT: usize = 1_024;

/// Which connections there are, and how to stop what each is doing.
#[derive(Debug, Default)]
pub(super) struct Cancels {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    last: i32,
    connections: BTreeMap<i32, Entry>,
}

#[derive(Debug)]
struct Entry {
    whose: Whose,
    secret: Secret,
    doing: Doing,
    /// Cancelled when the connection is to end.
    ended: CancellationToken,
}

/// Whose connection it is, and what is said of it to its owner.
#[derive(Debug)]
pub(super) struct Whose {
    /// As tables name the principal.
    pub(super) owner: String,
    pub(super) since: Micros,
    pub(super) settings: Arc<Mutex<Settings>>,
}

/// What its client alone knows.
#[derive(Clone)]
struct Secret(SecretKey);

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(..)")
    }
}

/// What a connection is doing at this moment, or did last.
#[derive(Debug, Clone, Default)]
struct Doing(Arc<Mutex<Now>>);

#[derive(Debug, Default)]
struct Now {
    stop: CancellationToken,
    statement: Option<Stated>,
}

/// A connection's entry; it goes with the connection.
#[derive(Debug)]
pub(super) struct Cancellable {
    cancels: Arc<Cancels>,
    doing: Doing,
    ended: CancellationToken,
    owner: String,
    pub(super) number: i32,
    secret: Secret,
}

/// The connections of one owner, as their statements see them. It keeps none of them in its place.
#[derive(Debug)]
pub(super) struct Theirs {
    cancels: Arc<Cancels>,
    owner: String,
    number: i32,
}

impl Cancels {
    pub(super) fn enter(
        self: &Arc<Self>,
        version: ProtocolVersion,
        whose: Whose,
    ) -> Result<Cancellable, getrandom::Error> {
        let (secret, doing, ended) = (Secret(draw(version)?), Doing::default(), CancellationToken::new());
        let (cancels, owner) = (Arc::clone(self), whose.owner.clone());
        let mut known = self.lock();
        known.last = known.last.checked_add(1).unwrap_or(1);
        let number = known.last;
        let entry = Entry { whose, secret: secret.clone(), doing: doing.clone(), ended: ended.clone() };
        known.connections.insert(number, entry);
        Ok(Cancellable { cancels, doing, ended, owner, number, secret })
    }

    /// A wrong secret stops nothing and is told nothing.
    pub(super) fn cancel(&self, number: i32, secret: &SecretKey) {
        let known = self.lock();
        if let Some(entry) = known.connections.get(&number).filter(|entry| entry.secret.0.eq_value(secret)) {
            entry.stop(Stop::Statement);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backends for Theirs {
    fn own(&self) -> i32 {
        self.number
    }

    fn all(&self) -> Vec<Backend> {
        let known = self.cancels.lock();
        let theirs = known.connections.iter().filter(|(_, entry)| entry.whose.owner == self.owner);
        theirs.map(|(number, entry)| entry.shown(*number)).collect()
    }

    fn stop(&self, number: i32, what: Stop) -> bool {
        let known = self.cancels.lock();
        let entry = known.connections.get(&number).filter(|entry| entry.whose.owner == self.owner);
        entry.inspect(|entry| entry.stop(what)).is_some()
    }
}

impl Entry {
    fn stop(&self, what: Stop) {
        match what {
            Stop::Statement => self.doing.lock().stop.cancel(),
            Stop::Connection => self.ended.cancel(),
        }
    }

    fn shown(&self, number: i32) -> Backend {
        let settings = self.whose.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let application = settings.show("application_name").unwrap_or_default();
        Backend { number, application, began: self.whose.since, statement: self.doing.lock().statement.clone() }
    }
}

impl Doing {
    fn lock(&self) -> MutexGuard<'_, Now> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mark(&self, is_running: bool) {
        if let Some(statement) = &mut self.lock().statement {
            statement.is_running = is_running;
        }
    }
}

impl Cancellable {
    /// Ready when somebody has stopped the statement that begins now, or its connection.
    pub(super) fn begin(&self, text: &str, began: Micros) -> CancellationToken {
        let (stop, text) = (self.ended.child_token(), &text[..text.floor_char_boundary(LONGEST_TEXT)]);
        let statement = Some(Stated { text: text.to_owned(), began, is_running: true });
        *self.doing.lock() = Now { stop: stop.clone(), statement };
        stop
    }

    /// More of the last statement's rows are asked for.
    pub(super) fn goes_on(&self) {
        self.doing.mark(true);
    }

    /// What was asked is answered.
    pub(super) fn rests(&self) {
        self.doing.mark(false);
    }

    /// Cancelled when somebody has stopped the connection.
    pub(super) fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    pub(super) fn secret(&self) -> SecretKey {
        self.secret.0.clone()
    }

    /// The connections of this one's owner.
    pub(super) fn theirs(&self) -> Theirs {
        Theirs { cancels: Arc::clone(&self.cancels), owner: self.owner.clone(), number: self.number }
    }
}

impl Drop for Cancellable {
    fn drop(&mut self) {
        self.cancels.lock().connections.remove(&self.number);
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

    const BEGAN: Micros = Micros(2);

    fn enter(cancels: &Arc<Cancels>, owner: &str) -> Cancellable {
        let whose = Whose { owner: owner.into(), since: Micros(1), settings: Arc::default() };
        cancels.enter(ProtocolVersion::PROTOCOL3_0, whose).unwrap()
    }

    #[test]
    fn only_who_knows_the_secret_stops_the_statement_of_that_connection() {
        let cancels = Arc::new(Cancels::default());
        let (one, other) = (enter(&cancels, "key:a"), enter(&cancels, "key:a"));
        let (first, second) = (one.begin("SELECT 1", BEGAN), other.begin("SELECT 2", BEGAN));
        cancels.cancel(one.number, &other.secret());
        cancels.cancel(9_999, &one.secret());
        assert!(!first.is_cancelled() && !second.is_cancelled());
        cancels.cancel(one.number, &one.secret());
        assert!(first.is_cancelled() && !second.is_cancelled());
        let next = one.begin("SELECT 3", BEGAN);
        assert!(!next.is_cancelled(), "the next statement is not stopped by what was meant for the last");
    }

    #[test]
    fn a_connection_that_is_gone_is_forgotten_also_while_its_statement_still_ends() {
        let cancels = Arc::new(Cancels::default());
        let gone = enter(&cancels, "key:a");
        let theirs = gone.theirs();
        drop(gone);
        assert!(cancels.lock().connections.is_empty() && theirs.all().is_empty());
    }

    #[test]
    fn a_statement_stops_connections_of_its_owner_and_hears_of_no_others() {
        let cancels = Arc::new(Cancels::default());
        let (one, other, strange) = (enter(&cancels, "key:a"), enter(&cancels, "key:a"), enter(&cancels, "key:b"));
        let (running, strangers) = (one.begin("SELECT 1", BEGAN), strange.begin("SELECT 'theirs'", BEGAN));
        let theirs = other.theirs();
        assert_eq!(theirs.own(), other.number);
        let numbers: Vec<i32> = theirs.all().into_iter().map(|backend| backend.number).collect();
        assert_eq!(numbers, [one.number, other.number]);
        for what in [Stop::Statement, Stop::Connection] {
            assert!(!theirs.stop(strange.number, what) && !theirs.stop(9_999, what));
        }
        assert!(!strangers.is_cancelled() && !strange.ended().is_cancelled());
        assert!(theirs.stop(one.number, Stop::Statement));
        assert!(running.is_cancelled() && !one.ended().is_cancelled());
        let next = one.begin("SELECT 2", BEGAN);
        assert!(theirs.stop(one.number, Stop::Connection));
        assert!(next.is_cancelled() && one.ended().is_cancelled() && !other.ended().is_cancelled());
        assert!(one.begin("SELECT 3", BEGAN).is_cancelled(), "nothing begins on a connection that ends");
    }

    #[test]
    fn the_owner_sees_what_a_connection_is_called_and_what_it_runs_or_ran_last() {
        let cancels = Arc::new(Cancels::default());
        let settings: Arc<Mutex<Settings>> = Arc::default();
        let whose = Whose { owner: "key:a".into(), since: Micros(1), settings: Arc::clone(&settings) };
        let one = cancels.enter(ProtocolVersion::PROTOCOL3_0, whose).unwrap();
        let shown = || one.theirs().all().remove(0);
        assert_eq!((shown().application, shown().began, shown().statement), (String::new(), Micros(1), None));
        settings.lock().unwrap().set("application_name", Some("superset")).unwrap();
        one.begin(&"ü".repeat(LONGEST_TEXT), BEGAN);
        let (application, statement) = (shown().application, shown().statement.unwrap());
        assert_eq!((application.as_str(), statement.text.len(), statement.began), ("superset", LONGEST_TEXT, BEGAN));
        let is_running = || shown().statement.unwrap().is_running;
        assert!(statement.is_running && is_running());
        one.rests();
        assert!(!is_running());
        one.goes_on();
        assert!(is_running());
    }

    #[test]
    fn a_secret_is_never_printed() {
        let cancels = Arc::new(Cancels::default());
        let one = enter(&cancels, "key:a");
        let SecretKey::I32(secret) = one.secret() else { panic!("four bytes") };
        let printed = format!("{cancels:?} {one:?}");
        assert!(!printed.contains(&secret.to_string()) && printed.contains("Secret(..)"), "{printed}");
    }
}
