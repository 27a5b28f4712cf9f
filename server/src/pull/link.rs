//! Absolute addresses of next pages, made of letters that every client takes apart correctly: some split a Link header
//! at each comma and semicolon, so neither stands in an address.

use axum::http::HeaderValue;
use url::Url;
use url::form_urlencoded::Serializer;

/// Whether links can begin with it.
pub(crate) fn is_base(text: &str) -> bool {
    let Ok(base) = Url::parse(text) else { return false };
    let is_plain = !text.contains([',', ';', '<', '>', ' ', '?', '#']) && base.username().is_empty();
    matches!(base.scheme(), "http" | "https") && base.has_host() && is_plain
}

/// `<address>; rel="next"`. `None` when the base address is nothing that a header can hold.
pub(crate) fn next(base: &str, path: &str, words: &[(&str, String)]) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("<{}>; rel=\"next\"", address(base, path, words))).ok()
}

pub(crate) fn address(base: &str, path: &str, words: &[(&str, String)]) -> String {
    let query = Serializer::new(String::new()).extend_pairs(words).finish();
    format!("{base}{path}?{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_an_address_that_can_be_lengthened() {
        for good in ["https://siem.example", "http://127.0.0.1:7980", "https://x.example/credwatch/"] {
            assert!(is_base(good), "{good}");
        }
        for bad in ["siem.example", "ftp://x", "https://x/?a=b", "https://a,b/", "https://u@x/", "http://"] {
            assert!(!is_base(bad), "{bad}");
        }
    }

    #[test]
    fn no_value_brings_a_comma_or_a_semicolon_into_an_address() {
        let words = [("after", "A-_9".to_owned()), ("kind", "a,b;c=d&e <f>".to_owned())];
        let link = next("https://siem.example:8443/credwatch", "/api/v1/logs", &words).unwrap();
        let link = link.to_str().unwrap();
        let (address, rest) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
        assert_eq!(rest, "; rel=\"next\"");
        assert!(!address.contains([',', ';', '<', ' ']), "{address}");
        assert!(address.starts_with("https://siem.example:8443/credwatch/api/v1/logs?after=A-_9&kind="), "{address}");
    }
}
