//! The gate of other protocols than HTTP: whoever stays on a connection proves a key or shows a token once, others bring it with
//! every request, and what it may is asked again before each.
//!
//! [`Access::attend`] is the only place that gives their work a [`Caller`], and it gives nothing back before the row in
//! `audit` is durable.

use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use credwatch_schemas::ids::KeyId;
use tokio::time::Instant;

use super::arrived::Arrived;
use super::bearer::{Brought, Jwt};
use super::caller::Caller;
use super::gate::{away, changed, unauthorized};
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

/// What shows who somebody is, as of now.
pub(crate) trait Proof {
    async fn principal(&self, access: &Access) -> Result<Principal, Problem>;

    /// Whether it lasts as long as a connection that has one request at a time.
    fn is_lasting(&self) -> bool;
}

impl Proof for Resident {
    async fn principal(&self, access: &Access) -> Result<Principal, Problem> {
        match &self.0 {
            Shown::Nothing => Ok(Principal::local()),
            Shown::Key(id) => access.holder_again(id).await,
            Shown::Token(token) => access.recognise(&Brought::Token(token.clone()), Door::KeysOnly).await,
        }
    }

    fn is_lasting(&self) -> bool {
        true
    }
}

impl Proof for Bringing {
    async fn principal(&self, access: &Access) -> Result<Principal, Problem> {
        access.recognise(&self.brought, self.door).await
    }

    fn is_lasting(&self) -> bool {
        false
    }
}

/// Somebody who brings something along with every request, to this door.
#[derive(Debug, Clone)]
pub(crate) struct Bringing {
    pub(crate) brought: Brought,
    pub(crate) door: Door,
}

/// Somebody who has proven to have a key, who has shown a token, or who needs neither.
#[derive(Debug, Clone)]
pub(crate) struct Resident(Shown);

#[derive(Debug, Clone)]
enum Shown {
    Nothing,
    Key(KeyId),
    /// It is read anew before each request: a connection lasts no longer than its token.
    Token(Jwt),
}

impl Resident {
    /// Behind a door that asks for no key: the operator of the machine.
    pub(crate) fn local(door: Door) -> Option<Self> {
        (door == Door::LocalIsOperator).then_some(Self(Shown::Nothing))
    }

    /// Whoever brings this token, if it is one.
    pub(crate) fn with_token(text: &str) -> Result<Self, Problem> {
        let token = Jwt::parse(text).ok_or_else(|| unauthorized("token_unknown", "the password is no token"))?;
        Ok(Self(Shown::Token(token)))
    }

    /// What it is called where it connects.
    pub(crate) fn name(&self) -> String {
        match &self.0 {
            Shown::Nothing => "local".to_owned(),
            Shown::Key(id) => id.to_string(),
            Shown::Token(_) => "token".to_owned(),
        }
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
        Ok((Resident(Shown::Key(self.id)), ours))
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

    /// Runs one request: its sender recognised anew, at the rate of their key, recorded before anything of its outcome is
    /// known outside.
    pub(crate) async fn attend<T, W>(
        &self,
        proof: &impl Proof,
        arrived: &Arrived,
        work: impl FnOnce(Caller) -> W,
    ) -> Result<T, Problem>
    where
        W: Future<Output = Result<T, Problem>>,
    {
        let note = Note::default();
        let principal = match proof.principal(self).await {
            Ok(principal) => principal,
            Err(problem) => return Err(self.turn_away(arrived, None, problem).await),
        };
        if let Err(problem) = self.admitted(proof, &principal).await {
            return Err(self.turn_away(arrived, Some(&principal), problem).await);
        }
        let outcome = self.work_of(proof, &principal, &note, work).await;
        self.record(arrived, Some(&principal), &note, outcome.as_ref().err()).await?;
        let answer = outcome?;
        // The row may have waited for the disk.
        self.is_still(proof, &principal).await?;
        Ok(answer)
    }

    async fn work_of<T, W>(
        &self,
        proof: &impl Proof,
        principal: &Principal,
        note: &Note,
        work: impl FnOnce(Caller) -> W,
    ) -> Result<T, Problem>
    where
        W: Future<Output = Result<T, Problem>>,
    {
        let done = work(Caller::new(principal.clone(), note.clone())).await;
        // A key may have been revoked while its statement ran.
        self.is_still(proof, principal).await?;
        done
    }

    /// Somebody is turned away; what they are told. Refusals are recorded up to a rate, beyond it they are counted.
    pub(crate) async fn turn_away(
        &self,
        arrived: &Arrived,
        principal: Option<&Principal>,
        problem: Problem,
    ) -> Problem {
        match self.rates.refuse() {
            Ok(_) => self.record(arrived, principal, &Note::default(), Some(&problem)).await.err().unwrap_or(problem),
            Err(standing) => self.not_recorded(standing),
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
        resident.principal(self).await.map(drop)
    }

    async fn is_still(&self, proof: &impl Proof, principal: &Principal) -> Result<(), Problem> {
        if proof.principal(self).await? == *principal { Ok(()) } else { Err(changed()) }
    }

    /// A connection of a resident has one request at a time, so one that comes too fast is kept waiting rather than
    /// refused.
    async fn admitted(&self, proof: &impl Proof, principal: &Principal) -> Result<(), Problem> {
        if !proof.is_lasting() {
            return self.admit(principal);
        }
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
