//! `POST /v1/findings/{id}/triage`: what a person says about a finding.
//!
//! `If-Match` names the revision that they looked at (`"3"`); if another stands by now the answer is 412, and nothing
//! was changed. Without the header it is 428: a verdict on something that was not looked at is worth nothing.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use credwatch_detectors::triage::{Assignee, Said, Triaged, triage};
use credwatch_schemas::access::Right;
use credwatch_schemas::finding::{Finding, Triage, Verdict};
use credwatch_schemas::ids::FindingId;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::access::Caller;
use crate::api::Api;
use crate::detector_status::sees;
use crate::findings::Whose;
use crate::problem::Problem;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Triaging)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    triage: Option<Triage>,
    verdict: Option<Verdict>,
    /// Null takes it away; absent leaves it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    assignee: Option<Assignee>,
    comment: Option<String>,
}

fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Assignee>, D::Error> {
    let name = Option::<String>::deserialize(value)?;
    Ok(Some(name.map_or(Assignee::Nobody, Assignee::Somebody)))
}

/// As the audit tells it.
impl std::fmt::Display for Asked {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let assignee = self.assignee.as_ref().map(|assignee| match assignee {
            Assignee::Nobody => "nobody",
            Assignee::Somebody(name) => name,
        });
        let said = [
            ("triage", self.triage.map(Triage::as_str)),
            ("verdict", self.verdict.map(Verdict::as_str)),
            ("assignee", assignee),
            ("comment", self.comment.as_deref()),
        ];
        let said = said.into_iter().filter_map(|(name, value)| value.map(|value| format!("{name} {value:?}")));
        out.write_str(&said.collect::<Vec<_>>().join(", "))
    }
}

/// Says what a person thinks of a finding; the answer is its next revision.
#[utoipa::path(post, path = "/v1/findings/{id}/triage", tag = "findings", params(("id" = String, Path), Whose, ("if-match" = String, Header, description = "The revision that was looked at, such as \"3\".")), request_body = Asked, responses((status = OK, body = Finding)))]
pub(crate) async fn say(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    whose: Result<Query<Whose>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Json<Asked>, JsonRejection>,
) -> Result<Json<Finding>, Problem> {
    let Query(whose) = whose.map_err(|rejection| Problem::bad_request("bad_query", rejection.body_text()))?;
    let permit = caller.within(whose.org.as_deref())?.may(Right::Triage)?;
    let looked_at = looked_at(&headers)?;
    let Json(asked) = body.map_err(|rejection| Problem::new(rejection.status(), "bad_body", rejection.body_text()))?;
    api.access.admit_change(&permit)?;
    permit.says(&format!("{id} revision {looked_at}: {asked}"));
    let said = Said { triage: asked.triage, verdict: asked.verdict, assignee: asked.assignee, comment: asked.comment };
    let is_seen = |finding: &Finding| sees(permit.scope(), finding.org_id.as_ref());
    let (id, by, now) = (FindingId::new(id), permit.principal(), (api.access.clock)());
    let triaged = triage(&api.lake, &id, Some(looked_at), &said, &by, now, is_seen).await;
    match triaged.map_err(|error| Problem::away("writing the finding", &error))? {
        Triaged::Done(finding) => Ok(Json(*finding)),
        Triaged::Unknown => Err(Problem::not_found(format!("there is no finding {:?}", id.as_str()))),
        Triaged::Refused(why) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_triage", why.to_string())),
        Triaged::Moved { revision } => {
            let why = format!("revision {revision} stands by now; look at it and say it again");
            Err(Problem::new(StatusCode::PRECONDITION_FAILED, "revision_moved", why))
        }
    }
}

fn looked_at(headers: &HeaderMap) -> Result<i64, Problem> {
    let missing = "If-Match must name the revision that you looked at, such as If-Match: \"3\"";
    let header = headers.get(header::IF_MATCH);
    let header = header.ok_or_else(|| Problem::new(StatusCode::PRECONDITION_REQUIRED, "if_match_needed", missing))?;
    let text = header.to_str().unwrap_or_default().trim().trim_matches('"');
    text.parse().map_err(|_| Problem::bad_request("bad_if_match", missing))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use credwatch_schemas::access::Role;
    use serde_json::{Value, json};

    use super::*;
    use crate::access::Key;
    use crate::world::{Answer, World, request};

    async fn say(world: &World, key: Option<&Key>, id: &str, revision: Option<&str>, body: &Value) -> Answer {
        let mut asked: Request<Body> = request("POST", &format!("/v1/findings/{id}/triage"), key, Some(body));
        if let Some(revision) = revision {
            asked.headers_mut().insert(header::IF_MATCH, revision.parse().unwrap());
        }
        world.ask(asked).await
    }

    #[tokio::test]
    async fn what_somebody_says_is_the_next_revision_under_their_name() {
        let world = World::with_findings().await;
        let analyst = world.key(Role::Analyst, &["org_a"]).await;
        let body = json!({"triage": "closed", "verdict": "benign", "assignee": "ana", "comment": "nightly job"});
        let said = say(&world, Some(&analyst), "f_a", Some("\"2\""), &body).await;
        assert_eq!(said.status, StatusCode::OK, "{}", said.body);
        let shown = world.get("/v1/findings/f_a").await.json();
        let expected = json!([3, "closed", "benign", "ana", "nightly job", format!("key:{}", analyst.id())]);
        let finding = &shown["finding"];
        let fields =
            ["revision", "triage", "verdict", "assignee", "comment", "changed_by"].map(|name| finding[name].clone());
        assert_eq!(json!(fields), expected);
        let nobody = say(&world, Some(&analyst), "f_a", Some("3"), &json!({"assignee": null})).await;
        assert_eq!((nobody.json()["revision"].clone(), nobody.json()["assignee"].clone()), (json!(4), Value::Null));
    }

    #[tokio::test]
    async fn a_verdict_on_a_revision_that_was_not_looked_at_is_refused() {
        let world = World::with_findings().await;
        let body = json!({"triage": "acknowledged"});
        let refused = say(&world, None, "f_a", Some("\"1\""), &body).await;
        refused.is_problem(StatusCode::PRECONDITION_FAILED, "revision_moved");
        let blind = say(&world, None, "f_a", None, &body).await;
        blind.is_problem(StatusCode::PRECONDITION_REQUIRED, "if_match_needed");
        say(&world, None, "f_a", Some("x"), &body).await.is_problem(StatusCode::BAD_REQUEST, "bad_if_match");
        assert_eq!(world.get("/v1/findings/f_a").await.json()["finding"]["revision"], 2);
    }

    #[tokio::test]
    async fn a_finding_of_another_org_does_not_exist() {
        let world = World::with_findings().await;
        let analyst = world.key(Role::Analyst, &["org_a"]).await;
        let body = json!({"triage": "acknowledged"});
        say(&world, Some(&analyst), "f_b", Some("1"), &body).await.is_problem(StatusCode::NOT_FOUND, "not_found");
        let viewer = world.key(Role::Viewer, &["org_a"]).await;
        say(&world, Some(&viewer), "f_a", Some("2"), &body).await.is_problem(StatusCode::FORBIDDEN, "forbidden");
    }

    #[tokio::test]
    async fn what_cannot_be_said_is_a_problem_that_says_what_can() {
        let world = World::with_findings().await;
        let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
        for (body, code) in [
            (json!({"triage": "closed"}), "bad_triage"),
            (json!({}), "bad_triage"),
            (json!({"verdict": "benign"}), "bad_triage"),
            (json!({"triage": "done"}), "bad_body"),
            (json!({"status": "resolved"}), "bad_body"),
        ] {
            say(&world, None, "f_a", Some("2"), &body).await.is_problem(unprocessable, code);
        }
    }
}
