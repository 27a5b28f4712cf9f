//! An OpenTelemetry collector, by OTLP over HTTP in JSON.

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Url};
use serde_json::Value;

use super::Batch;
use crate::delivering::{Undelivered, good, words};
use crate::outside::Outside;

#[derive(Debug)]
pub(in crate::push) struct Otlp {
    logs: Url,
    token: Option<HeaderValue>,
    client: Client,
}

impl Otlp {
    pub(in crate::push) fn new(outside: Outside) -> Result<Self, String> {
        let Outside { url, secret, outbound } = outside;
        let mut logs = url.clone();
        logs.path_segments_mut().map_err(|()| "its address has no paths")?.pop_if_empty().extend(["v1", "logs"]);
        let token = secret.map(|token| HeaderValue::try_from(format!("Bearer {token}"))).transpose();
        let mut token = token.map_err(|_| "the token is none")?;
        token.iter_mut().for_each(|token| token.set_sensitive(true));
        Ok(Self { logs, token, client: outbound.client(&url)? })
    }

    pub(super) async fn deliver(&self, batch: &Batch) -> Result<(), Undelivered> {
        let request = self.client.post(self.logs.clone()).header("content-type", "application/json");
        let request = match &self.token {
            Some(token) => request.header(AUTHORIZATION, token.clone()),
            None => request,
        };
        taken(&good(request.body(body(batch)).send().await).await?)
    }
}

fn body(batch: &Batch) -> Vec<u8> {
    const BEGIN: &[u8] = br#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"credwatch"}}]},"scopeLogs":[{"scope":{"name":"credwatch"},"logRecords":["#;
    [BEGIN, &batch.rows.join(&b','), b"]}]}]}"].concat()
}

/// A collector may take a part and refuse the rest for good; the protocol forbids to send them again. So it is said and
/// counted, and the walk goes on.
fn taken(answer: &[u8]) -> Result<(), Undelivered> {
    let (rejected, why) = rejected(answer)?;
    if rejected > 0 {
        tracing::error!(rejected, why = words(why.as_bytes()), "a collector refuses rows for good");
        metrics::counter!("credwatch_sink_rows_refused_total").increment(rejected);
    }
    Ok(())
}

fn rejected(answer: &[u8]) -> Result<(u64, String), Undelivered> {
    if answer.is_empty() {
        return Ok((0, String::new()));
    }
    let unread = || Undelivered::from(format!("it answers with no word of OTLP: {}", words(answer)));
    let answer: Value = serde_json::from_slice(answer).map_err(|_| unread())?;
    let partial = &answer.as_object().ok_or_else(unread)?.get("partialSuccess").cloned().unwrap_or_default();
    let rejected = &partial["rejectedLogRecords"];
    let rejected = rejected.as_u64().or_else(|| rejected.as_str().and_then(|text| text.parse().ok()));
    Ok((rejected.unwrap_or(0), partial["errorMessage"].as_str().unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_for_good_is_told_apart_from_what_is_no_answer() {
        let refused = |answer: &str| rejected(answer.as_bytes()).map(|(rejected, _)| rejected).ok();
        for whole in ["{}", "", r#"{"partialSuccess":{}}"#, r#"{"partialSuccess":{"rejectedLogRecords":"0"}}"#] {
            assert_eq!(refused(whole), Some(0), "{whole}");
        }
        for part in
            [r#"{"partialSuccess":{"rejectedLogRecords":"3"}}"#, r#"{"partialSuccess":{"rejectedLogRecords":3}}"#]
        {
            assert_eq!(refused(part), Some(3), "{part}");
        }
        for none in ["<html>", "[]", "3"] {
            assert_eq!(refused(none), None, "{none}");
        }
    }
}
