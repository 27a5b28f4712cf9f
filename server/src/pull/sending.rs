//! What stands around every answer of this module: how often its reader may ask, and how its bytes are sent.
//!
//! An answer is whole before its first byte goes out: it is compressed in memory, where it is wanted, and its length is
//! known. A connection that breaks can then never look like the end of a page.

use std::io::Write;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::reader::reader;
use crate::api::Api;
use crate::problem::Problem;

/// Smaller answers gain nothing.
const SMALLEST: usize = 1_024;
/// Above any page or window.
const LARGEST: usize = 64 << 20;
const ZSTD_LEVEL: i32 = 1;

/// Middleware.
pub(crate) async fn send(State(api): State<Api>, request: Request, next: Next) -> Response {
    let coding = Coding::of(request.headers());
    let (parts, body) = request.into_parts();
    let reader = match reader(&parts) {
        Ok(reader) => reader,
        Err(problem) => return coded(coding, problem.into_response()).await,
    };
    let (standing, mut response) = match api.access.pull(&reader.permit) {
        Ok(standing) => (standing, next.run(Request::from_parts(parts, body)).await),
        Err(standing) => (standing, too_often().into_response()),
    };
    standing.tell(response.headers_mut(), (api.access.clock)());
    if let Some(seconds) = retry_after(&response, standing.reset_in()) {
        response.headers_mut().entry(header::RETRY_AFTER).or_insert(HeaderValue::from(seconds));
    }
    coded(coding, response).await
}

fn too_often() -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "limit.rate", "this reader pulls too often")
}

fn retry_after(response: &Response, reset_in: u32) -> Option<u32> {
    match response.status() {
        StatusCode::TOO_MANY_REQUESTS => Some(reset_in),
        StatusCode::SERVICE_UNAVAILABLE => Some(5),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
    Zstd,
}

impl Coding {
    /// The best of what is accepted; a coding that is not named is not accepted, and nothing named is as it is.
    fn of(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let mut best = (0.0, Self::Identity);
        for one in accepted.flat_map(|value| value.split(',')) {
            let (name, weight) = weighed(one);
            let coding = match name.to_ascii_lowercase().as_str() {
                "zstd" => Self::Zstd,
                "gzip" | "x-gzip" => Self::Gzip,
                "identity" => Self::Identity,
                _ => continue,
            };
            let is_better = weight > best.0 || (weight == best.0 && coding == Self::Zstd && best.1 == Self::Gzip);
            if weight > 0.0 && is_better {
                best = (weight, coding);
            }
        }
        best.1
    }

    fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }

    fn encode(self, body: &[u8]) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Identity => Ok(body.to_vec()),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(body)?;
                encoder.finish()
            }
            Self::Zstd => zstd::bulk::compress(body, ZSTD_LEVEL),
        }
    }
}

fn weighed(one: &str) -> (&str, f32) {
    let (name, parameters) = one.split_once(';').unwrap_or((one, ""));
    let weight = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |weight| weight.trim().parse().ok());
    (name.trim(), weight.unwrap_or(0.0))
}

/// The answer with its bytes in the coding, and their number.
async fn coded(coding: Coding, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let body = match to_bytes(body, LARGEST).await {
        Ok(body) => body,
        Err(error) => return Problem::internal("sending an answer", &error).into_response(),
    };
    parts.headers.insert(header::VARY, HeaderValue::from_static("accept-encoding, accept"));
    let Some(name) = coding.name().filter(|_| body.len() >= SMALLEST) else {
        return whole(parts, body.into());
    };
    let encoded = tokio::task::spawn_blocking(move || coding.encode(&body)).await;
    match encoded.map_err(std::io::Error::other).and_then(|encoded| encoded) {
        Ok(encoded) => {
            parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
            tag(&mut parts.headers, name);
            whole(parts, encoded)
        }
        Err(error) => Problem::internal("compressing an answer", &error).into_response(),
    }
}

/// A strong tag names bytes as they are sent, so another coding has another tag.
fn tag(headers: &mut HeaderMap, coding: &str) {
    let plain = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
    let coded = plain.map(|tag| format!("\"{}-{coding}\"", tag.trim_matches('"')));
    if let Some(coded) = coded.and_then(|tag| HeaderValue::try_from(tag).ok()) {
        headers.insert(header::ETAG, coded);
    }
}

fn whole(mut parts: axum::http::response::Parts, body: Vec<u8>) -> Response {
    if parts.status != StatusCode::NOT_MODIFIED {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    Response::from_parts(parts, Body::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accepted: &[&'static str]) -> Coding {
        let mut headers = HeaderMap::new();
        for one in accepted {
            headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(one));
        }
        Coding::of(&headers)
    }

    #[test]
    fn the_coding_is_one_that_was_asked_for() {
        assert_eq!(chosen(&[]), Coding::Identity);
        assert_eq!(chosen(&["identity"]), Coding::Identity);
        assert_eq!(chosen(&["br"]), Coding::Identity);
        assert_eq!(chosen(&["gzip, deflate, br"]), Coding::Gzip);
        assert_eq!(chosen(&["gzip, zstd"]), Coding::Zstd);
        assert_eq!(chosen(&["gzip;q=1.0, zstd;q=0.5"]), Coding::Gzip);
        assert_eq!(chosen(&["gzip;q=0"]), Coding::Identity);
        assert_eq!(chosen(&["GZIP"]), Coding::Gzip);
    }

    #[test]
    fn every_coding_gives_the_bytes_back() {
        use std::io::Read;
        let body: Vec<u8> = (0..100_000_u32).flat_map(u32::to_be_bytes).collect();
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&Coding::Gzip.encode(&body).unwrap()[..]).read_to_end(&mut back).unwrap();
        assert_eq!(back, body);
        assert_eq!(zstd::bulk::decompress(&Coding::Zstd.encode(&body).unwrap(), 1 << 20).unwrap(), body);
    }
}
