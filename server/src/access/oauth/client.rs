//! Who asks for a token, as RFC 6749 (section 2.3) and RFC 7521 (section 4.2) let clients say it. Pure.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};
use credwatch_schemas::ids::KeyId;

use super::refused::Refused;
use crate::access::bearer::{Jwt, user_and_password};
use crate::access::key::Key;

const BEARER_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client that asks, and what it proves itself by.
#[derive(Debug)]
pub(super) struct Client {
    /// Whom it says that it is, where it does.
    pub(super) id: Option<KeyId>,
    pub(super) proof: Proof,
}

#[derive(Debug)]
pub(super) enum Proof {
    Secret(Key),
    Assertion(Jwt),
}

/// What the form says; each name once.
struct Form(BTreeMap<String, String>);

pub(super) fn client(headers: &HeaderMap, body: &[u8]) -> Result<Client, Refused> {
    let form = Form::read(body)?;
    match form.get("grant_type") {
        Some("client_credentials") => {}
        Some(_) => return Err(Refused::GrantType),
        None => return Err(Refused::Request("grant_type is missing: it is client_credentials".to_owned())),
    }
    let said = form.get("client_id").map(KeyId::new);
    match (basic(headers)?, form.get("client_secret"), form.get("client_assertion")) {
        (Some((id, secret)), None, None) => Ok(Client { id: Some(id), proof: Proof::Secret(key(&secret)?) }),
        (None, Some(secret), None) => Ok(Client { id: said, proof: Proof::Secret(key(secret)?) }),
        (None, None, Some(text)) => {
            if form.get("client_assertion_type") != Some(BEARER_ASSERTION) {
                return Err(Refused::Request(format!("client_assertion_type must be {BEARER_ASSERTION}")));
            }
            let assertion = Jwt::parse(text).ok_or_else(|| Refused::Client("the assertion is no JWT".to_owned()))?;
            Ok(Client { id: said, proof: Proof::Assertion(assertion) })
        }
        (None, None, None) => Err(Refused::Client(NO_PROOF.to_owned())),
        _ => Err(Refused::Request("a client proves itself in one way, not in two".to_owned())),
    }
}

const NO_PROOF: &str = "no client: bring client_id and client_secret (as Basic or in the form), or a client_assertion";

fn key(secret: &str) -> Result<Key, Refused> {
    Key::parse(secret).map_err(|_| Refused::Client("client_secret is no API key of credwatch".to_owned()))
}

/// Both halves are written as in a form (RFC 6749, section 2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<(KeyId, String)>, Refused> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let unreadable =
        || Refused::Client("the authorization header must be Basic with client_id and client_secret".to_owned());
    let text = value.to_str().map_err(|_| unreadable())?;
    let (scheme, rest) = text.split_once(' ').ok_or_else(unreadable)?;
    let pair = scheme.eq_ignore_ascii_case("basic").then(|| user_and_password(rest.trim())).flatten();
    let (user, password) = pair.ok_or_else(unreadable)?;
    Ok(Some((KeyId::new(form_decoded(&user)), form_decoded(&password))))
}

fn form_decoded(text: &str) -> String {
    url::form_urlencoded::parse(text.as_bytes()).map(|(name, _)| name.into_owned()).next().unwrap_or_default()
}

impl Form {
    fn read(body: &[u8]) -> Result<Self, Refused> {
        let mut form = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            if form.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(Refused::Request(format!("{name:?} stands in the form more than once")));
            }
        }
        Ok(Self(form))
    }

    /// Empty is as good as missing (RFC 6749, section 3.2).
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use base64::Engine;

    use super::*;

    fn asked(basic: Option<&str>, body: &str) -> Result<Client, Refused> {
        let mut headers = HeaderMap::new();
        if let Some(pair) = basic {
            let pair = base64::engine::general_purpose::STANDARD.encode(pair);
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Basic {pair}")).unwrap());
        }
        client(&headers, body.as_bytes())
    }

    #[test]
    fn a_client_proves_itself_in_any_of_three_ways() {
        let key = Key::draw().unwrap();
        let (id, secret) = (key.id(), key.clone().reveal());
        let pair = format!("{id}:{secret}");
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}&scope=x");
        for client in [asked(Some(&pair), "grant_type=client_credentials"), asked(None, &form)] {
            let client = client.unwrap();
            assert!(client.id == Some(id.clone()) && matches!(client.proof, Proof::Secret(found) if found == key));
        }
        let form =
            format!("grant_type=client_credentials&client_assertion_type={BEARER_ASSERTION}&client_assertion=a.b.c");
        assert!(matches!(asked(None, &form).unwrap().proof, Proof::Assertion(_)));
    }

    #[test]
    fn what_is_asked_wrongly_is_told_apart_from_who_is_wrong() {
        let secret = Key::draw().unwrap().reveal();
        let error = |basic: Option<&str>, body: &str| asked(basic, body).unwrap_err().code();
        let both = format!("grant_type=client_credentials&client_secret={secret}");
        assert_eq!(error(Some(&format!("a:{secret}")), &both), "invalid_request");
        assert_eq!(error(None, &format!("{both}&client_secret={secret}")), "invalid_request");
        assert_eq!(error(None, &format!("client_secret={secret}")), "invalid_request");
        assert_eq!(error(None, "grant_type=password&username=a&password=b"), "unsupported_grant_type");
        assert_eq!(error(None, "grant_type=client_credentials"), "invalid_client");
        assert_eq!(error(None, "grant_type=client_credentials&client_secret=cwk_half"), "invalid_client");
        assert_eq!(error(None, "grant_type=client_credentials&client_assertion=a.b.c"), "invalid_request");
    }
}
