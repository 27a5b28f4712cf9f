//! OAuth 2.0 for machines: `POST /oauth/token` gives whoever proves to hold a key an access token that stands for it for an
//! hour (RFC 6749, section 4.4: client credentials).
//!
//! The client is the key: its id is `client_id`, the whole key is `client_secret`, by `Basic` or in the form. A key without
//! a secret is proven by a signed assertion (RFC 7523, `private_key_jwt`). A token opens what its key opens, and no longer
//! than that: a revoked key takes its tokens along within a second.

mod assertion;
mod client;
mod endpoint;
mod minting;
mod refused;

use credwatch_schemas::ids::KeyId;
use credwatch_schemas::time::Micros;

use super::Access;
use super::bearer::Jwt;
use super::principal::Principal;
use super::public_key::PublicKey;
use crate::problem::Problem;
pub(super) use assertion::Replays;
use assertion::Unproven;
use client::{Client, Proof};
pub(crate) use endpoint::{__path_metadata, __path_token, TOKEN, metadata, token};
use minting::Minted;
pub use minting::Minting;
pub(super) use minting::Whose;
use refused::Refused;

impl Access {
    /// A token for a client that has proven itself. `audiences` are what an assertion may be made for.
    async fn exchange(&self, client: &Client, audiences: &[String]) -> Result<(Principal, Minted), Refused> {
        let minting = self.minting.as_ref().ok_or(Refused::NotHere)?;
        let (principal, id) = match &client.proof {
            Proof::Secret(key) => (self.holder_of(key).await.map_err(Refused::client)?, key.id()),
            Proof::Assertion(assertion) => self.signer_of(client, assertion, audiences).await?,
        };
        if client.id.as_ref().is_some_and(|said| *said != id) {
            return Err(Refused::Client("client_id is another one than the one that was proven".to_owned()));
        }
        if let Proof::Secret(_) = client.proof {
            self.admit(&principal).map_err(Refused::Problem)?;
        }
        let ends = self.ends(&id).await?;
        let minted = minting.mint(&id, ends, (self.clock)());
        Ok((principal, minted.map_err(|error| Refused::Problem(Problem::internal("making a token", &error)))?))
    }

    /// Only an assertion of somebody who may come in is remembered: others must not fill the memory.
    async fn signer_of(
        &self,
        client: &Client,
        assertion: &Jwt,
        audiences: &[String],
    ) -> Result<(Principal, KeyId), Refused> {
        let unproven = |why: &str| Refused::Client(why.to_owned());
        let id = assertion::claimed(assertion).or_else(|| client.id.clone());
        let id = id.ok_or_else(|| unproven("the assertion does not say whose it is"))?;
        if audiences.is_empty() {
            return Err(unproven("this server does not know its own address: public_url must be configured"));
        }
        let public = self.public_key_of(&id).await?;
        let public = public.ok_or_else(|| unproven("no key of this id is proven by assertions"))?;
        let now = (self.clock)();
        let ends =
            assertion::check(assertion, &public, &id, audiences, now).map_err(|why| unproven(&why.to_string()))?;
        let principal = self.holder_again(&id).await.map_err(Refused::client)?;
        self.admit(&principal).map_err(Refused::Problem)?;
        match self.replays.first_time(&id, assertion, ends, now) {
            Ok(()) => Ok((principal, id)),
            Err(Unproven::TooMany) => Err(Refused::TooMany),
            Err(why) => Err(unproven(&why.to_string())),
        }
    }

    async fn public_key_of(&self, id: &KeyId) -> Result<Option<PublicKey>, Refused> {
        let mut holders = self.keyring.get().await.map_err(|error| Refused::away(&error))?;
        if !holders.contains_key(id) && self.rates.look_again() {
            holders = self.keyring.get_now().await.map_err(|error| Refused::away(&error))?;
        }
        Ok(holders.get(id).and_then(|holder| PublicKey::parse(holder.public_key()?).ok()))
    }

    async fn ends(&self, id: &KeyId) -> Result<Option<Micros>, Refused> {
        let holders = self.keyring.get().await.map_err(|error| Refused::away(&error))?;
        Ok(holders.get(id).and_then(|holder| holder.expires_time))
    }
}
