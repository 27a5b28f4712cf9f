//! Whoever stays: on a connection a key is proven once, and what it may is asked again before every request.
//!
//! [`Access::attend`] is the gate of such protocols. It is the only place that gives a resident's work a [`Caller`], and
//! it gives nothing back before the row in `audit` is durable.

use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use credwatch_schemas::ids::KeyId;
use tokio::time::Instant;

use super::arrived::Arrived;
use super::caller::Caller;
use super::gate::{away, unauthorized};
use super::holder::Recognised;
use super::note::Note;
use super::principal::Principal;
use super::scram::{Asked, Verifier};
use super::{Access, Door};
use crate::problem::Problem;

/// A request that comes too fast for its key waits; longer than this it is refused.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Somebody who claims to have a key, and has been asked to prove it.
#[derive(Debug)]
pub(crate) struct Claim {
    id: KeyId,
    asked: Asked,
}

/// Somebody who has proven to have a key, or who needs none.
#[derive(Debug, Clone)]
pub(crate) struct Resident(Option<KeyId>);

impl Resident {
    /// Behind a door that asks for no key: the operator of the machine.
    pub(crate) fn local(door: Door) -> Option<Self> {
        (door == Door::LocalIsOperator).then_some(Self(None))
    }

    /// What it is called where it connects.
    pub(crate) fn name(&self) -> String {
        self.0.as_ref().map_or_else(|| "local".to_owned(), ToString::to_string)
    }
}

impl Claim {
    /// What the client is told to prove it with.
    pub(crate) fn question(&self) -> &str {
        &self.asked.server_first
    }

    /// Checks the client's proof; gives who it is, and what proves this server to the client.
    pub(crate) fn prove(self, proof: &[u8]) -> Result<(Resident, String), Problem> {
        let ours = self.asked.prove(proof).map_err(|_| unproven())?;
        Ok((Resident(Some(self.id)), ours))
    }
}

/// One sentence for a name that nobody has and for a wrong key.
fn unproven() -> Problem {
    unauthorized("key_unknown", "the user is no key's id, or the password is not that key")
}

impl Access {
    /// Somebody claims to have the key of this id. Also who does not exist is asked.
    pub(crate) async fn claim(&self, id: KeyId, client_first: &[u8]) -> Result<Claim, Problem> {
        let mut holders = self.keyring.get().await.map_err(|error| Problem::away("reading the keys", &error))?;
        if !holders.contains_key(&id) && self.rates.look_again() {
            holders = self.keyring.get_now().await.map_err(|error| Problem::away("reading the keys", &error))?;
        }
        let kept = holders.get(&id).and_then(|holder| Verifier::parse(holder.scram()?));
        let verifier = kept.unwrap_or_else(|| Verifier::of_nobody(id.as_str(), &self.mock));
        let nonce = draw().map_err(|error| Problem::internal("drawing a nonce", &error))?;
        Ok(Claim { id, asked: verifier.ask(client_first, &nonce).map_err(|_| unproven())? })
    }

    /// Runs one request of somebody who has proven who they are: recognised anew, at the rate of their key, recorded
    /// before anything of its outcome is known outside.
    pub(crate) async fn attend<T, W>(
        &self,
        resident: &Resident,
        arrived: &Arrived,
        work: impl FnOnce(Caller) -> W,
    ) -> Result<T, Problem>
    where
        W: Future<Output = Result<T, Problem>>,
    {
        let (note, recognised) = (Note::default(), self.recognise_again(resident).await);
        let outcome = match recognised.clone() {
            Err(problem) => Err(problem),
            Ok(principal) => self.work_of(resident, principal, &note, work).await,
        };
        self.record(arrived, recognised.ok().as_ref(), &note, outcome.as_ref().err()).await?;
        outcome
    }

    async fn work_of<T, W>(
        &self,
        resident: &Resident,
        principal: Principal,
        note: &Note,
        work: impl FnOnce(Caller) -> W,
    ) -> Result<T, Problem>
    where
        W: Future<Output = Result<T, Problem>>,
    {
        self.wait_for_admission(&principal).await?;
        let done = work(Caller::new(principal, note.clone())).await;
        // A key may have been revoked while its statement ran.
        self.recognise_again(resident).await?;
        done
    }

    /// Somebody was turned away before they had proven anything.
    pub(crate) async fn turn_away(&self, arrived: &Arrived, problem: &Problem) -> Result<(), Problem> {
        match self.rates.refuse() {
            Ok(_) => self.record(arrived, None, &Note::default(), Some(problem)).await,
            Err(standing) => Err(self.not_recorded(standing)),
        }
    }

    async fn record(
        &self,
        arrived: &Arrived,
        principal: Option<&Principal>,
        note: &Note,
        problem: Option<&Problem>,
    ) -> Result<(), Problem> {
        if arrived.only_refusals && problem.is_none() {
            return Ok(());
        }
        let status = problem.map_or(StatusCode::OK, Problem::status);
        let code = problem.map(|problem| problem.code().to_owned());
        let row = arrived.row(principal, note, Some(status), code);
        self.audit.write(row).await.map_err(|_| away())
    }

    /// Whether somebody who has proven who they are still is that.
    pub(crate) async fn still_holds(&self, resident: &Resident) -> Result<(), Problem> {
        self.recognise_again(resident).await.map(drop)
    }

    async fn recognise_again(&self, resident: &Resident) -> Result<Principal, Problem> {
        match &resident.0 {
            None => Ok(Principal::local()),
            Some(id) => self.holder_again(id).await,
        }
    }

    /// A connection has one request at a time, so one that comes too fast is kept waiting rather than refused.
    async fn wait_for_admission(&self, principal: &Principal) -> Result<(), Problem> {
        let deadline = Instant::now() + LONGEST_WAIT;
        loop {
            match self.admit(principal) {
                Err(_) if Instant::now() < deadline => tokio::time::sleep(BETWEEN_LOOKS).await,
                admitted => return admitted,
            }
        }
    }
}

/// Why a key that somebody has opens nothing.
pub(super) fn refusal(recognised: &Recognised<'_>) -> Problem {
    match recognised {
        Recognised::Expired => unauthorized("key_expired", "this key has expired"),
        Recognised::Revoked => unauthorized("key_revoked", "this key was revoked"),
        Recognised::Unknown | Recognised::Good(_) => unauthorized("key_unknown", "there is no such key"),
    }
}

fn draw() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 18];
    getrandom::fill(&mut bytes)?;
    Ok(STANDARD_NO_PAD.encode(bytes))
}
