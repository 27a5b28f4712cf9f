//! PagerDuty, by its Events API v2. A thread is an alert; what is critical in it is one of its own, because a pager that was
//! acknowledged for something lesser would stay silent.
//!
//! Only trouble triggers. That part of an alert was wrong is not an event that PagerDuty knows: the alert is resolved when
//! nothing of it is left.

use credwatch_schemas::finding::Severity;
use reqwest::{Client, Url};
use serde_json::{Value, json};

use crate::delivering::{Undelivered, good};
use crate::notices::message::Message;
use crate::outside::Outside;

/// As the API bounds it.
const LONGEST_SUMMARY: usize = 1_024;

pub(in crate::notices) struct PagerDuty {
    url: Url,
    routing_key: String,
    client: Client,
}

impl std::fmt::Debug for PagerDuty {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("PagerDuty").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

impl PagerDuty {
    pub(in crate::notices) fn new(outside: Outside) -> Result<Self, String> {
        let Outside { url, secret, outbound } = outside;
        let routing_key = secret.ok_or("the routing key of the service is needed: secret_file")?;
        Ok(Self { client: outbound.client(&url)?, url, routing_key })
    }

    pub(super) async fn tell(&self, message: &Message) -> Result<(), Undelivered> {
        for event in events(message, &self.routing_key) {
            let request = self.client.post(self.url.clone()).header("content-type", "application/json");
            good(request.body(event.to_string()).send().await).await?;
        }
        Ok(())
    }
}

/// None, one or two: to close an alert twice does no harm.
fn events(message: &Message, routing_key: &str) -> Vec<Value> {
    let (usual, urgent) = (message.thread.clone(), [&message.thread, "/critical"].concat());
    match () {
        () if message.is_trouble => {
            vec![trigger(message, if message.is_urgent { &urgent } else { &usual }, routing_key)]
        }
        () if message.ends_thread => [usual, urgent].iter().map(|key| resolve(key, routing_key)).collect(),
        () => Vec::new(),
    }
}

fn trigger(message: &Message, key: &str, routing_key: &str) -> Value {
    let summary: String = message.title.chars().take(LONGEST_SUMMARY).collect();
    let link = message.link.starts_with("http").then(|| json!([{"href": message.link, "text": "the finding"}]));
    json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": key,
        "client": "credwatch",
        "links": link.unwrap_or_else(|| json!([])),
        "payload": {
            "summary": summary,
            "source": message.org_id.as_ref().map_or("credwatch", |org| org.as_str()),
            "severity": severity(message.severity),
            "timestamp": message.since,
            "component": message.affected.get("provider").and_then(|values| values.first()),
            "group": message.thread,
            "class": message.findings.first().map(|one| one.detector_id.as_str()),
            "custom_details": {
                "notice_id": message.notice_id,
                "text": message.text(),
                "next_step": message.next_step,
                "count": message.count,
            },
        },
    })
}

fn resolve(key: &str, routing_key: &str) -> Value {
    json!({"routing_key": routing_key, "event_action": "resolve", "dedup_key": key})
}

/// In the API's words.
fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "error",
        Severity::Medium | Severity::Low => "warning",
        Severity::Info => "info",
    }
}
