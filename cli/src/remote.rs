//! A server that is asked in place of the lake's files: `--server URL`. The same commands, through its gate and audit.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use credwatch_query::Given;
use credwatch_server::access::Key;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Method, RequestBuilder, Response, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A statement may take long; a server that does not answer at all may not.
const PATIENCE: Duration = Duration::from_secs(120);
const CONNECT: Duration = Duration::from_secs(10);

/// How it is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Without it the lake's files are read.
    pub(crate) url: Option<String>,
    /// A file with an API key and nothing else.
    pub(crate) key_file: Option<std::path::PathBuf>,
    /// PEM: who may sign the server's certificate, besides the authorities that everybody trusts.
    pub(crate) ca_file: Option<std::path::PathBuf>,
}

impl Config {
    /// `None` where no server is named.
    pub(crate) fn base(&self) -> anyhow::Result<Option<Url>> {
        let Some(url) = &self.url else { return Ok(None) };
        let base: Url = url.parse().with_context(|| format!("{url:?} is no URL of a server"))?;
        if !base.username().is_empty() || base.password().is_some() {
            bail!("the address of a server holds no user and no password: a key comes from a file (--key-file)");
        }
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            bail!("{url:?} is no URL of a server: it begins with http:// or https://");
        }
        Ok(Some(base))
    }

    pub(crate) fn client(&self) -> anyhow::Result<ClientBuilder> {
        // A redirect would carry the key to somebody that nobody configured, and so would a proxy before this machine.
        let client = Client::builder().connect_timeout(CONNECT).redirect(Policy::none());
        let is_local = self.base()?.is_some_and(|base| base.scheme() == "http" && is_loopback(&base));
        let client = if is_local { client.no_proxy() } else { client };
        let Some(path) = &self.ca_file else { return Ok(client) };
        let pem = std::fs::read(path).with_context(|| format!("reading {path:?}"))?;
        let authority = Certificate::from_pem(&pem).with_context(|| format!("reading the certificate {path:?}"))?;
        Ok(client.add_root_certificate(authority))
    }

    /// The key as a header that is never printed; not for a server that it would travel to in the clear.
    pub(crate) fn bearer(&self, base: &Url) -> anyhow::Result<Option<HeaderValue>> {
        let Some(path) = &self.key_file else { return Ok(None) };
        if base.scheme() == "http" && !is_loopback(base) {
            bail!("the key would travel in the clear to {base}: use https://");
        }
        let mut header = HeaderValue::try_from(format!("Bearer {}", read_key(path)?)).context("reading the key")?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}

#[derive(Clone)]
pub(crate) struct Server {
    base: Url,
    key: Option<HeaderValue>,
    org: Option<String>,
    client: Client,
}

/// The key stays out of it.
impl std::fmt::Debug for Server {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Server").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// What a server says when it refuses (RFC 9457).
#[derive(Debug, Deserialize)]
struct Refusal {
    code: String,
    detail: String,
}

impl Server {
    /// `None` where no server is named.
    pub(crate) fn of(config: &Config, org: Option<&str>) -> anyhow::Result<Option<Self>> {
        let Some(base) = config.base()? else { return Ok(None) };
        let client = config.client()?.timeout(PATIENCE).build().context("preparing to ask the server")?;
        Ok(Some(Self { key: config.bearer(&base)?, base, org: org.map(str::to_owned), client }))
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, String)]) -> anyhow::Result<T> {
        understood(self.ask(self.request(Method::GET, path, query)?).await?).await
    }

    /// `headers` beside the body; a body of null is none.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        headers: &[(&str, String)],
        body: &Value,
    ) -> anyhow::Result<T> {
        understood(self.ask(with_body(self.request(method, path, &[])?, headers, body)).await?).await
    }

    /// For what is answered with nothing.
    pub(crate) async fn done(&self, method: Method, path: &[&str]) -> anyhow::Result<()> {
        self.ask(self.request(method, path, &[])?).await.map(drop)
    }

    /// A statement's answer as it comes, in a shape of `POST /v1/sql`.
    pub(crate) async fn sql(&self, statement: &str, params: &Given, shape: &str) -> anyhow::Result<Response> {
        let body = json!({"sql": statement, "params": params, "format": shape});
        self.ask(with_body(self.request(Method::POST, &["v1", "sql"], &[])?, &[], &body)).await
    }

    /// A statement's answer as columns.
    pub(crate) async fn columns(&self, sql: &str, params: &Given) -> anyhow::Result<(SchemaRef, Vec<RecordBatch>)> {
        let bytes = self.sql(sql, params, "arrow").await?.bytes().await.context("reading the server's answer")?;
        let reader = StreamReader::try_new(bytes.as_ref(), None).context("understanding the server's answer")?;
        Ok((reader.schema(), reader.collect::<Result<_, _>>().context("understanding the server's answer")?))
    }

    fn request(&self, method: Method, path: &[&str], query: &[(&str, String)]) -> anyhow::Result<RequestBuilder> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| anyhow::anyhow!("{} has no paths", self.base))?
            .pop_if_empty()
            .extend(path);
        let org = self.org.iter().map(|org| ("org", org.clone()));
        let pairs: Vec<(&str, String)> = query.iter().cloned().chain(org).collect();
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        let request = self.client.request(method, url);
        Ok(match &self.key {
            Some(key) => request.header(AUTHORIZATION, key.clone()),
            None => request,
        })
    }

    async fn ask(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let answer = request.send().await.with_context(|| format!("asking {}", self.base))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        match refusal(answer).await {
            Some(refusal) => bail!("{} refused ({status}, {}): {}", self.base, refusal.code, refusal.detail),
            None => bail!("{} answered {status}; is it a credwatch server?", self.base),
        }
    }
}

fn with_body(request: RequestBuilder, headers: &[(&str, String)], body: &Value) -> RequestBuilder {
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
    let request = request.header("content-type", "application/json");
    if body.is_null() { request } else { request.body(body.to_string()) }
}

async fn understood<T: DeserializeOwned>(answer: Response) -> anyhow::Result<T> {
    let bytes = answer.bytes().await.context("reading the server's answer")?;
    serde_json::from_slice(&bytes).context("understanding the server's answer")
}

async fn refusal(answer: Response) -> Option<Refusal> {
    serde_json::from_slice(&answer.bytes().await.ok()?).ok()
}

fn read_key(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading the key in {path:?}"))?;
    let key = Key::parse(text.trim()).with_context(|| format!("reading the key in {path:?}"))?;
    Ok(key.reveal())
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_file(folder: &Path) -> std::path::PathBuf {
        let path = folder.join("key.txt");
        let key = Key::draw().unwrap().reveal();
        std::fs::write(&path, format!("{key}\n")).unwrap();
        path
    }

    fn server(url: &str, key_file: Option<std::path::PathBuf>) -> anyhow::Result<Option<Server>> {
        Server::of(&Config { url: Some(url.to_owned()), key_file, ca_file: None }, Some("org a"))
    }

    #[test]
    fn a_path_is_put_together_from_its_parts_whatever_is_in_them() {
        let server = server("https://credwatch.example/base/", None).unwrap().unwrap();
        let request = server.request(Method::GET, &["v1", "findings", "a/../b"], &[]).unwrap().build().unwrap();
        assert_eq!(request.url().as_str(), "https://credwatch.example/base/v1/findings/a%2F..%2Fb?org=org+a");
    }

    #[test]
    fn a_key_does_not_travel_in_the_clear() {
        let folder = tempfile::tempdir().unwrap();
        let key = key_file(folder.path());
        let why = server("http://credwatch.example", Some(key.clone())).unwrap_err().to_string();
        assert!(why.contains("in the clear"), "{why}");
        for url in ["http://localhost:7980", "http://[::1]:7980", "https://credwatch.example"] {
            assert!(server(url, Some(key.clone())).is_ok(), "{url}");
        }
    }

    #[test]
    fn what_is_no_server_or_no_key_is_one_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let half = folder.path().join("half.txt");
        std::fs::write(&half, "cwk_0123").unwrap();
        assert!(server("credwatch.example", None).is_err());
        assert!(server("file:///tmp", None).is_err());
        let why = format!("{:#}", server("https://credwatch.example", Some(half)).unwrap_err());
        assert!(why.contains("half.txt") && why.contains("not an API key"), "{why}");
    }

    #[test]
    fn a_server_that_is_printed_keeps_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = key_file(folder.path());
        let key = std::fs::read_to_string(&path).unwrap();
        let printed = format!("{:?}", server("https://credwatch.example", Some(path)).unwrap());
        assert!(!printed.contains(key.trim()), "{printed}");
    }
}
