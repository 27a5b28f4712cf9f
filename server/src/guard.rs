//! What stands before every handler: our own Host where callers need no key, and JSON bodies only (forms, for tokens).
//!
//! A listener on loopback is not private by itself: any web page in a browser on the same machine can send requests
//! to it, also under a name of its own that resolves to 127.0.0.1. Such a request carries the page's Host, and a
//! cross-site POST that needs no preflight cannot carry `application/json`. Both are refused here.

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::access::{Door, TOKEN};
use crate::problem::Problem;

/// Middleware: lets through what [`admit`] admits.
pub(crate) async fn guard(door: Door, request: Request, next: Next) -> Response {
    match admit(door, request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn admit(door: Door, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    if door == Door::LocalIsOperator {
        is_local(uri, headers)?;
    }
    // Without a body there is nothing that a page could have put there; whether the route takes it is the router's word.
    let (expected, code) = match uri.path() {
        TOKEN => ("application/x-www-form-urlencoded", "form_only"),
        _ => ("application/json", "json_only"),
    };
    if method == Method::POST && brings_a_body(headers) && !is(headers, expected) {
        let why = format!("the body must be sent as content-type: {expected}");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, why));
    }
    Ok(())
}

/// Whether it was sent to this machine by a program on it, as far as that shows.
pub(crate) fn is_local(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).or(uri.authority().map(Authority::as_str));
    if !host.is_some_and(names_loopback) {
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "foreign_host",
            "this listener answers to localhost, 127.0.0.1 and [::1] only",
        ));
    }
    if comes_from_elsewhere(headers) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "not_local",
            "this came through a proxy or from a web page; set api.require_key and bring a key",
        ));
    }
    Ok(())
}

/// Signs that whoever asks is not a program of this machine's operator.
fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    let forwarded = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    forwarded.iter().any(|name| headers.contains_key(*name)) || matches!(site, Some("cross-site" | "same-site"))
}

fn names_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _port)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn brings_a_body(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).map(HeaderValue::as_bytes);
    headers.contains_key(header::CONTENT_TYPE)
        || headers.contains_key(header::TRANSFER_ENCODING)
        || length.is_some_and(|length| length != b"0")
}

fn is(headers: &HeaderMap, expected: &str) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case(expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_page_under_a_name_that_resolves_to_loopback_is_refused() {
        let uri = Uri::from_static("/v1/findings");
        for host in ["evil.example", "localhost.evil.example:7980", "10.0.0.1:7980", "127.0.0.1.nip.example"] {
            let mut map = HeaderMap::new();
            map.insert(header::HOST, HeaderValue::from_str(host).unwrap());
            assert!(admit(Door::LocalIsOperator, &Method::GET, &uri, &map).is_err(), "{host}");
        }
    }

    #[test]
    fn loopback_by_any_of_its_names_is_admitted() {
        let uri = Uri::from_static("/v1/findings");
        for host in ["localhost:7980", "LOCALHOST", "127.0.0.1:1", "[::1]:7980", "[::1]"] {
            let mut map = HeaderMap::new();
            map.insert(header::HOST, HeaderValue::from_str(host).unwrap());
            assert!(admit(Door::LocalIsOperator, &Method::GET, &uri, &map).is_ok(), "{host}");
        }
    }

    #[test]
    fn what_a_proxy_or_a_web_page_sends_is_not_the_local_operators() {
        let uri = Uri::from_static("/v1/findings");
        for (name, value) in
            [("x-forwarded-for", "203.0.113.9"), ("via", "1.1 proxy"), ("sec-fetch-site", "cross-site")]
        {
            let mut map = headers(&[(header::HOST, "localhost")]);
            map.insert(name, HeaderValue::from_static(value));
            assert!(admit(Door::LocalIsOperator, &Method::GET, &uri, &map).is_err(), "{name}");
            assert!(admit(Door::KeysOnly, &Method::GET, &uri, &map).is_ok(), "{name}");
        }
    }

    #[test]
    fn where_every_caller_needs_a_key_any_name_will_do() {
        let map = headers(&[(header::HOST, "credwatch.example")]);
        assert!(admit(Door::KeysOnly, &Method::GET, &Uri::from_static("/"), &map).is_ok());
    }

    #[test]
    fn no_host_is_refused() {
        assert!(admit(Door::LocalIsOperator, &Method::GET, &Uri::from_static("/"), &HeaderMap::new()).is_err());
    }

    #[test]
    fn a_form_post_is_refused() {
        let uri = Uri::from_static("/v1/sql");
        let form = headers(&[(header::HOST, "localhost"), (header::CONTENT_TYPE, "text/plain")]);
        let json = headers(&[(header::HOST, "localhost"), (header::CONTENT_TYPE, "application/json; charset=utf-8")]);
        let unnamed = headers(&[(header::HOST, "localhost"), (header::CONTENT_LENGTH, "2")]);
        assert!(admit(Door::LocalIsOperator, &Method::POST, &uri, &form).is_err());
        assert!(admit(Door::LocalIsOperator, &Method::POST, &uri, &unnamed).is_err());
        assert!(admit(Door::LocalIsOperator, &Method::POST, &uri, &json).is_ok());
    }
}
