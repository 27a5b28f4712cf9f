//! How clients bring a key: `Authorization: Bearer KEY`, `SSWS KEY` as Okta's clients do, or `Basic` with the key as the
//! password for clients that can do nothing else; and how they bring a token: `Bearer TOKEN`. Pure.

use axum::http::{HeaderMap, header};

use super::key::Key;

/// What a request's headers say about who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Brought {
    Nothing,
    Key(Key),
    /// A JSON Web Token, ours or an issuer's.
    Token(Jwt),
    /// Something that is neither.
    Unreadable,
}

/// A JSON Web Token in its compact form. It opens doors while it holds, so it cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Jwt(String);

impl Jwt {
    const LONGEST: usize = 16 * 1024;

    /// Three parts in base64url; whether they mean anything is for whoever checks it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_part = |part: &str| !part.is_empty() && part.bytes().all(is_letter);
        let mut parts = text.split('.');
        let is_token = text.len() <= Self::LONGEST && parts.clone().count() == 3 && parts.all(is_part);
        is_token.then(|| Self(text.to_owned()))
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Jwt {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Jwt(...)")
    }
}

/// Reads the one header that counts; two of them are nobody's.
pub(crate) fn brought(headers: &HeaderMap) -> Brought {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    match (all.next(), all.next()) {
        (None, _) => Brought::Nothing,
        (Some(one), None) => one.to_str().ok().and_then(credential).unwrap_or(Brought::Unreadable),
        (Some(_), Some(_)) => Brought::Unreadable,
    }
}

fn credential(text: &str) -> Option<Brought> {
    let (scheme, rest) = text.split_once(' ')?;
    let (rest, key) = (rest.trim(), |text: &str| Key::parse(text).ok().map(Brought::Key));
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => key(rest).or_else(|| Jwt::parse(rest).map(Brought::Token)),
        "ssws" => key(rest),
        "basic" => user_and_password(rest).and_then(|(_user, password)| key(&password)),
        _ => None,
    }
}

/// What `Basic` says, as it says it.
pub(super) fn user_and_password(credentials: &str) -> Option<(String, String)> {
    use base64::Engine;
    let decoded = base64::engine::general_purpose::STANDARD.decode(credentials).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use base64::Engine;

    use super::*;

    fn of(values: &[&str]) -> Brought {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        brought(&headers)
    }

    #[test]
    fn a_key_comes_in_any_of_three_ways() {
        let key = Key::draw().unwrap();
        let text = key.clone().reveal();
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("any:{text}"));
        for header in
            [format!("Bearer {text}"), format!("bearer  {text}"), format!("SSWS {text}"), format!("Basic {basic}")]
        {
            assert_eq!(of(&[&header]), Brought::Key(key.clone()), "{header}");
        }
    }

    #[test]
    fn a_token_comes_as_a_bearer_only() {
        assert_eq!(of(&["Bearer aa.b-_.cc"]), Brought::Token(Jwt("aa.b-_.cc".into())));
        for header in ["SSWS aa.bb.cc", "Bearer aa.bb", "Bearer aa.bb.cc.dd", "Bearer aa..cc", "Bearer a=.b.c"] {
            assert_eq!(of(&[header]), Brought::Unreadable, "{header}");
        }
        assert_eq!(of(&[&format!("Bearer aa.bb.{}", "c".repeat(20_000))]), Brought::Unreadable);
        assert!(!format!("{:?}", of(&["Bearer aa.bb.cc"])).contains("bb"));
    }

    #[test]
    fn what_is_no_key_is_not_taken_for_nothing() {
        let text = Key::draw().unwrap().reveal();
        assert_eq!(of(&[]), Brought::Nothing);
        for header in ["", "Bearer", "Bearer x", &text, &format!("Bearer {}", &text[..50]), "Basic %%%", "Digest a"] {
            assert_eq!(of(&[header]), Brought::Unreadable, "{header}");
        }
        let bearer = format!("Bearer {text}");
        assert_eq!(of(&[&bearer, &bearer]), Brought::Unreadable);
    }
}
