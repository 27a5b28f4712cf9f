//! An incoming webhook as Slack has them, and Mattermost, Rocket.Chat and Zulip after it. Its address is its secret.

use reqwest::{Client, Url};
use serde_json::json;

use crate::delivering::{Undelivered, taken};
use crate::notices::message::Message;
use crate::outside::Outside;

/// Slack cuts what is longer.
const LONGEST: usize = 12_000;

pub(in crate::notices) struct Slack {
    url: Url,
    client: Client,
}

impl std::fmt::Debug for Slack {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Slack").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

impl Slack {
    pub(in crate::notices) fn new(outside: Outside) -> Result<Self, String> {
        let Outside { url, outbound, .. } = outside;
        Ok(Self { client: outbound.client(&url)?, url })
    }

    pub(super) async fn tell(&self, message: &Message) -> Result<(), Undelivered> {
        self.post(&shown(message)).await
    }

    pub(super) async fn say(&self, text: &str) -> Result<(), Undelivered> {
        self.post(&["`", &escaped(text), "`"].concat()).await
    }

    async fn post(&self, text: &str) -> Result<(), Undelivered> {
        let body = json!({"text": text, "unfurl_links": false, "unfurl_media": false}).to_string();
        let request = self.client.post(self.url.clone()).header("content-type", "application/json");
        taken(request.body(body).send().await).await
    }
}

/// A heading, and the text as it is: within backticks nothing is a link, a name or bold.
fn shown(message: &Message) -> String {
    let mark = match (message.is_trouble, message.is_urgent) {
        (false, _) => ":white_check_mark:",
        (true, true) => ":rotating_light:",
        (true, false) => ":warning:",
    };
    let (title, text) = (escaped(&message.title), escaped(&message.text()));
    let text: String = text.chars().take(LONGEST).collect();
    format!("{mark} *{}* `{title}`\n```\n{text}\n```", message.severity)
}

/// What others wrote ends no backticks and calls nobody; what is copied from there is as it was.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '`' => safe.push('\''),
            one => safe.push(one),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use credwatch_schemas::time::Micros;

    use super::*;

    #[test]
    fn what_others_wrote_stands_in_backticks_that_it_cannot_end() {
        assert_eq!(escaped("<!channel> ``` & f_1"), "&lt;!channel&gt; ''' &amp; f_1");
        let mut message = Message::of_a_test("r", Micros(0));
        message.title = "` <https://evil.example|here> @channel".to_owned();
        let shown = shown(&message);
        assert!(shown.starts_with(":warning: *info* `' &lt;https://evil.example|here&gt; @channel`\n```\n"), "{shown}");
        assert_eq!(shown.matches('`').count(), 8);
    }
}
