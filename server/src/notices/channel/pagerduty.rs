//! PagerDuty, by its Events API v2. A thread is an alert; each message that tells something critical for the first time is one of
//! its own, because a pager that was acknowledged for something before would stay silent.
//!
//! Only trouble triggers. That part of an alert was wrong is not an event that PagerDuty knows: the alert is resolved when
//! nothing of it is left.

use credwatch_schemas::finding::Severity;
use reqwest::{Client, Url};
use serde_json::{Value, json};

use crate::delivering::{Undelivered, taken};
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
            taken(request.body(event.to_string()).send().await).await?;
        }
        Ok(())
    }
}

/// None, one or several: to close an alert twice does no harm.
fn events(message: &Message, routing_key: &str) -> Vec<Value> {
    let of = |finding: &str| [&message.thread, "/", finding].concat();
    match () {
        () if message.is_trouble => {
            let key = message.rings.as_ref().map_or_else(|| message.thread.clone(), |finding| of(finding.as_str()));
            vec![trigger(message, &key, routing_key)]
        }
        () if message.ends_thread => {
            let critical = message.were_critical.iter().map(|finding| of(finding.as_str()));
            std::iter::once(message.thread.clone()).chain(critical).map(|key| resolve(&key, routing_key)).collect()
        }
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

#[cfg(test)]
mod tests {
    use credwatch_schemas::ids::FindingId;
    use credwatch_schemas::time::Micros;

    use super::*;

    fn keys(change: impl FnOnce(&mut Message)) -> Vec<(String, String)> {
        let mut message = Message { thread: "t_1".into(), ..Message::of_a_test("r", Micros(0)) };
        change(&mut message);
        let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
        events(&message, "k").iter().map(|event| (text(event, "event_action"), text(event, "dedup_key"))).collect()
    }

    #[test]
    fn what_is_critical_rings_although_its_thread_was_acknowledged_and_all_of_it_is_closed_at_the_end() {
        let pair = |action: &str, key: &str| (action.to_owned(), key.to_owned());
        assert_eq!(keys(|_| {}), [pair("trigger", "t_1")]);
        let rings = keys(|message| message.rings = Some(FindingId::new("f_2")));
        assert_eq!(rings, [pair("trigger", "t_1/f_2")]);
        let ended = keys(|message| {
            message.is_trouble = false;
            message.were_critical = vec![FindingId::new("f_1"), FindingId::new("f_2")];
        });
        assert_eq!(ended, [pair("resolve", "t_1"), pair("resolve", "t_1/f_1"), pair("resolve", "t_1/f_2")]);
        let part = keys(|message| (message.is_trouble, message.ends_thread) = (false, false));
        assert_eq!(part, [], "that a part was wrong is no event");
    }
}
