//! Configuration: defaults, then the file, then the environment, then flags. Unknown keys are errors.
//!
//! The file is `--config FILE`, else `credwatch.toml` in the folder that `XDG_CONFIG_HOME` (or `~/.config`) names, else
//! `/etc/credwatch/credwatch.toml`, else none. In the environment a nested key is written with two underscores:
//! `CREDWATCH_A__B`. Secrets are named by file, never written into any of them.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use credwatch_ingest::binding::Binding;
use credwatch_ingest::kafka;
use serde::Deserialize;
use toml::{Table, Value};

use crate::args::Common;
use crate::identity;
use crate::listening;
use crate::remote;
use crate::upkeep;

/// Everything that can be configured, validated as far as it can be without touching the world.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Configuration {
    /// Where the tables are.
    pub(crate) lake: Option<String>,
    /// File (mode 0600) with the key that fingerprints redacted secrets; default: `<lake>.redaction-key`.
    pub(crate) redaction_key_file: Option<PathBuf>,
    /// Folder with detector files of your own.
    pub(crate) detectors: Option<PathBuf>,
    /// Address of the API.
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// Address for clients of Postgres; without one they are not served.
    pub(crate) listen_postgres: Option<std::net::SocketAddr>,
    /// Address for clients of Arrow Flight SQL; without one they are not served.
    pub(crate) listen_flight_sql: Option<std::net::SocketAddr>,
    /// Who may use the API, and how bytes travel.
    pub(crate) api: listening::Config,
    /// Whose tokens count besides keys.
    pub(crate) oidc: identity::Config,
    /// The server that is asked in place of the lake's files.
    pub(crate) server: remote::Config,
    /// The address that clients reach the API by; links to next pages begin with it.
    pub(crate) public_url: Option<String>,
    /// What is read from Kafka, and how it is reached.
    pub(crate) kafka: kafka::Config,
    /// How often a process that writes records tidies up.
    pub(crate) upkeep: upkeep::Config,
    /// Where rows are sent.
    pub(crate) sinks: Vec<credwatch_server::push::Config>,
    /// Who is told of findings.
    pub(crate) routes: Vec<credwatch_server::notices::Config>,
    /// Who is told that all is well.
    pub(crate) heartbeats: Vec<credwatch_server::notices::Heartbeat>,
    /// Reports that come by themselves.
    pub(crate) reports: Vec<credwatch_server::reports::schedule::Config>,
    /// What to do with records, by topic or door.
    pub(crate) bindings: Vec<Binding>,
}

/// Reads the file and the environment, and lets the flags win.
pub(crate) fn load(common: &Common) -> anyhow::Result<Configuration> {
    let mut table = match file(common)? {
        Some(path) => read(&path)?,
        None => Table::new(),
    };
    for (name, value) in std::env::vars() {
        overlay(&mut table, &name, &value);
    }
    flag(&mut table, &["lake"], common.lake.as_deref());
    // The key of the configured server is not for another one.
    if let (Some(_), None, Some(Value::Table(server))) = (&common.server, &common.key_file, table.get_mut("server")) {
        server.remove("key_file");
    }
    flag(&mut table, &["server", "url"], common.server.as_deref());
    flag(&mut table, &["server", "key_file"], common.key_file.as_ref().and_then(|path| path.to_str()));
    flag(&mut table, &["kafka", "brokers"], common.brokers.as_deref());
    flag(&mut table, &["kafka", "topics"], common.topic.as_deref());
    Table::try_into(table).context("reading the configuration")
}

impl Configuration {
    pub(crate) fn lake(&self) -> &str {
        self.lake.as_deref().unwrap_or("./lake")
    }

    /// The key lies beside the lake and not in it: whoever copies the tables does not copy the key.
    pub(crate) fn redaction_key_file(&self) -> PathBuf {
        self.redaction_key_file.clone().unwrap_or_else(|| {
            let lake = self.lake().trim_start_matches("file://").trim_end_matches('/');
            PathBuf::from(format!("{lake}.redaction-key"))
        })
    }

    pub(crate) fn binding(&self, name: &str) -> anyhow::Result<&Binding> {
        match self.bindings.iter().find(|binding| binding.name == name) {
            Some(binding) => Ok(binding),
            None => bail!("no binding is named {name:?} in the configuration"),
        }
    }
}

fn file(common: &Common) -> anyhow::Result<Option<PathBuf>> {
    if let Some(path) = &common.config {
        return Ok(Some(path.clone()));
    }
    let home = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".config")));
    let candidates = home.map(|folder| folder.join("credwatch/credwatch.toml"));
    let system = PathBuf::from("/etc/credwatch/credwatch.toml");
    Ok(candidates.into_iter().chain([system]).find(|path| path.exists()))
}

fn read(path: &Path) -> anyhow::Result<Table> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading the configuration {path:?}"))?;
    text.parse().with_context(|| format!("reading the configuration {path:?}"))
}

/// `CREDWATCH_A__B=x` sets key `b` of table `a`; other variables are left alone.
fn overlay(table: &mut Table, name: &str, value: &str) {
    const NOT_KEYS: [&str; 2] = ["CREDWATCH_BLESS", "CREDWATCH_LOG"];
    let Some(key) = name.strip_prefix("CREDWATCH_").filter(|_| !NOT_KEYS.contains(&name)) else { return };
    let path: Vec<String> = key.split("__").map(str::to_lowercase).collect();
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    // A value that reads as TOML (a number, a boolean, a list) is one; anything else is text.
    let parsed = format!("v = {value}").parse::<Table>().ok().and_then(|mut one| one.remove("v"));
    set(table, &parts, parsed.unwrap_or_else(|| Value::String(value.to_owned())));
}

fn flag(table: &mut Table, path: &[&str], value: Option<&str>) {
    if let Some(text) = value {
        set(table, path, Value::String(text.to_owned()));
    }
}

fn set(table: &mut Table, path: &[&str], value: Value) {
    match path {
        [] => {}
        [last] => {
            table.insert((*last).to_owned(), value);
        }
        [first, rest @ ..] => {
            let inner = table.entry((*first).to_owned()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_sets_nested_keys_and_keeps_its_neighbours() {
        let mut table: Table = "lake = 'a'\n[kafka]\nbrokers = 'x:1'\ngroup = 'g'".parse().unwrap();
        overlay(&mut table, "CREDWATCH_KAFKA__BROKERS", "y:2");
        overlay(&mut table, "PATH", "/bin");
        assert_eq!(table["kafka"]["brokers"].as_str(), Some("y:2"));
        assert_eq!(table["kafka"]["group"].as_str(), Some("g"));
        assert!(!table.contains_key("path"));
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let table: Table = "lkae = 'typo'".parse().unwrap();
        let error = Table::try_into::<Configuration>(table).unwrap_err().to_string();
        assert!(error.contains("lkae"), "{error}");
    }

    #[test]
    fn the_redaction_key_lies_beside_the_lake() {
        let configuration = Configuration { lake: Some("file:///data/lake/".into()), ..Default::default() };
        assert_eq!(configuration.redaction_key_file(), PathBuf::from("/data/lake.redaction-key"));
    }

    #[test]
    fn the_example_in_the_documentation_is_a_configuration_that_uses_every_key() {
        let page = include_str!("../../docs/configuration.md");
        let example = page.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let table: Table = example.parse().unwrap();
        let keys: Vec<&str> = table.keys().map(String::as_str).collect();
        let Configuration {
            lake: _,
            redaction_key_file: _,
            detectors: _,
            listen: _,
            listen_postgres: _,
            listen_flight_sql: _,
            api: _,
            oidc: _,
            server: _,
            public_url: _,
            kafka: _,
            upkeep: _,
            sinks,
            routes,
            heartbeats,
            reports,
            bindings: _,
        } = Table::try_into(table.clone()).unwrap();
        assert_eq!([sinks.len(), routes.len(), heartbeats.len(), reports.len()], [1; 4]);
        assert_eq!(keys.len(), 17, "{keys:?}");
        assert_eq!(table["server"].as_table().unwrap().len(), 3);
        assert_eq!(table["api"].as_table().unwrap().len(), 4);
        assert_eq!(table["oidc"].as_table().unwrap().len(), 3);
        assert_eq!(table["kafka"].as_table().unwrap().len(), 18);
        assert_eq!(table["upkeep"].as_table().unwrap().len(), 2);
        assert_eq!(table["bindings"][0].as_table().unwrap().len(), 6);
    }
}
