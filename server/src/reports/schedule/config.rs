//! Schedules as they are configured. Reading one touches the files with secrets and nothing else.

use std::path::PathBuf;

use chrono_tz::Tz;
use credwatch_query::TenantScope;
use credwatch_schemas::ids::OrgId;
use serde::Deserialize;

use super::due::Times;
use super::parcel::{Folder, To};
use super::work::Schedule;
use crate::causes::chain;
use crate::mail::Mailer;
use crate::notices::ConfigError;
use crate::outside::{Keys, Outside};
use crate::reports::Format;
use crate::signed_webhook::SignedWebhook;

/// One `[[reports]]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How far it has come is kept under this name.
    pub name: String,
    pub report: Which,
    /// As cron writes it: minute, hour, day of month, month, day of week.
    pub schedule: String,
    /// The zone of the schedule; a report's weeks are those of its org.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// Only about this org; absent: about everybody.
    pub org: Option<OrgId>,
    pub to: Kind,
    /// A folder, or an address.
    pub url: String,
    /// Folder: the shapes in which it is written; default: html.
    #[serde(default)]
    pub formats: Vec<Format>,
    pub secret_file: Option<PathBuf>,
    pub from: Option<String>,
    #[serde(default)]
    pub recipients: Vec<String>,
    pub ca_file: Option<PathBuf>,
    #[serde(default)]
    pub allow: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    Weekly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Folder,
    Webhook,
    Email,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// All schedules, with their secrets read.
pub fn schedules(reports: &[Config]) -> Result<Vec<Schedule>, ConfigError> {
    reports.iter().map(Config::schedule).collect()
}

impl Config {
    pub fn schedule(&self) -> Result<Schedule, ConfigError> {
        let wrong = |why: String| ConfigError::Route(self.name.clone(), why);
        let zone: Result<Tz, _> = self.time_zone.parse();
        let zone = zone.map_err(|_| wrong(format!("{:?} is no time zone such as Europe/Berlin", self.time_zone)))?;
        let Which::Weekly = self.report;
        Ok(Schedule {
            name: self.name.clone(),
            scope: self.org.clone().map_or(TenantScope::Operator, TenantScope::Org),
            times: Times::parse(&self.schedule, zone).map_err(wrong)?,
            to: self.to().map_err(wrong)?,
        })
    }

    fn to(&self) -> Result<To, String> {
        if self.to != Kind::Folder && !self.formats.is_empty() {
            return Err("formats are for a folder: a webhook gets the document, a mail the page".to_owned());
        }
        match self.to {
            Kind::Folder => Ok(To::Folder(Folder::new(&self.name, self.org.as_ref(), &self.url, &self.formats))),
            Kind::Webhook => SignedWebhook::new(self.outside()?).map(To::Webhook),
            Kind::Email => Mailer::new(self.outside()?, self.from.as_deref(), &self.recipients).map(To::Email),
        }
    }

    fn outside(&self) -> Result<Outside, String> {
        let (secret_file, ca_file) = (self.secret_file.as_deref(), self.ca_file.as_deref());
        let keys = Keys { url: &self.url, secret_file, ca_file, allow: &self.allow };
        Outside::read(keys).map_err(|error| chain(&error))
    }
}
