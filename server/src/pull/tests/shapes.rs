//! What each shape promises beyond the others.

use axum::http::StatusCode;
use credwatch_schemas::finding::{Finding, Status};
use serde_json::json;

use super::world::{World, record, time};
use crate::sample::finding;

const NOW: &str = "2026-06-05T10:00:30Z";

#[tokio::test]
async fn the_bare_array_names_a_next_page_on_every_answer_also_on_an_empty_one() {
    let mut world = World::new().await;
    let first = world.get("/api/v1/logs?wait=0&limit=2").await;
    assert_eq!((first.status, first.json()), (StatusCode::OK, json!([])));
    let ids = world.append(&vec![record("org_a", "auth"); 3], time(NOW)).await;
    let second = world.get(&first.next().unwrap()).await;
    assert_eq!(second.ids(), ids[..2], "the limit is kept in the address");
    let third = world.get(&second.next().unwrap()).await;
    let end = world.get(&third.next().unwrap()).await;
    assert_eq!((third.ids(), end.json()), (ids[2..].to_vec(), json!([])));
    assert!(end.next().is_some());
}

#[tokio::test]
async fn okta_clients_say_ssws_and_their_order() {
    let world = World::new().await;
    let sent = format!("SSWS {}", world.key().await);
    let asked = world.get_with("/api/v1/logs?wait=0&sortOrder=ASCENDING", &[("authorization", &sent)]).await;
    assert_eq!(asked.status, StatusCode::OK);
}

#[tokio::test]
async fn a_cursor_in_a_body_remembers_how_many_rows_a_page_has() {
    let mut world = World::new().await;
    let ids = world.append(&vec![record("org_a", "auth"); 5], time(NOW)).await;
    let first = world.post("/api/v2/auditevents", json!({"limit": 2, "start_time": "2026-06-05T00:00:00Z"})).await;
    assert_eq!((first.ids(), first.json()["has_more"].clone()), (ids[..2].to_vec(), json!(true)));
    let second = world.post("/api/v2/auditevents", json!({"cursor": first.cursor()})).await;
    assert_eq!(second.ids(), ids[2..4]);
    let last = world.post("/api/v2/auditevents", json!({"cursor": second.cursor()})).await;
    assert_eq!((last.ids(), last.json()["has_more"].clone()), (ids[4..].to_vec(), json!(false)));
    let empty = world.post("/api/v2/auditevents?wait=0", json!({"cursor": last.cursor()})).await;
    assert_eq!((empty.ids().len(), empty.json()["cursor"].is_string()), (0, true), "the cursor is always there");
}

#[tokio::test]
async fn every_revision_is_a_row_in_the_order_of_its_own_seq() {
    let world = World::new().await;
    let raised = Finding { provisional: true, ..finding("f_a", 10) };
    let confirmed = Finding { revision: 2, ..finding("f_a", 10) };
    let withdrawn = Finding { revision: 3, status: Status::Withdrawn, changed_by: "ada".into(), ..finding("f_a", 10) };
    let early = Finding { provisional: true, ..finding("f_b", 20) };
    world.append_findings(&[raised, confirmed]).await;
    world.append_findings(&[early, withdrawn]).await;
    let world = &world;
    let revisions = |path: &'static str| async move {
        let page = world.get(path).await.json();
        let pair = |row: &serde_json::Value| {
            (row["finding_id"].as_str().unwrap().to_owned(), row["revision"].as_i64().unwrap())
        };
        page["items"].as_array().unwrap().iter().map(pair).collect::<Vec<_>>()
    };
    let of =
        |pairs: &[(&str, i64)]| pairs.iter().map(|(id, revision)| ((*id).to_owned(), *revision)).collect::<Vec<_>>();
    assert_eq!(revisions("/v1/findings/revisions").await, of(&[("f_a", 1), ("f_a", 2), ("f_b", 1), ("f_a", 3)]));
    assert_eq!(revisions("/v1/findings/revisions?provisional=false").await, of(&[("f_a", 2), ("f_a", 3)]));
    assert_eq!(revisions("/v1/findings/revisions?org=org_b").await, of(&[]));
    let one = world.get("/v1/findings/revisions?limit=1").await;
    assert_eq!(one.json()["items"][0]["seq"], 1);
    assert!(one.next().unwrap().contains("/v1/findings/revisions?"), "{:?}", one.next());
}
