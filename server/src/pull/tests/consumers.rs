//! Places that the lake keeps for others.

use axum::http::{Method, StatusCode};
use serde_json::json;

use super::world::{Answer, World, record, time};

async fn put(world: &World, path: &str, condition: (&str, &str), cursor: &str) -> Answer {
    world.send(Method::PUT, path, &[condition], json!({ "cursor": cursor })).await
}

async fn world() -> World {
    let mut world = World::new().await;
    world.append(&vec![record("org_a", "auth"); 5], time("2026-06-05T10:00:00Z")).await;
    world
}

#[tokio::test]
async fn of_two_workers_that_finish_the_same_page_one_is_told() {
    let mut world = world().await;
    let path = "/v1/consumers/siem-eu.1/offset";
    world.get(path).await.is_problem(StatusCode::NOT_FOUND, "not_found");
    let (one, two) = (world.get("/v1/events?limit=1").await.cursor(), world.get("/v1/events?limit=2").await.cursor());
    let made = put(&world, path, ("if-none-match", "*"), &one).await;
    assert_eq!((made.status, made.header("etag")), (StatusCode::OK, Some("\"1\"")));
    put(&world, path, ("if-none-match", "*"), &one)
        .await
        .is_problem(StatusCode::PRECONDITION_FAILED, "revision_mismatch");
    let moved = put(&world, path, ("if-match", "\"1\""), &two).await;
    assert_eq!(moved.header("etag"), Some("\"2\""));
    put(&world, path, ("if-match", "\"1\""), &two)
        .await
        .is_problem(StatusCode::PRECONDITION_FAILED, "revision_mismatch");
    world.restart().await;
    let read = world.get(path).await;
    assert_eq!((read.header("etag"), read.json()["cursor"].clone()), (Some("\"2\""), json!(two)));
    assert_eq!((read.json()["position"].clone(), read.json()["behind_at_most"].clone()), (json!(2), json!(3)));
    assert_eq!(world.get(&format!("/v1/events?cursor={two}")).await.ids().len(), 3);
}

#[tokio::test]
async fn a_place_needs_a_condition_a_plain_name_and_a_cursor_of_its_own_org() {
    let world = world().await;
    let of_a = world.get("/v1/events?org=org_a").await.cursor();
    let path = "/v1/consumers/siem/offset";
    let none = world.send(Method::PUT, path, &[], json!({ "cursor": of_a })).await;
    none.is_problem(StatusCode::PRECONDITION_REQUIRED, "revision_required");
    put(&world, path, ("if-none-match", "*"), &of_a).await.is_problem(StatusCode::BAD_REQUEST, "cursor_mismatch");
    put(&world, path, ("if-none-match", "*"), "AAAA").await.is_problem(StatusCode::BAD_REQUEST, "bad_cursor");
    world.get("/v1/consumers/a%2Fb/offset").await.is_problem(StatusCode::BAD_REQUEST, "bad_query");
    let own = format!("{path}?org=org_a");
    assert_eq!(put(&world, &own, ("if-none-match", "*"), &of_a).await.status, StatusCode::OK);
    assert_eq!(world.get(&own).await.status, StatusCode::OK);
    world.get(path).await.is_problem(StatusCode::NOT_FOUND, "not_found");
    world.get(&format!("{path}?org=org_b")).await.is_problem(StatusCode::NOT_FOUND, "not_found");
    let findings = world.get("/v1/findings/revisions?org=org_a").await.cursor();
    put(&world, &own, ("if-match", "\"1\""), &findings).await.is_problem(StatusCode::BAD_REQUEST, "cursor_mismatch");
}

#[tokio::test]
async fn many_changes_leave_few_files_and_every_last_place() {
    let world = world().await;
    let cursor = world.get("/v1/events?limit=1").await.cursor();
    put(&world, "/v1/consumers/other/offset", ("if-none-match", "*"), &cursor).await;
    let path = "/v1/consumers/busy/offset";
    let mut condition = ("if-none-match".to_owned(), "*".to_owned());
    for _ in 0..70 {
        let answer = put(&world, path, (&condition.0, &condition.1), &cursor).await;
        condition = ("if-match".to_owned(), answer.header("etag").unwrap().to_owned());
    }
    assert_eq!(condition.1, "\"70\"");
    assert_eq!(world.get("/v1/consumers/other/offset").await.header("etag"), Some("\"1\""));
    let snapshot = world.lake.snapshot().await.unwrap();
    let files = snapshot.table(&credwatch_lake::TableName::Consumers).unwrap().files().len();
    assert!(files < 20, "{files}");
}
