//! The server's half of SCRAM-SHA-256 (RFC 5802, RFC 7677), as Postgres' clients speak it. Pure.
//!
//! A key is proven without being sent, against a verifier that opens nothing by itself. Libraries that play this half
//! ask for the salted password instead, which is as good as the password: whoever read the table of keys could log in.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

pub(crate) const MECHANISM: &str = "SCRAM-SHA-256";

/// What a proof is checked against: salt and iterations for the client, and two keys from which nothing can be proven.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Verifier {
    iterations: u32,
    salt: String,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

/// An exchange that waits for the client's proof.
#[derive(Debug)]
pub(super) struct Asked {
    verifier: Verifier,
    /// How the client said whether it binds the proof to the channel.
    binding: String,
    nonce: String,
    first_bare: String,
    /// What the client is told: nonce, salt and iterations.
    pub(super) server_first: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Unproven {
    #[error("the client's message is not one of SCRAM-SHA-256")]
    Malformed,
    #[error("the proof is not one of this key")]
    Wrong,
}

impl Verifier {
    /// As Postgres writes it: `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`, the last three in base64.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (parameters, keys) = text.strip_prefix(MECHANISM)?.strip_prefix('$')?.split_once('$')?;
        let ((iterations, salt), (stored, server)) = (parameters.split_once(':')?, keys.split_once(':')?);
        STANDARD.decode(salt).ok()?;
        Some(Self {
            iterations: iterations.parse().ok()?,
            salt: salt.to_owned(),
            stored_key: STANDARD.decode(stored).ok()?,
            server_key: STANDARD.decode(server).ok()?,
        })
    }

    /// For a name that nobody has: it looks like any other, the same each time, and nothing proves it.
    pub(super) fn of_nobody(name: &str, secret: &[u8; 32]) -> Self {
        let drawn = |what: &[u8]| mac(secret, &[what, name.as_bytes()].concat());
        let salt = STANDARD.encode(&drawn(b"salt")[..16]);
        Self { iterations: 4_096, salt, stored_key: drawn(b"stored"), server_key: drawn(b"server") }
    }

    /// Answers the client's first message. `nonce` is drawn anew for each exchange.
    pub(super) fn ask(self, client_first: &[u8], nonce: &str) -> Result<Asked, Unproven> {
        let text = std::str::from_utf8(client_first).map_err(|_| Unproven::Malformed)?;
        let (binding, bare) = split_binding(text).ok_or(Unproven::Malformed)?;
        let theirs = bare.split(',').find_map(|part| part.strip_prefix("r=")).filter(|nonce| !nonce.is_empty());
        let nonce = format!("{}{nonce}", theirs.ok_or(Unproven::Malformed)?);
        let server_first = format!("r={nonce},s={},i={}", self.salt, self.iterations);
        Ok(Asked { verifier: self, binding: binding.to_owned(), nonce, first_bare: bare.to_owned(), server_first })
    }
}

/// `n,,` or `y,,` and what follows. A client that binds to the channel was not offered that.
fn split_binding(text: &str) -> Option<(&str, &str)> {
    let (flag, rest) = text.split_once(',')?;
    let (identity, bare) = rest.split_once(',')?;
    (matches!(flag, "n" | "y") && identity.is_empty()).then_some((&text[..text.len() - bare.len()], bare))
}

impl Asked {
    /// Checks the proof in the client's last message; gives our own proof, by which the client knows this server.
    pub(super) fn prove(&self, client_final: &[u8]) -> Result<String, Unproven> {
        let text = std::str::from_utf8(client_final).map_err(|_| Unproven::Malformed)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(Unproven::Malformed)?;
        let proof = STANDARD.decode(proof).map_err(|_| Unproven::Malformed)?;
        let expected = format!("c={},r={}", STANDARD.encode(&self.binding), self.nonce);
        if without_proof != expected {
            return Err(Unproven::Malformed);
        }
        let message = format!("{},{},{without_proof}", self.first_bare, self.server_first);
        let signature = mac(&self.verifier.stored_key, message.as_bytes());
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
        let is_proven = Sha256::digest(&client_key).as_slice().ct_eq(&self.verifier.stored_key);
        if proof.len() != signature.len() || !bool::from(is_proven) {
            return Err(Unproven::Wrong);
        }
        Ok(format!("v={}", STANDARD.encode(mac(&self.verifier.server_key, message.as_bytes()))))
    }
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    // HMAC takes keys of every length.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.chain_update(message).finalize().into_bytes().to_vec()
}

impl fmt::Debug for Verifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Verifier({MECHANISM}, {} iterations)", self.iterations)
    }
}

#[cfg(test)]
mod tests {
    use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};

    use super::*;
    use crate::access::key::Key;

    /// What a client that brings `password` hears from a server that kept `verifier`.
    fn exchange(verifier: Verifier, password: &str) -> Result<(), Unproven> {
        let mut client = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        let asked = verifier.ask(client.message(), "a-nonce-of-the-server")?;
        client.update(asked.server_first.as_bytes()).unwrap();
        let ours = asked.prove(client.message())?;
        client.finish(ours.as_bytes()).unwrap();
        Ok(())
    }

    #[test]
    fn the_exchange_of_rfc_7677_comes_out_as_it_stands_there() {
        let salted = {
            let mut block =
                mac(b"pencil", &[STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(), vec![0, 0, 0, 1]].concat());
            let mut sum = block.clone();
            for _ in 1..4_096 {
                block = mac(b"pencil", &block);
                sum.iter_mut().zip(&block).for_each(|(sum, block)| *sum ^= block);
            }
            sum
        };
        let verifier = Verifier {
            iterations: 4_096,
            salt: "W22ZaJ0SNY7soEsUEjb6gQ==".into(),
            stored_key: Sha256::digest(mac(&salted, b"Client Key")).to_vec(),
            server_key: mac(&salted, b"Server Key"),
        };
        let asked = verifier.ask(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0").unwrap();
        assert_eq!(
            asked.server_first,
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(asked.prove(last.as_bytes()).unwrap(), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn who_has_the_key_proves_it_and_nobody_else_does() {
        let (key, other) = (Key::draw().unwrap(), Key::draw().unwrap());
        let kept = || Verifier::parse(&key.verifier()).unwrap();
        assert_eq!(exchange(kept(), &key.clone().reveal()), Ok(()));
        assert_eq!(exchange(kept(), &other.reveal()), Err(Unproven::Wrong));
        assert_eq!(exchange(kept(), ""), Err(Unproven::Wrong));
    }

    #[test]
    fn what_is_kept_opens_nothing() {
        let key = Key::draw().unwrap();
        let kept = key.verifier();
        assert_eq!(exchange(Verifier::parse(&kept).unwrap(), &kept), Err(Unproven::Wrong));
        assert!(!format!("{:?}", Verifier::parse(&kept)).contains(kept.rsplit(':').next().unwrap()));
    }

    #[test]
    fn a_name_that_nobody_has_is_asked_like_any_other_and_never_proven() {
        let nobody = || Verifier::of_nobody("0123456789abcdef", &[7; 32]);
        assert_eq!(exchange(nobody(), "anything"), Err(Unproven::Wrong));
        let first = |verifier: Verifier| verifier.ask(b"n,,n=,r=x", "y").unwrap().server_first;
        assert_eq!(first(nobody()), first(nobody()), "asking twice tells nothing");
    }

    #[test]
    fn messages_that_are_none_are_refused_and_a_proof_is_good_once() {
        let key = Key::draw().unwrap();
        let kept = || Verifier::parse(&key.verifier()).unwrap();
        for bad in ["", "n", "n,,", "n,,n=user", "p=tls-unique,,n=,r=x", "n,a=admin,n=,r=x", "n,,n=,r="] {
            assert_eq!(kept().ask(bad.as_bytes(), "y").err(), Some(Unproven::Malformed), "{bad}");
        }
        let password = key.clone().reveal();
        let mut client = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        let asked = kept().ask(client.message(), "one").unwrap();
        client.update(asked.server_first.as_bytes()).unwrap();
        let heard = client.message().to_vec();
        asked.prove(&heard).unwrap();
        let mut again = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        let later = kept().ask(again.message(), "two").unwrap();
        again.update(later.server_first.as_bytes()).unwrap();
        assert!(later.prove(&heard).is_err(), "heard in another exchange");
        for cut in 0..heard.len() {
            assert!(asked.prove(&heard[..cut]).is_err(), "{cut}");
        }
    }
}
