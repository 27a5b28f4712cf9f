//! PagerDuty, by its Events API v2. A thread is an alert; each message that tells something critical for the first time is one of
//! its own, because a pager that was acknowledged for something before would stay silent.
//!
//! Only trouble triggers. That part of an alert is over or was wrong is a change event, which stands beside the incidents of
//! the service and wakes nobody: to trigger again could wake somebody who has closed the alert. The alert itself is resolved
//! when nothing of it is left.

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
        for (kind, event) in events(message, &self.routing_key) {
            let request = self.client.post(kind.address(&self.url)?).header("content-type", "application/json");
            taken(request.body(event.to_string()).send().await).await?;
        }
        Ok(())
    }
}

/// The two halves of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Alert,
    Change,
}

impl Kind {
    /// Events of change are taken beside those of alerts: `/v2/enqueue` and `/v2/change/enqueue`.
    fn address(self, url: &Url) -> Result<Url, Undelivered> {
        match self {
            Self::Alert => Ok(url.clone()),
            Self::Change => url.join("change/enqueue").map_err(|error| Undelivered::from(error.to_string())),
        }
    }
}

/// One or several: to close an alert twice does no harm.
fn events(message: &Message, routing_key: &str) -> Vec<(Kind, Value)> {
    let of = |finding: &str| [&message.thread, "/", finding].concat();
    match () {
        () if message.is_trouble => {
            let key = message.rings.as_ref().map_or_else(|| message.thread.clone(), |finding| of(finding.as_str()));
            vec![(Kind::Alert, trigger(message, &key, routing_key))]
        }
        () if message.ends_thread => {
            let critical = message.were_critical.iter().map(|finding| of(finding.as_str()));
            let all = std::iter::once(message.thread.clone()).chain(critical);
            all.map(|key| (Kind::Alert, resolve(&key, routing_key))).collect()
        }
        () => vec![(Kind::Change, change(message, routing_key))],
    }
}

fn trigger(message: &Message, key: &str, routing_key: &str) -> Value {
    json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": key,
        "client": "credwatch",
        "links": links(message),
        "payload": {
            "summary": summary(message),
            "source": source(message),
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

fn change(message: &Message, routing_key: &str) -> Value {
    json!({
        "routing_key": routing_key,
        "links": links(message),
        "payload": {
            "summary": summary(message),
            "source": source(message),
            "timestamp": message.made_time,
            "custom_details": {"notice_id": message.notice_id, "alert": message.thread, "text": message.text()},
        },
    })
}

fn summary(message: &Message) -> String {
    message.title.chars().take(LONGEST_SUMMARY).collect()
}

fn source(message: &Message) -> &str {
    message.org_id.as_ref().map_or("credwatch", |org| org.as_str())
}

fn links(message: &Message) -> Value {
    let link = message.link.starts_with("http").then(|| json!([{"href": message.link, "text": "the finding"}]));
    link.unwrap_or_else(|| json!([]))
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

    fn of(change: impl FnOnce(&mut Message)) -> Vec<(Kind, Value)> {
        let mut message = Message { thread: "t_1".into(), ..Message::of_a_test("r", Micros(0)) };
        change(&mut message);
        events(&message, "k")
    }

    fn keys(change: impl FnOnce(&mut Message)) -> Vec<(String, String)> {
        let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
        let alerts = of(change).into_iter().inspect(|(kind, _)| assert_eq!(*kind, Kind::Alert));
        alerts.map(|(_, event)| (text(&event, "event_action"), text(&event, "dedup_key"))).collect()
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
    }

    #[test]
    fn that_a_part_was_wrong_is_told_beside_the_alert_and_wakes_nobody() {
        let part = of(|message| (message.is_trouble, message.ends_thread) = (false, false));
        let [(Kind::Change, event)] = &part[..] else { panic!("{part:?}") };
        assert_eq!((&event["event_action"], &event["dedup_key"]), (&Value::Null, &Value::Null));
        assert_eq!(event["payload"]["custom_details"]["alert"], "t_1");
        let url = Url::parse("https://events.pagerduty.com/v2/enqueue").unwrap();
        assert_eq!(Kind::Change.address(&url).unwrap().as_str(), "https://events.pagerduty.com/v2/change/enqueue");
    }
}
