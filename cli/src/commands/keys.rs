//! `credwatch keys create|list|revoke`: who may use the API, and for what. Without --server it opens the lake's files
//! itself, so whoever runs it is the operator; what it does then is in the table `keys` and not in `audit`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, LazyLock};

use anyhow::{Context, bail};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use credwatch_query::Limits;
use credwatch_query::format::{OutputFormat, write};
use credwatch_schemas::access::Reach;
use credwatch_schemas::event::timestamp;
use credwatch_schemas::ids::{KeyId, OrgId};
use credwatch_schemas::rows::to_batch;
use credwatch_schemas::time::{DAY, Micros, SECOND};
use credwatch_server::access::{Draft, Key, KeyInfo, Keys, PublicKey, Revoked};
use credwatch_server::keys::{Created, Ended, Listed};
use reqwest::Method;
use serde_json::{Value, json};

use crate::args::{self, NewKey};
use crate::output;
use crate::plain_text::one_line;
use crate::remote::Server;
use crate::setting::{OPERATOR, Setting};
use crate::wall_clock::now;

pub(crate) async fn run(setting: &Setting, asked: args::Keys) -> anyhow::Result<ExitCode> {
    let book = match setting.server()? {
        Some(server) => Book::Server(server),
        None => Book::Files(Keys::new(setting.lake_to_judge().await?)),
    };
    match asked {
        args::Keys::Create(asked) => create(&book, asked).await,
        args::Keys::List { all } => list(setting, &book, all).await,
        args::Keys::Revoke { id } => revoke(&book, &Key::id_in(&id)).await,
    }
}

/// Where the book of keys is kept: in the lake's own files, or behind a server.
enum Book {
    Files(Keys),
    Server(Server),
}

impl Book {
    async fn create(&self, draft: &Draft, public: Option<&PublicKey>) -> anyhow::Result<Created> {
        match (self, public) {
            (Self::Files(keys), None) => {
                let key = keys.create(draft, OPERATOR, now()).await?;
                Ok(Created { key_id: key.id(), key: Some(key.reveal()) })
            }
            (Self::Files(keys), Some(public)) => {
                Ok(Created { key_id: keys.register(draft, public, OPERATOR, now()).await?, key: None })
            }
            (Self::Server(server), public) => {
                let seconds = draft.expires_time.map(|time| (time.0 - now().0) / SECOND);
                let mut body =
                    json!({"name": draft.name, "role": draft.role, "orgs": draft.reach.orgs(), "expires_in": seconds});
                if let Some(public) = public {
                    body["public_key"] = public.pem().into();
                }
                server.send(Method::POST, &["v1", "keys"], &[], &body).await
            }
        }
    }

    async fn list(&self) -> anyhow::Result<Vec<KeyInfo>> {
        match self {
            Self::Files(keys) => Ok(keys.list(None, Limits::default()).await?),
            Self::Server(server) => Ok(server.get::<Listed>(&["v1", "keys"], &[]).await?.keys),
        }
    }

    async fn revoke(&self, id: &KeyId) -> anyhow::Result<Revoked> {
        match self {
            Self::Files(keys) => Ok(keys.revoke(id, OPERATOR, now()).await?),
            Self::Server(server) => {
                let path = ["v1", "keys", id.as_str()];
                let _: Ended = server.send(Method::DELETE, &path, &[], &Value::Null).await?;
                Ok(Revoked::Now)
            }
        }
    }
}

async fn create(book: &Book, asked: NewKey) -> anyhow::Result<ExitCode> {
    let reach = asked.reaching.reach();
    let expires_time = asked.expires_in_days.map(|days| now().plus(i64::from(days) * DAY));
    let draft = Draft { name: asked.name, role: asked.role, reach, expires_time };
    let public = asked.public_key.as_deref().map(public_key).transpose()?;
    let created = book.create(&draft, public.as_ref()).await?;
    let says = told(&draft, &created.key_id);
    match created.key {
        Some(key) => {
            eprintln!("{}", one_line(&format!("{says}; it is shown this once:")));
            output::line(&key)?;
        }
        None => {
            eprintln!("{}", one_line(&format!("{says}; tokens are had at /oauth/token with this client_id:")));
            output::line(created.key_id.as_str())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn public_key(path: &Path) -> anyhow::Result<PublicKey> {
    let pem = std::fs::read_to_string(path).with_context(|| format!("reading the public key {path:?}"))?;
    PublicKey::parse(&pem).with_context(|| format!("reading the public key {path:?}"))
}

fn told(draft: &Draft, id: &KeyId) -> String {
    let reaches = match &draft.reach {
        Reach::Operator => "every org".to_owned(),
        Reach::Orgs(orgs) => orgs.iter().map(OrgId::as_str).collect::<Vec<_>>().join(", "),
    };
    let until = draft.expires_time.map_or("never expires".to_owned(), |time| format!("expires {time}"));
    format!("key {id} ({}, {}) reaches {reaches} and {until}", draft.name, draft.role)
}

async fn revoke(book: &Book, id: &KeyId) -> anyhow::Result<ExitCode> {
    match book.revoke(id).await? {
        Revoked::Now => eprintln!("key {id} opens nothing any more; every server knows within a second"),
        Revoked::Before(time) => eprintln!("key {id} was revoked at {time} already"),
        Revoked::Unknown => bail!("there is no key {id:?}; `credwatch keys list --all` shows all", id = id.as_str()),
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(setting: &Setting, book: &Book, all: bool) -> anyhow::Result<ExitCode> {
    let mut known = book.list().await?;
    let now = now();
    known.retain(|key| all || is_good(key, now));
    match setting.format {
        OutputFormat::Table => output::write(text(&known, now).as_bytes())?,
        format => output::write(&write(format, &LISTED, &[to_batch(&LISTED, &known)?])?)?,
    }
    if known.is_empty() {
        eprintln!("no keys; `credwatch keys create --help` shows how to make one");
    }
    Ok(ExitCode::SUCCESS)
}

fn is_good(key: &KeyInfo, now: Micros) -> bool {
    key.revoked_time.is_none() && key.expires_time.is_none_or(|expires| now < expires)
}

static LISTED: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    let time = |name| Field::new(name, timestamp(), true);
    let orgs = DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)));
    Arc::new(Schema::new(vec![
        text("key_id"),
        text("name"),
        text("role"),
        Field::new("orgs", orgs, true),
        Field::new("is_signed", DataType::Boolean, true),
        time("created_time"),
        text("created_by"),
        time("expires_time"),
        time("revoked_time"),
        time("last_used_time"),
    ]))
});

fn text(keys: &[KeyInfo], now: Micros) -> String {
    let mut lines: Vec<[String; 6]> = vec![["ID", "NAME", "ROLE", "ORGS", "LAST USED", "STATE"].map(str::to_owned)];
    lines.extend(keys.iter().map(|key| line(key, now)));
    if keys.is_empty() {
        return String::new();
    }
    let width = |place: usize| lines.iter().map(|line| line[place].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn line(key: &KeyInfo, now: Micros) -> [String; 6] {
    let orgs = match &key.orgs {
        None => "(every org)".to_owned(),
        Some(orgs) => orgs.iter().map(OrgId::as_str).collect::<Vec<_>>().join(", "),
    };
    let used = key.last_used_time.map_or("never".to_owned(), |time| time.to_string());
    let state = match (key.revoked_time, key.expires_time) {
        (Some(time), _) => format!("revoked {time}"),
        (None, Some(time)) if time <= now => format!("expired {time}"),
        (None, Some(time)) => format!("good until {time}"),
        (None, None) => "good".to_owned(),
    };
    [key.key_id.to_string(), one_line(&key.name), key.role.to_string(), one_line(&orgs), used, state]
}

#[cfg(test)]
mod tests {
    use credwatch_schemas::access::Role;

    use super::*;

    fn key(name: &str, orgs: Option<&[&str]>) -> KeyInfo {
        KeyInfo {
            key_id: KeyId::new("0123456789abcdef"),
            name: name.into(),
            role: Role::Exporter,
            orgs: orgs.map(|orgs| orgs.iter().map(|org| OrgId::new(*org)).collect()),
            created_time: Micros(0),
            created_by: OPERATOR.into(),
            is_signed: false,
            expires_time: None,
            revoked_time: None,
            last_used_time: None,
        }
    }

    #[test]
    fn a_list_says_whose_rows_each_key_reaches_and_whether_it_is_good() {
        let expired = KeyInfo { expires_time: Some(Micros(0)), ..key("old\nsiem", Some(&["org_a", "org_b"])) };
        let expected = "\
ID                NAME      ROLE      ORGS          LAST USED  STATE
0123456789abcdef  siem      exporter  (every org)   never      good
0123456789abcdef  old�siem  exporter  org_a, org_b  never      expired 1970-01-01T00:00:00.000000Z
";
        assert_eq!(text(&[key("siem", None), expired], Micros(1)), expected);
    }

    #[test]
    fn the_list_has_the_columns_of_its_table() {
        assert_eq!(to_batch(&LISTED, &[key("siem", Some(&["org_a"]))]).unwrap().num_rows(), 1);
    }
}
