//! Elasticsearch and OpenSearch by `_bulk`: each row is created under its own id, so one that is sent again is there
//! already.

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Batch;
use crate::delivering::{Undelivered, good, words};
use crate::outside::Outside;
use crate::pull::Head;

const CREATED: u16 = 201;
/// It is there already.
const CONFLICT: u16 = 409;
const TOO_MANY: u16 = 429;

#[derive(Debug)]
pub(in crate::push) struct Elastic {
    bulk: Url,
    secret: Option<HeaderValue>,
    client: Client,
}

#[derive(Deserialize)]
struct Answer {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    create: Created,
}

#[derive(Deserialize)]
struct Created {
    status: u16,
    #[serde(default)]
    error: Value,
}

impl Elastic {
    pub(in crate::push) fn new(outside: Outside, index: Option<&str>) -> Result<Self, String> {
        let Outside { url, secret, outbound } = outside;
        let index = index.ok_or("index names the index or data stream")?;
        let mut bulk = url.clone();
        bulk.path_segments_mut().map_err(|()| "its address has no paths")?.pop_if_empty().extend([index, "_bulk"]);
        let secret = secret.map(|secret| authorization(&secret)).transpose()?;
        Ok(Self { bulk, secret, client: outbound.client(&url)? })
    }

    pub(super) async fn deliver(&self, batch: &Batch) -> Result<(), Undelivered> {
        let request = self.client.post(self.bulk.clone()).header("content-type", "application/x-ndjson");
        let request = match &self.secret {
            Some(secret) => request.header(AUTHORIZATION, secret.clone()),
            None => request,
        };
        let answer = good(request.body(batch.rows.concat()).send().await).await?;
        taken(&answer, batch.rows.len())
    }
}

/// An API key as Elastic gives it out, or `user:password`.
fn authorization(secret: &str) -> Result<HeaderValue, String> {
    use base64::Engine;
    let text = match secret.contains(':') {
        true => format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(secret)),
        false => format!("ApiKey {secret}"),
    };
    let mut header = HeaderValue::try_from(text).map_err(|_| "the secret is none")?;
    header.set_sensitive(true);
    Ok(header)
}

/// Whether every row is there now.
fn taken(answer: &[u8], rows: usize) -> Result<(), Undelivered> {
    let unread = || Undelivered::from(format!("it answers with no word of _bulk: {}", words(answer)));
    let answer: Answer = serde_json::from_slice(answer).map_err(|_| unread())?;
    if answer.items.len() != rows {
        return Err(Undelivered::from(format!("it answers about {} rows of {rows}", answer.items.len())));
    }
    let refused = answer.items.iter().map(|item| &item.create).find(|one| !matches!(one.status, CREATED | CONFLICT));
    match refused {
        None => Ok(()),
        Some(one) if one.status == TOO_MANY => Err(Undelivered::from("it has too much to do".to_owned())),
        Some(one) => {
            let why = words(one.error.to_string().as_bytes());
            Err(Undelivered::from(format!("it refuses a row ({}): {why}", one.status)))
        }
    }
}

pub(super) fn wrap(head: &Head<'_>, row: Vec<u8>) -> Vec<u8> {
    let action = json!({"create": {"_id": head.id}}).to_string();
    [action.into_bytes(), b"\n".to_vec(), row, b"\n".to_vec()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_taken_when_every_row_is_there_and_only_then() {
        let answer = |statuses: &[u16]| {
            let items: Vec<Value> = statuses.iter().map(|status| json!({"create": {"status": status}})).collect();
            taken(json!({"errors": true, "items": items}).to_string().as_bytes(), 2).is_ok()
        };
        assert!(answer(&[201, 201]) && answer(&[201, 409]));
        assert!(!answer(&[201, 400]) && !answer(&[429, 201]) && !answer(&[201]) && !answer(&[201, 200]));
        assert!(taken(b"<html>", 1).is_err());
    }
}
