//! Access tokens of our own: a JSON Web Token that names a key and when it ends, under a code (HS256) that servers of one
//! lake share. It is derived from the redaction key, which they share already and which does not lie in the lake.

use credwatch_schemas::ids::KeyId;
use credwatch_schemas::time::{HOUR, Micros, SECOND};
use jsonwebtoken::errors::Error;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, decode, encode};
use serde::{Deserialize, Serialize};

use crate::access::bearer::Jwt;
use crate::access::oidc::signature_only;

/// Tokens say that they are made here and for here.
const OURS: &str = "credwatch";
const LIFE: i64 = HOUR;

/// What makes tokens and knows them again. It cannot be printed.
pub struct Minting {
    sign: EncodingKey,
    check: DecodingKey,
}

impl std::fmt::Debug for Minting {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Minting(...)")
    }
}

/// What a token turns out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Ours, for the holder of this key.
    Key(KeyId),
    /// Ours, and over.
    Expired,
    NotOurs,
}

/// A token, and the seconds that it holds.
pub(super) struct Minted {
    pub(super) token: String,
    pub(super) expires_in: i64,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    /// The key's id.
    sub: String,
    iat: i64,
    exp: i64,
    jti: String,
}

impl Minting {
    pub fn new(secret: &[u8; 32]) -> Result<Self, Error> {
        Ok(Self { sign: EncodingKey::from_secret(secret)?, check: DecodingKey::from_secret(secret)? })
    }

    /// A token for the holder of a key that holds until `ends`.
    pub(super) fn mint(&self, key: &KeyId, ends: Option<Micros>, now: Micros) -> Result<Minted, Error> {
        let until = ends.map_or(now.plus(LIFE), |ends| ends.min(now.plus(LIFE)));
        let (now, until) = (seconds(now), seconds(until));
        let claims = Claims {
            iss: OURS.to_owned(),
            aud: OURS.to_owned(),
            sub: key.as_str().to_owned(),
            iat: now,
            exp: until,
            jti: uuid::Uuid::new_v4().simple().to_string(),
        };
        let token = encode(&Header::new(Algorithm::HS256), &claims, &self.sign)?;
        Ok(Minted { token, expires_in: until - now })
    }

    pub(crate) fn read(&self, token: &Jwt, now: Micros) -> Whose {
        let Ok(read) = decode::<Claims>(token.text(), &self.check, &signature_only(&[Algorithm::HS256])) else {
            return Whose::NotOurs;
        };
        match read.claims {
            claims if claims.iss != OURS || claims.aud != OURS => Whose::NotOurs,
            claims if claims.exp <= seconds(now) => Whose::Expired,
            claims => Whose::Key(KeyId::new(claims.sub)),
        }
    }
}

fn seconds(time: Micros) -> i64 {
    time.0.div_euclid(SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = Micros(1_000 * SECOND);

    fn token(minting: &Minting, ends: Option<Micros>) -> (Jwt, i64) {
        let minted = minting.mint(&KeyId::new("ab"), ends, NOW).unwrap();
        (Jwt::parse(&minted.token).unwrap(), minted.expires_in)
    }

    #[test]
    fn a_token_stands_for_its_key_for_an_hour_and_no_longer_than_the_key() {
        let minting = Minting::new(&[7; 32]).unwrap();
        let (whole, expires_in) = token(&minting, None);
        assert_eq!((minting.read(&whole, NOW), expires_in), (Whose::Key(KeyId::new("ab")), 3_600));
        assert_eq!(minting.read(&whole, NOW.plus(HOUR)), Whose::Expired);
        let (short, expires_in) = token(&minting, Some(NOW.plus(60 * SECOND)));
        assert_eq!(expires_in, 60);
        assert_eq!(minting.read(&short, NOW.plus(60 * SECOND)), Whose::Expired);
    }

    #[test]
    fn a_token_of_others_or_without_a_signature_is_nobodys() {
        let minting = Minting::new(&[7; 32]).unwrap();
        let (foreign, _) = token(&Minting::new(&[8; 32]).unwrap(), None);
        assert_eq!(minting.read(&foreign, NOW), Whose::NotOurs);
        let (whole, _) = token(&minting, None);
        let [_, claims, signature] = whole.text().split('.').collect::<Vec<_>>().try_into().unwrap();
        use base64::Engine;
        let none = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        for forged in [format!("{none}.{claims}.{signature}"), format!("{none}.{claims}.AA")] {
            assert_eq!(minting.read(&Jwt::parse(&forged).unwrap(), NOW), Whose::NotOurs);
        }
    }
}
