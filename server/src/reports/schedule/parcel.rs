//! A report on its way: as files in a folder, as a signed document, or as a page by mail.

use std::path::{Path, PathBuf};

use credwatch_schemas::ids::OrgId;
use credwatch_schemas::weekly_report::WeeklyReport;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::fs;
use tokio::io::AsyncWriteExt;

use crate::delivering::{Undelivered, taken};
use crate::mail::{Letter, Mailer};
use crate::reports::{Format, rendered};
use crate::signed_webhook::SignedWebhook;

#[derive(Debug)]
pub(super) enum To {
    Folder(Folder),
    Webhook(SignedWebhook),
    Email(Mailer),
}

impl To {
    /// `Ok` once the other side has it. `id` is the same whenever this edition is sent.
    pub(super) async fn deliver(&self, id: &str, report: &WeeklyReport, is_again: bool) -> Result<(), Undelivered> {
        match self {
            Self::Folder(folder) => folder.deliver(report).await,
            Self::Webhook(webhook) => by_webhook(webhook, id, report).await,
            Self::Email(mailer) => by_mail(mailer, id, (report, is_again)).await,
        }
    }
}

/// The page, and the same in words for who reads mail without pages.
async fn by_mail(mailer: &Mailer, id: &str, (report, is_again): (&WeeklyReport, bool)) -> Result<(), Undelivered> {
    let (text, html) = (rendered(report, Format::Md), Some(rendered(report, Format::Html)));
    mailer.send(&Letter { id, follows: None, subject: &subject(report, is_again), text, html }).await
}

fn subject(report: &WeeklyReport, is_again: bool) -> String {
    let whose = report.org_id.as_ref().map_or("all orgs", OrgId::as_str);
    match is_again {
        false => format!("credwatch: {} of {whose}", report.week),
        true => format!("credwatch: {} of {whose}, edition {}: what has changed", report.week, report.edition),
    }
}

#[derive(Debug)]
pub(super) struct Folder {
    /// Of the schedule, and of its org.
    name: String,
    path: PathBuf,
    formats: Vec<Format>,
}

impl Folder {
    pub(super) fn new(name: &str, org: Option<&OrgId>, path: &str, formats: &[Format]) -> Self {
        let formats = if formats.is_empty() { vec![Format::Html] } else { formats.to_vec() };
        let is_plain = |one: char| one.is_ascii_alphanumeric() || matches!(one, '_' | '-');
        let name = match org {
            None => name.to_owned(),
            Some(org) if org.as_str().chars().all(is_plain) => [name, ".", org.as_str()].concat(),
            // An org's id may hold anything.
            Some(org) => [name, ".", &hex::encode(&Sha256::digest(org.as_str())[..8])].concat(),
        };
        Self { name, path: Path::new(path).to_owned(), formats }
    }

    async fn deliver(&self, report: &WeeklyReport) -> Result<(), Undelivered> {
        self.write(report).await.map_err(|error| Undelivered::from(format!("writing to {:?}: {error}", self.path)))
    }

    /// Each file appears whole; one that is written again takes its own place.
    async fn write(&self, report: &WeeklyReport) -> std::io::Result<()> {
        fs::create_dir_all(&self.path).await?;
        for format in &self.formats {
            let name = format!("{}.{}.{}.{}", self.name, report.week, report.edition, format.extension());
            // Of two who write it at once, each has a half of its own.
            let half = self.path.join(format!(".{name}.{}", uuid::Uuid::new_v4().simple()));
            let mut file = fs::File::create(&half).await?;
            file.write_all(rendered(report, *format).as_bytes()).await?;
            // Without it, an error of the last write is kept for the next one, which never comes.
            file.flush().await?;
            file.sync_all().await?;
            fs::rename(&half, self.path.join(name)).await?;
        }
        // The names are durable only once their folder is.
        fs::File::open(&self.path).await?.sync_all().await
    }
}

/// The document, signed.
async fn by_webhook(webhook: &SignedWebhook, id: &str, report: &WeeklyReport) -> Result<(), Undelivered> {
    let body = json!({"type": "credwatch.report", "data": report}).to_string().into_bytes();
    taken(webhook.post(id, body).await).await
}
