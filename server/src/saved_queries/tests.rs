//! Saved queries over the API.

use axum::http::StatusCode;
use credwatch_query::{Session, TenantScope};
use credwatch_schemas::access::Role;
use credwatch_schemas::time::Micros;
use serde_json::{Value, json};

use super::{Draft, SavedQueries};
use crate::access::Key;
use crate::world::{Answer, World, request};

async fn ask(world: &World, key: Option<&Key>, method: &str, path: &str, body: Option<&Value>) -> Answer {
    world.ask(request(method, path, key, body)).await
}

const BY_ORG: &str = "SELECT org_id, count(*) AS calls FROM events WHERE kind = $kind GROUP BY org_id ORDER BY org_id";

#[tokio::test]
async fn a_saved_query_is_run_by_its_name_over_what_its_runner_sees() {
    let world = World::new().await;
    let analyst = world.key(Role::Analyst, &["org_a"]).await;
    let (path, draft) = ("/v1/queries/by-org", json!({"sql": BY_ORG, "about": "calls of each org"}));
    for key in [None, Some(&analyst)] {
        let saved = ask(&world, key, "PUT", path, Some(&draft)).await;
        assert_eq!(saved.status, StatusCode::OK, "{}", saved.body);
    }
    let how = json!({"params": {"kind": "tool_call"}, "format": "csv"});
    let all = ask(&world, None, "POST", "/v1/queries/by-org/run", Some(&how)).await;
    assert_eq!(all.body, "org_id,calls\norg_a,2\norg_b,1\n");
    let of_a = ask(&world, Some(&analyst), "POST", "/v1/queries/by-org/run", Some(&how)).await;
    assert_eq!(of_a.body, "org_id,calls\norg_a,2\n");
}

#[tokio::test]
async fn each_org_has_names_of_its_own_and_the_last_of_a_name_holds() {
    let world = World::new().await;
    let (a, b) = (world.key(Role::Analyst, &["org_a"]).await, world.key(Role::Analyst, &["org_b"]).await);
    let path = "/v1/queries/one";
    for sql in ["SELECT 1 AS one", "SELECT 2 AS one"] {
        ask(&world, Some(&a), "PUT", path, Some(&json!({"sql": sql}))).await;
    }
    assert_eq!(ask(&world, Some(&a), "GET", path, None).await.json()["sql"], "SELECT 2 AS one");
    ask(&world, Some(&b), "GET", path, None).await.is_problem(StatusCode::NOT_FOUND, "not_found");
    ask(&world, None, "DELETE", path, None).await.is_problem(StatusCode::NOT_FOUND, "not_found");
    assert_eq!(ask(&world, Some(&a), "DELETE", path, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(ask(&world, Some(&a), "GET", "/v1/queries", None).await.json(), json!({"queries": []}));
}

#[tokio::test]
async fn a_history_that_has_become_long_is_folded_to_what_holds() {
    let world = World::new().await;
    let session = Session::open(&world.lake.snapshot().await.unwrap(), TenantScope::Operator, Default::default());
    let (session, queries) = (session.unwrap(), SavedQueries::new(world.lake.clone(), &TenantScope::Operator));
    for number in 0..130 {
        let draft = Draft { sql: "SELECT 1".to_owned(), about: Some(number.to_string()) };
        let name = format!("q{}", number % 3);
        queries.save(&session, &name, &draft, "operator", Micros(number)).await.unwrap();
    }
    queries.remove("q0", "operator", Micros(200)).await.unwrap();
    let left: Vec<_> = queries.list().await.unwrap().into_iter().filter_map(|query| query.about).collect();
    assert_eq!(left, ["127", "128"]);
    assert!(queries.book.rows().await.unwrap().len() < 80);
}

#[tokio::test]
async fn what_could_never_be_run_is_not_saved() {
    let world = World::new().await;
    let cases = [
        ("x", json!({"sql": "SELECT * FROM nothing"}), "sql.unknown_table"),
        ("x", json!({"sql": "DROP TABLE events"}), "sql.not_read_only"),
        ("x", json!({"sql": "SELECT 1", "about": "two\nlines"}), "bad_saved_query"),
        ("a%20b", json!({"sql": "SELECT 1"}), "bad_saved_query"),
        ("x", json!({"sql": "x".repeat(70_000)}), "bad_saved_query"),
    ];
    for (name, draft, code) in cases {
        let refused = ask(&world, None, "PUT", &format!("/v1/queries/{name}"), Some(&draft)).await;
        refused.is_problem(StatusCode::BAD_REQUEST, code);
    }
    let viewer = world.key(Role::Viewer, &["org_a"]).await;
    let refused = ask(&world, Some(&viewer), "GET", "/v1/queries", None).await;
    refused.is_problem(StatusCode::FORBIDDEN, "forbidden");
    let other = json!({"sql": "SELECT 2"});
    ask(&world, None, "PUT", "/v1/queries/x", Some(&json!({"sql": "SELECT 1"}))).await;
    let refused = ask(&world, None, "POST", "/v1/queries/x/run", Some(&other)).await;
    refused.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "bad_body");
}
