//! `credwatch query save|list|run|remove`: statements that are kept under a name, for an org or for the operator.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, LazyLock};

use anyhow::{Context, bail};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use credwatch_query::format::write;
use credwatch_query::{Books, Given, Limits, Params, Session};
use credwatch_schemas::event::timestamp;
use credwatch_schemas::rows::to_batch;
use credwatch_server::saved_queries::{Draft, Listed, SavedQueries, SavedQuery};
use reqwest::Method;
use serde_json::{Value, json};

use crate::args::{self, SaveQuery, misuse};
use crate::commands::sql::{answer, answer_of};
use crate::output;
use crate::plain_text::one_line;
use crate::setting::{OPERATOR, Setting};
use crate::wall_clock::now;

pub(crate) async fn run(setting: &Setting, asked: args::Query) -> anyhow::Result<ExitCode> {
    match asked {
        args::Query::Save(asked) => save(setting, asked).await?,
        args::Query::List => list(setting).await?,
        args::Query::Run { name, params } => run_saved(setting, &name, given(&params)?).await?,
        args::Query::Remove { name } => remove(setting, &name).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn save(setting: &Setting, asked: SaveQuery) -> anyhow::Result<()> {
    let sql = match (asked.command, asked.file) {
        (Some(sql), _) => sql,
        (None, Some(file)) => std::fs::read_to_string(&file).with_context(|| format!("reading {file:?}"))?,
        (None, None) => bail!("a statement is needed: -c or -f"),
    };
    let (name, draft) = (asked.name, Draft { sql, about: asked.about });
    match setting.server()? {
        Some(server) => {
            let body = json!({"sql": draft.sql, "about": draft.about});
            let _: SavedQuery = server.send(Method::PUT, &["v1", "queries", &name], &[], &body).await?;
        }
        None => {
            let lake = setting.lake_to_judge().await?;
            let snapshot = lake.snapshot().await?;
            let session = Session::open_with(&snapshot, setting.scope.clone(), Books::Open, Limits::default())?;
            SavedQueries::new(lake, &setting.scope).save(&session, &name, &draft, OPERATOR, now()).await?;
        }
    }
    eprintln!("saved; run it with `credwatch query run {}`", one_line(&name));
    Ok(())
}

async fn list(setting: &Setting) -> anyhow::Result<()> {
    let queries = match setting.server()? {
        Some(server) => server.get::<Listed>(&["v1", "queries"], &[]).await?.queries,
        None => SavedQueries::new(setting.lake_to_read().await?, &setting.scope).list().await?,
    };
    output::write(&write(setting.format, &LISTED, &[to_batch(&LISTED, &queries)?])?)?;
    if queries.is_empty() {
        eprintln!("nothing is saved; `credwatch query --help` shows how to");
    }
    Ok(())
}

async fn run_saved(setting: &Setting, name: &str, params: Given) -> anyhow::Result<()> {
    if let Some(server) = setting.server()? {
        let saved: SavedQuery = server.get(&["v1", "queries", name], &[]).await?;
        return answer_of(setting, &server, &saved.sql, &params).await;
    }
    let lake = setting.lake_to_read().await?;
    let Some(saved) = SavedQueries::new(lake.clone(), &setting.scope).find(name).await? else {
        bail!("no query is saved as {name:?}; `credwatch query list` shows all");
    };
    answer(setting, &lake, setting.format, &saved.sql, Params::try_from(params)?).await
}

async fn remove(setting: &Setting, name: &str) -> anyhow::Result<()> {
    match setting.server()? {
        Some(server) => server.done(Method::DELETE, &["v1", "queries", name]).await?,
        None => {
            let queries = SavedQueries::new(setting.lake_to_judge().await?, &setting.scope);
            if !queries.remove(name, OPERATOR, now()).await? {
                bail!("no query is saved as {name:?}; `credwatch query list` shows all");
            }
        }
    }
    eprintln!("{} is saved no longer", one_line(name));
    Ok(())
}

/// Values with names, or values in their order; not both.
fn given(params: &[String]) -> anyhow::Result<Given> {
    let named: Vec<Option<(&str, Value)>> = params.iter().map(|text| named(text)).collect();
    match (params.is_empty(), named.iter().all(Option::is_some), named.iter().all(Option::is_none)) {
        (true, ..) => Ok(Given::None),
        (_, true, _) => {
            let named: BTreeMap<_, _> =
                named.into_iter().flatten().map(|(name, value)| (name.to_owned(), value)).collect();
            match named.len() == params.len() {
                true => Ok(Given::Named(named)),
                false => Err(misuse("a parameter is given twice").into()),
            }
        }
        (_, _, true) => Ok(Given::Positional(params.iter().map(|text| value(text)).collect())),
        _ => Err(misuse("parameters have names, or places; not some of each").into()),
    }
}

fn named(text: &str) -> Option<(&str, Value)> {
    let (name, rest) = text.split_once('=')?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (!name.is_empty() && name.bytes().all(is_name)).then(|| (name, value(rest)))
}

/// A number, a boolean, null or a quoted text as JSON writes it; anything else is text as it stands.
fn value(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::Array(_) | Value::Object(_)) | Err(_) => Value::from(text),
        Ok(value) => value,
    }
}

static LISTED: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        text("name"),
        text("about"),
        text("sql"),
        text("org_id"),
        text("saved_by"),
        Field::new("saved_time", timestamp(), true),
    ]))
});

#[cfg(test)]
mod tests {
    use super::*;

    fn read(params: &[&str]) -> anyhow::Result<Given> {
        given(&params.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn values_have_names_or_places_and_are_text_unless_json_says_otherwise() {
        assert_eq!(read(&[]).unwrap(), Given::None);
        assert_eq!(
            read(&["7", "x y", "\"7\"", "[1]"]).unwrap(),
            Given::Positional(vec![json!(7), json!("x y"), json!("7"), json!("[1]")])
        );
        let named = BTreeMap::from([("a".to_owned(), json!("b=c")), ("n".to_owned(), Value::Null)]);
        assert_eq!(read(&["a=b=c", "n=null"]).unwrap(), Given::Named(named));
        assert!(read(&["a=1", "2"]).is_err());
        assert!(read(&["a=1", "a=2"]).is_err());
    }
}
