//! What sending to others has in common, whatever is sent: why something was not taken, what an answer over HTTP says, and how
//! long to wait before it is tried again.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};
use thiserror::Error;

use crate::causes::chain;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// However long the other side asks for.
const LONGEST_ASKED: Duration = Duration::from_secs(3_600);
/// Of what another side says, this much is repeated.
const LONGEST_WORDS: usize = 300;
const LARGEST_ANSWER: usize = 16 << 20;

/// Why something was not taken. It says nothing secret.
#[derive(Debug, Error)]
#[error("{why}")]
pub(crate) struct Undelivered {
    pub(crate) why: String,
    /// The other side asks for a pause of this length.
    pub(crate) after: Option<Duration>,
    pub(crate) blames: Blames,
}

/// What would have to change for it to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Blames {
    /// The other side, or the way to it: what else is sent there will fail as well.
    #[default]
    Receiver,
    /// This very message; the next one may be taken.
    Message,
}

impl From<String> for Undelivered {
    fn from(why: String) -> Self {
        Self { why, after: None, blames: Blames::Receiver }
    }
}

/// Longer with every failure, and as long as the other side asks for.
pub(crate) fn pause(failures: u32, asked: Option<Duration>) -> Duration {
    let ours = FIRST_PAUSE.saturating_mul(1 << failures.min(9)).min(LONGEST_PAUSE);
    ours.max(asked.unwrap_or_default().min(LONGEST_ASKED))
}

/// The body of a good answer; of any other, why it is none.
pub(crate) async fn good(answer: Result<Response, reqwest::Error>) -> Result<Vec<u8>, Undelivered> {
    let failed = |error: reqwest::Error| Undelivered::from(chain(&error.without_url()));
    let mut answer = answer.map_err(failed)?;
    let (status, after) = (answer.status(), asked_pause(&answer));
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST_ANSWER {
            return Err(Undelivered::from("its answer is too large".to_owned()));
        }
    }
    match status {
        status if status.is_success() => Ok(body),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Err(Undelivered { why: format!("it answers {status}: {}", words(&body)), after, blames: Blames::Receiver })
        }
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
            Err(Undelivered {
                why: format!("it answers {status}: {}", words(&body)),
                after: None,
                blames: Blames::Message,
            })
        }
        status => Err(Undelivered::from(format!("it answers {status}: {}", words(&body)))),
    }
}

/// The same where a good answer says nothing that matters: that it came is enough, even if it breaks off.
pub(crate) async fn taken(answer: Result<Response, reqwest::Error>) -> Result<(), Undelivered> {
    match answer {
        Ok(answer) if answer.status().is_success() => Ok(()),
        answer => good(answer).await.map(drop),
    }
}

fn asked_pause(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// What another side says, on one line and not too long.
pub(crate) fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.chars().map(|one| if one.is_control() { ' ' } else { one }).take(LONGEST_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_grows_to_five_minutes_and_the_other_side_may_ask_for_more_but_not_for_none() {
        assert_eq!([0, 1, 5, 9, 99].map(|failures| pause(failures, None).as_secs()), [1, 2, 32, 300, 300]);
        let asked = |failures, after| pause(failures, Some(Duration::from_secs(after))).as_secs();
        assert_eq!([asked(0, 30), asked(3, 0), asked(0, 99_999)], [30, 8, 3_600]);
    }
}
