//! Routes and heartbeats as they are configured. Reading one touches the files with secrets and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use chrono::{NaiveTime, Weekday};
use chrono_tz::Tz;
use credwatch_schemas::finding::Severity;
use credwatch_schemas::ids::{DetectorId, OrgId};
use credwatch_schemas::time::SECOND;
use serde::Deserialize;
use thiserror::Error;

use super::channel::{Channel, Email, PagerDuty, Slack, Webhook};
use super::heartbeat::Beating;
use super::quiet::QuietHours;
use super::rules::Rules;
use super::work::{Job, Route, Start, Telling};
use crate::causes::chain;
use crate::mail::Mailer;
use crate::outside::{self, Keys, Outside, OutsideError};

const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";
/// A group is open for so long at most, in seconds.
const LONGEST_WINDOW: f64 = 7.0 * 86_400.0;

/// One `[[routes]]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What it has told is kept under this name.
    pub name: String,
    pub to: Kind,
    /// Slack: also in `secret_file`. PagerDuty: its own, where none is given.
    pub url: Option<String>,
    /// Slack: the address; PagerDuty: the routing key; e-mail: `user:password`; webhook: the secret of its signature.
    pub secret_file: Option<PathBuf>,
    /// E-mail: whom it comes from, and who gets it.
    pub from: Option<String>,
    #[serde(default)]
    pub recipients: Vec<String>,
    pub ca_file: Option<PathBuf>,
    #[serde(default)]
    pub allow: Vec<String>,
    /// This severity or worse.
    #[serde(default = "high")]
    pub severity: Severity,
    #[serde(default)]
    pub detectors: BTreeSet<DetectorId>,
    pub org: Option<OrgId>,
    /// Columns of the subject, and the values that each may have.
    #[serde(default)]
    pub subject: BTreeMap<String, BTreeSet<String>>,
    pub group_wait_seconds: Option<f64>,
    pub group_interval_seconds: Option<f64>,
    pub group_window_seconds: Option<f64>,
    pub quiet_hours: Option<QuietConfig>,
    pub most_per_hour: Option<usize>,
    #[serde(default)]
    pub send_resolved: bool,
    /// Where a route begins that the lake does not know.
    #[serde(default)]
    pub start: StartConfig,
}

/// One `[[heartbeats]]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    pub name: String,
    pub to: Kind,
    pub url: Option<String>,
    pub secret_file: Option<PathBuf>,
    pub from: Option<String>,
    #[serde(default)]
    pub recipients: Vec<String>,
    pub ca_file: Option<PathBuf>,
    #[serde(default)]
    pub allow: Vec<String>,
    pub every_seconds: Option<f64>,
    /// It is silent while what is judged lies further behind than this.
    pub behind_at_most_seconds: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Slack,
    Pagerduty,
    Email,
    Webhook,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartConfig {
    #[default]
    Now,
    Beginning,
}

/// Hours in which only what is critical is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietConfig {
    /// `22:00`
    pub from: String,
    pub to: String,
    #[serde(default)]
    pub days: Vec<String>,
    #[serde(default = "utc")]
    pub time_zone: String,
}

fn high() -> Severity {
    Severity::High
}

fn utc() -> String {
    "UTC".to_owned()
}

#[derive(Debug, Error)]
pub enum ConfigError {
    #[error(
        "the name of a route, heartbeat or schedule is 1 to 64 letters, digits, dots, dashes and underscores, and {0:?} is not"
    )]
    Name(String),
    #[error("two routes, heartbeats or schedules are named {0:?}: what each has told is kept under its name")]
    Twice(String),
    #[error("route {0:?}: {1}")]
    Route(String, String),
}

/// All that tell people something by themselves; each needs a name of its own.
pub fn routes(
    routes: &[Config],
    heartbeats: &[Heartbeat],
    public_url: Option<&str>,
) -> Result<Vec<Route>, ConfigError> {
    let told = routes.iter().map(|route| route.route(public_url));
    told.chain(heartbeats.iter().map(Heartbeat::route)).collect()
}

/// Names under which something is kept must be plain, and none may be there twice.
pub fn names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), ConfigError> {
    let mut known = BTreeSet::new();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    for name in names {
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_plain) {
            return Err(ConfigError::Name(name.to_owned()));
        }
        if !known.insert(name) {
            return Err(ConfigError::Twice(name.to_owned()));
        }
    }
    Ok(())
}

impl Config {
    /// What tells by it, with its secrets read.
    pub fn route(&self, public_url: Option<&str>) -> Result<Route, ConfigError> {
        let wrong = |why: String| ConfigError::Route(self.name.clone(), why);
        let channel = self.way().channel().map_err(wrong)?;
        let rules = self.rules(channel.closes_quietly()).map_err(wrong)?;
        let start = match self.start {
            StartConfig::Now => Start::Now,
            StartConfig::Beginning => Start::Beginning,
        };
        Ok(Route(Job::Tell(Telling { rules, channel, start, public_url: public_url.map(str::to_owned) })))
    }

    fn rules(&self, closes_quietly: bool) -> Result<Rules, String> {
        let usual = Rules::default();
        let seconds = |name: &str, value: Option<f64>, usual: i64, most: f64| match value {
            None => Ok(usual),
            Some(seconds) => micros(seconds)
                .filter(|_| seconds <= most)
                .ok_or(format!("{name} is 0 to {most:.0}, and {seconds} is not")),
        };
        Ok(Rules {
            route: kept_as(&self.name, self.org.as_ref()),
            severity: self.severity,
            detectors: self.detectors.clone(),
            org: self.org.clone(),
            subject: self.subject.clone(),
            group_wait: seconds("group_wait_seconds", self.group_wait_seconds, usual.group_wait, 3_600.0)?,
            group_interval: seconds(
                "group_interval_seconds",
                self.group_interval_seconds,
                usual.group_interval,
                86_400.0,
            )?,
            group_window: seconds(
                "group_window_seconds",
                self.group_window_seconds,
                usual.group_window,
                LONGEST_WINDOW,
            )?,
            quiet: self.quiet_hours.as_ref().map(QuietConfig::hours).transpose()?,
            most_per_hour: match self.most_per_hour {
                Some(0) => return Err("most_per_hour is at least 1".to_owned()),
                given => given.unwrap_or(usual.most_per_hour),
            },
            tells_resolved: self.send_resolved,
            closes_quietly,
        })
    }

    fn way(&self) -> Way<'_> {
        Way {
            to: self.to,
            url: self.url.as_deref(),
            secret_file: &self.secret_file,
            from: self.from.as_deref(),
            recipients: &self.recipients,
            ca_file: &self.ca_file,
            allow: &self.allow,
        }
    }
}

/// Who is told other orgs' findings has been told nothing of this one's: so each has a memory.
fn kept_as(name: &str, org: Option<&OrgId>) -> String {
    match org {
        None => name.to_owned(),
        Some(org) => [name, "@", org.as_str()].concat(),
    }
}

impl Heartbeat {
    pub fn route(&self) -> Result<Route, ConfigError> {
        let wrong = |why: String| ConfigError::Route(self.name.clone(), why);
        let way = Way {
            to: self.to,
            url: self.url.as_deref(),
            secret_file: &self.secret_file,
            from: self.from.as_deref(),
            recipients: &self.recipients,
            ca_file: &self.ca_file,
            allow: &self.allow,
        };
        if self.to == Kind::Pagerduty {
            return Err(wrong("a pager is not told that all is well: slack, email or webhook".to_owned()));
        }
        let channel = way.channel().map_err(wrong)?;
        let every = self.every_seconds.unwrap_or(300.0);
        let behind = self.behind_at_most_seconds.unwrap_or(3_600.0);
        let every = micros(every)
            .filter(|every| *every >= SECOND)
            .ok_or_else(|| wrong("every_seconds is at least 1".to_owned()))?;
        let behind_at_most = micros(behind).ok_or_else(|| wrong("behind_at_most_seconds is not a time".to_owned()))?;
        Ok(Route(Job::Beat(Beating { name: self.name.clone(), channel, every, behind_at_most })))
    }
}

/// How somebody is reached.
struct Way<'a> {
    to: Kind,
    url: Option<&'a str>,
    secret_file: &'a Option<PathBuf>,
    from: Option<&'a str>,
    recipients: &'a [String],
    ca_file: &'a Option<PathBuf>,
    allow: &'a [String],
}

impl Way<'_> {
    fn channel(&self) -> Result<Channel, String> {
        let told = |error: OutsideError| chain(&error);
        match self.to {
            Kind::Slack => Slack::new(self.slack().map_err(told)?).map(Channel::Slack),
            Kind::Pagerduty => PagerDuty::new(self.outside(Some(PAGERDUTY)).map_err(told)?).map(Channel::PagerDuty),
            Kind::Webhook => Webhook::new(self.outside(None).map_err(told)?).map(Channel::Webhook),
            Kind::Email => {
                let outside = self.outside(None).map_err(told)?;
                Mailer::new(outside, self.from, self.recipients).map(|mailer| Channel::Email(Email(mailer)))
            }
        }
    }

    fn outside(&self, usual: Option<&str>) -> Result<Outside, OutsideError> {
        let url = self.url.or(usual).unwrap_or_default();
        let (secret_file, ca_file) = (self.secret_file.as_deref(), self.ca_file.as_deref());
        Outside::read(Keys { url, secret_file, ca_file, allow: self.allow })
    }

    /// The address is the secret, so that it may stand in a file of its own.
    fn slack(&self) -> Result<Outside, OutsideError> {
        let kept = self.secret_file.as_deref().map(outside::secret).transpose()?;
        let url = kept.as_deref().or(self.url).unwrap_or_default();
        Outside::read(Keys { url, secret_file: None, ca_file: self.ca_file.as_deref(), allow: self.allow })
    }
}

impl QuietConfig {
    fn hours(&self) -> Result<QuietHours, String> {
        let time = |text: &str| {
            NaiveTime::parse_from_str(text, "%H:%M")
                .map_err(|_| format!("quiet_hours: {text:?} is no time such as 22:00"))
        };
        let day =
            |text: &String| text.parse::<Weekday>().map_err(|_| format!("quiet_hours: {text:?} is no day such as mon"));
        let zone: Result<Tz, _> = self.time_zone.parse();
        let zone =
            zone.map_err(|_| format!("quiet_hours: {:?} is no time zone such as Europe/Berlin", self.time_zone))?;
        let days: Vec<Weekday> = self.days.iter().map(day).collect::<Result<_, _>>()?;
        let hours = QuietHours { from: time(&self.from)?, to: time(&self.to)?, days, zone };
        if hours.from == hours.to && (hours.days.is_empty() || hours.days.len() >= 7) {
            return Err("quiet_hours: they never end".to_owned());
        }
        Ok(hours)
    }
}

/// Of so many seconds, which are not less than none.
fn micros(seconds: f64) -> Option<i64> {
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "bounded by the filter")]
    Some(seconds).filter(|one| (0.0..=1e9).contains(one)).map(|one| (one * SECOND as f64) as i64)
}
