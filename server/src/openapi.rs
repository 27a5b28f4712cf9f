//! The description of the API: OpenAPI 3.1, made of the routes themselves. It is served at [`PATH`] and committed as
//! `schemas/wire/openapi.json`; a test holds the two equal.

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::security::{ClientCredentials, Flow, HttpAuthScheme, HttpBuilder, OAuth2, Scopes, SecurityScheme};
use utoipa::openapi::{
    Components, Content, Info, License, ObjectBuilder, OpenApi, Ref, RefOr, SecurityRequirement, Server, Tag, Type,
};

use crate::access::TOKEN;

pub(crate) const PATH: &str = "/v1/openapi.json";

const PROBLEM: &str = "Problem";
/// Anybody may ask these.
const OPEN: [&str; 4] = ["/healthz", "/readyz", TOKEN, "/.well-known/oauth-authorization-server"];
const SCHEMES: [&str; 3] = ["bearer", "basic", "oauth2"];

const TAGS: [(&str, &str); 7] = [
    ("findings", "What was found, what could not be seen, and what people say about it."),
    ("sql", "Statements that read, inside the caller's scope and limits."),
    ("saved queries", "Statements under a name."),
    ("pull", "Everything in the order in which it became durable, for forwarders."),
    ("reports", "A week, checklists of frameworks and inventories, for those who read and file."),
    ("access", "Keys, grants, tokens."),
    ("operation", "Health and numbers."),
];

/// What the routes do not say themselves: what this is, how callers prove who they are, and how errors look.
pub(crate) fn finished(mut document: OpenApi) -> OpenApi {
    let mut info = Info::new("credwatch", env!("CARGO_PKG_VERSION"));
    info.description =
        Some("Reads the audit logs of credential brokers: events, findings, SQL, and pull for SIEMs.".to_owned());
    info.license = Some(License::new("Apache-2.0"));
    document.info = info;
    document.servers = Some(vec![Server::new("/")]);
    document.tags = Some(TAGS.iter().map(|(name, about)| tag(name, about)).collect());
    let components = document.components.get_or_insert_with(Components::new);
    components.schemas.insert(PROBLEM.to_owned(), problem());
    schemes(components);
    for (path, item) in &mut document.paths.paths {
        let is_open = OPEN.contains(&path.as_str());
        for (method, operation) in operations(item) {
            operation.operation_id = Some(name(method, path));
            complete(operation, is_open);
        }
    }
    document
}

fn tag(name: &str, about: &str) -> Tag {
    let mut tag = Tag::new(name);
    tag.description = Some(about.to_owned());
    tag
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [("get", &mut item.get), ("put", &mut item.put), ("post", &mut item.post), ("delete", &mut item.delete)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// What generated clients call it; no two are the same, because no two routes are.
fn name(method: &str, path: &str) -> String {
    let words = path.split(|one: char| !one.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(method.to_owned(), |name, word| format!("{name}_{word}"))
}

fn complete(operation: &mut Operation, is_open: bool) {
    if is_open {
        operation.security = Some(vec![]);
        return;
    }
    operation.security =
        Some(SCHEMES.iter().map(|name| SecurityRequirement::new(*name, Vec::<String>::new())).collect());
    operation.responses.responses.entry("default".to_owned()).or_insert_with(|| RefOr::T(refusal()));
}

fn refusal() -> Response {
    let content = Content::new(Some(Ref::from_schema_name(PROBLEM)));
    ResponseBuilder::new()
        .description("A problem document (RFC 9457); `code` is a word that programs can rely on.")
        .content("application/problem+json", content)
        .build()
}

fn problem() -> RefOr<utoipa::openapi::schema::Schema> {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let status = ObjectBuilder::new().schema_type(Type::Integer);
    let mut problem = ObjectBuilder::new().schema_type(Type::Object).property("status", status).required("status");
    for name in ["type", "title", "code", "detail"] {
        problem = problem.property(name, text()).required(name);
    }
    problem.into()
}

fn schemes(components: &mut Components) {
    let http =
        |scheme, about: &str| SecurityScheme::Http(HttpBuilder::new().scheme(scheme).description(Some(about)).build());
    let tokens = Flow::ClientCredentials(ClientCredentials::new(TOKEN, Scopes::new()));
    let all = [
        http(HttpAuthScheme::Bearer, "An API key, a token of the configured OpenID issuer, or one of our own."),
        http(HttpAuthScheme::Basic, "An API key as the password, with any user."),
        SecurityScheme::OAuth2(OAuth2::new([tokens])),
    ];
    components.security_schemes.extend(SCHEMES.iter().map(|name| (*name).to_owned()).zip(all.map(RefOr::T)));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::world::World;

    /// After a change to a route, `CREDWATCH_BLESS=1` writes the file anew.
    #[tokio::test]
    async fn the_committed_description_is_the_one_that_is_served() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/wire/openapi.json");
        let served = format!("{:#}\n", World::new().await.get(PATH).await.json());
        if std::env::var_os("CREDWATCH_BLESS").is_some() {
            std::fs::write(path, &served).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), served);
    }

    #[tokio::test]
    async fn every_operation_says_what_it_does_and_how_it_refuses() {
        let document = World::new().await.get(PATH).await.json();
        let paths = document["paths"].as_object().unwrap();
        assert!(paths.len() >= 25, "{}", paths.len());
        let mut names = BTreeSet::new();
        for (path, item) in paths {
            for (method, operation) in item.as_object().unwrap() {
                assert!(names.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
                let says = operation["summary"].as_str().is_some_and(|text| !text.is_empty());
                let refuses = operation["responses"].get("default").is_some() || OPEN.contains(&path.as_str());
                let is_tagged = TAGS.iter().any(|(name, _)| operation["tags"] == serde_json::json!([name]));
                assert!(says && refuses && is_tagged, "{method} {path}: {operation}");
            }
        }
    }
    #[tokio::test]
    async fn whatever_it_refers_to_stands_in_it() {
        let document = World::new().await.get(PATH).await.json();
        let (mut left, mut references) = (vec![&document], 0);
        while let Some(value) = left.pop() {
            if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
                references += 1;
                assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
            }
            match value {
                Value::Array(values) => left.extend(values),
                Value::Object(members) => left.extend(members.values()),
                _ => {}
            }
        }
        assert!(references > 50, "{references}");
    }
}
