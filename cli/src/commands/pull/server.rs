//! The server as the client sees it: a page, or why there is none now.
//!
//! A page counts only when it came whole: its length is known before its first byte, so a connection that breaks is an
//! error of the transfer and never a shorter page.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use credwatch_export::Vocabulary;
use credwatch_query::TenantScope;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;

use crate::args::{Pull, Stream, misuse};
use crate::setting::Setting;

/// Seconds that the server may wait for news.
const WAIT: u64 = 20;
/// Above that, and above the time that a page takes, a server is away.
const PATIENCE: Duration = Duration::from_secs(90);
/// Of one page; the server sends a fraction of it.
const MOST_BYTES: usize = 64 << 20;

pub(super) struct Server {
    client: Client,
    /// The first page's address, without where to go on.
    address: Url,
    since: Option<String>,
    key: Option<HeaderValue>,
}

pub(super) enum Answer {
    Page {
        rows: Vec<u8>,
        cursor: String,
        has_more: bool,
    },
    /// Rows behind the cursor are gone; `oldest` goes on with what is left.
    Removed {
        oldest: String,
    },
    /// Not now.
    Later {
        why: anyhow::Error,
        after: Option<Duration>,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: String,
    detail: String,
    oldest_cursor: Option<String>,
}

impl Server {
    pub(super) fn new(asked: &Pull, setting: &Setting) -> anyhow::Result<Self> {
        let config = &setting.configuration.server;
        let address = address(asked, setting)?;
        let client = config.client()?.timeout(PATIENCE).build().context("starting")?;
        let since = asked.since.map(|since| since.to_string());
        Ok(Self { client, since, key: config.bearer(&address)?, address })
    }

    pub(super) async fn page(&self, cursor: Option<&str>) -> anyhow::Result<Answer> {
        let mut address = self.address.clone();
        match (cursor, &self.since) {
            (Some(cursor), _) => drop(address.query_pairs_mut().append_pair("cursor", cursor)),
            (None, Some(since)) => drop(address.query_pairs_mut().append_pair("since", since)),
            (None, None) => {}
        }
        let request = self.client.get(address).header(ACCEPT, "application/x-ndjson");
        let request = match &self.key {
            Some(key) => request.header(AUTHORIZATION, key.clone()),
            None => request,
        };
        let answered = match request.send().await {
            Ok(response) => read(response).await,
            Err(error) => Err(error),
        };
        match answered {
            Ok((status, headers, body)) => answer(status, &headers, body),
            Err(error) => Ok(Answer::Later { why: error.without_url().into(), after: None }),
        }
    }
}

async fn read(mut response: Response) -> Result<(StatusCode, HeaderMap, Vec<u8>), reqwest::Error> {
    let (status, headers, mut body) = (response.status(), response.headers().clone(), Vec::new());
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_BYTES {
            break;
        }
    }
    Ok((status, headers, body))
}

fn answer(status: StatusCode, headers: &HeaderMap, body: Vec<u8>) -> anyhow::Result<Answer> {
    if status == StatusCode::OK {
        if body.len() > MOST_BYTES {
            bail!("the server sent a page of more than {MOST_BYTES} bytes");
        }
        let told = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(cursor), Some(has_more)) = (told("x-cursor"), told("x-has-more")) else {
            bail!("what answers there is no credwatch: it names no cursor");
        };
        return Ok(Answer::Page { rows: body, cursor: cursor.to_owned(), has_more: has_more == "true" });
    }
    let problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
    let why = anyhow!("the server said {}: {} {}", status.as_u16(), problem.code, problem.detail);
    match (status, problem.oldest_cursor) {
        (StatusCode::GONE, Some(oldest)) => Ok(Answer::Removed { oldest }),
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT, _) => Ok(later(headers, why)),
        (status, _) if status.is_server_error() => Ok(later(headers, why)),
        _ => Err(why),
    }
}

fn later(headers: &HeaderMap, why: anyhow::Error) -> Answer {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    Answer::Later { why, after: seconds.map(Duration::from_secs) }
}

fn address(asked: &Pull, setting: &Setting) -> anyhow::Result<Url> {
    let path = match asked.stream {
        Stream::Events => "v1/events",
        Stream::Findings => "v1/findings/revisions",
    };
    let Some(base) = setting.configuration.server.base()? else {
        return Err(misuse("pull asks a server: name one with --server URL").into());
    };
    let mut address = base;
    let mut parts = address.path_segments_mut().map_err(|()| misuse("--server is no address of a server"))?;
    parts.pop_if_empty().extend(path.split('/'));
    drop(parts);
    let mut words = address.query_pairs_mut();
    words.append_pair("limit", &asked.limit.to_string());
    if asked.follow {
        words.append_pair("wait", &WAIT.to_string());
    }
    if asked.vocabulary != Vocabulary::Canonical {
        words.append_pair("format", asked.vocabulary.as_str());
    }
    if let TenantScope::Org(org) = &setting.scope {
        words.append_pair("org", org.as_str());
    }
    for kind in &asked.kind {
        words.append_pair("kind", kind);
    }
    drop(words);
    Ok(address)
}
