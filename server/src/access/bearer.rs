//! How clients bring a key: `Authorization: Bearer KEY`, `SSWS KEY` as Okta's clients do, or `Basic` with the key as the
//! password for clients that can do nothing else. Pure.

use axum::http::{HeaderMap, header};

use super::key::Key;

/// What a request's headers say about who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Brought {
    Nothing,
    Key(Key),
    /// Something that is no key.
    Unreadable,
}

/// Reads the one header that counts; two of them are nobody's.
pub(crate) fn brought(headers: &HeaderMap) -> Brought {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    match (all.next(), all.next()) {
        (None, _) => Brought::Nothing,
        (Some(one), None) => one.to_str().ok().and_then(key).map_or(Brought::Unreadable, Brought::Key),
        (Some(_), Some(_)) => Brought::Unreadable,
    }
}

fn key(text: &str) -> Option<Key> {
    let (scheme, rest) = text.split_once(' ')?;
    let rest = rest.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "ssws" => Key::parse(rest).ok(),
        "basic" => password(rest).and_then(|password| Key::parse(&password).ok()),
        _ => None,
    }
}

fn password(credentials: &str) -> Option<String> {
    use base64::Engine;
    let decoded = base64::engine::general_purpose::STANDARD.decode(credentials).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(_user, password)| password.to_owned())
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
