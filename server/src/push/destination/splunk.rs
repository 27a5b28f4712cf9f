//! Splunk's HTTP Event Collector, with the indexers' acknowledgement: "received" is not "indexed", and only the second is
//! for good.

use std::time::Duration;

use credwatch_schemas::time::SECOND;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Batch;
use crate::delivering::{Undelivered, good, words};
use crate::outside::Outside;
use crate::pull::Head;

/// Indexers that say nothing for so long have lost it, as far as anybody knows.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(300);
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(in crate::push) struct Splunk {
    events: Url,
    acks: Url,
    /// Acknowledgements belong to a channel; one sink is one.
    channel: String,
    token: HeaderValue,
    acknowledge: bool,
    client: Client,
}

#[derive(Deserialize)]
struct Received {
    code: i64,
    text: String,
    #[serde(rename = "ackId")]
    ack: Option<u64>,
}

impl Splunk {
    pub(in crate::push) fn new(outside: Outside, acknowledge: bool) -> Result<Self, String> {
        let Outside { url, secret, outbound } = outside;
        let token = secret.ok_or("a HEC token is needed: secret_file")?;
        let mut token = HeaderValue::try_from(format!("Splunk {token}")).map_err(|_| "the token is none")?;
        token.set_sensitive(true);
        let below = |path: &str| url.join(path).map_err(|error| error.to_string());
        Ok(Self {
            events: below("/services/collector/event")?,
            acks: below("/services/collector/ack")?,
            channel: uuid::Uuid::new_v4().to_string(),
            token,
            acknowledge,
            client: outbound.client(&url)?,
        })
    }

    pub(super) async fn deliver(&self, batch: &Batch) -> Result<(), Undelivered> {
        let answer = good(self.post(&self.events, batch.rows.concat()).await).await?;
        let received: Received = serde_json::from_slice(&answer)
            .map_err(|_| Undelivered::from(format!("it answers with no word of HEC: {}", words(&answer))))?;
        match (received.code, received.ack, self.acknowledge) {
            (0, Some(ack), true) => self.acknowledged(ack).await,
            (0, _, false) => Ok(()),
            (0, None, true) => Err(Undelivered::from(
                "its token has no indexer acknowledgement: turn it on, or set acknowledge = false".to_owned(),
            )),
            (code, ..) => Err(Undelivered::from(format!("it answers with code {code}: {}", received.text))),
        }
    }

    async fn acknowledged(&self, ack: u64) -> Result<(), Undelivered> {
        let deadline = Instant::now() + ACKNOWLEDGED_WITHIN;
        let mut why = "its indexers have not acknowledged within five minutes".to_owned();
        while Instant::now() < deadline {
            let asked = json!({"acks": [ack]}).to_string().into_bytes();
            // A question that fails says nothing of the rows, and to send them again would double them.
            match good(self.post(&self.acks, asked).await).await {
                Ok(answer) if is_acknowledged(&answer, ack) => return Ok(()),
                Ok(_) => {}
                Err(failed) => why = format!("asking for the acknowledgement: {failed}"),
            }
            tokio::time::sleep(BETWEEN_QUESTIONS).await;
        }
        Err(Undelivered::from(why))
    }

    async fn post(&self, url: &Url, body: Vec<u8>) -> Result<reqwest::Response, reqwest::Error> {
        let request = self.client.post(url.clone()).header(AUTHORIZATION, self.token.clone());
        let request = request.header("x-splunk-request-channel", &self.channel);
        request.header("content-type", "application/json").body(body).send().await
    }
}

fn is_acknowledged(answer: &[u8], ack: u64) -> bool {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    answer["acks"][ack.to_string()] == Value::Bool(true)
}

pub(super) fn wrap(head: &Head<'_>, row: Vec<u8>) -> Vec<u8> {
    let (seconds, micros) = (head.time.0.div_euclid(SECOND), head.time.0.rem_euclid(SECOND));
    let begin = format!(
        "{{\"time\":{seconds}.{micros:06},\"source\":\"credwatch\",\"sourcetype\":\"credwatch:{}\",\"event\":",
        head.kind
    );
    [begin.into_bytes(), row, b"}\n".to_vec()].concat()
}
