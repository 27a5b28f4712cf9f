//! What one page is: how many rows, which headers, in which coding, and where it says to go on.

use std::io::Read;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use axum::http::StatusCode;
use credwatch_schemas::rows::from_batch;
use credwatch_schemas::time::Micros;
use futures::future::join_all;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use super::world::{FAR, Record, World, record, time};

const NOW: &str = "2026-06-05T10:00:30Z";

async fn world(rows: usize) -> World {
    let mut world = World::new().await;
    world.append(&vec![record("org_a", "auth"); rows], time(NOW)).await;
    world
}

#[tokio::test]
async fn a_page_has_exactly_as_many_rows_as_were_asked_for_while_there_are_more() {
    let world = world(7).await;
    let first = world.get("/v1/events?limit=3").await;
    assert_eq!((first.ids().len(), first.json()["has_more"].clone()), (3, json!(true)));
    assert_eq!(first.json()["next_cursor"], first.json()["cursor"]);
    let second = world.get(&first.next().unwrap()).await;
    assert_eq!((second.ids().len(), second.json()["has_more"].clone()), (3, json!(true)));
    let last = world.get(&second.next().unwrap()).await;
    assert_eq!((last.ids().len(), last.json()["has_more"].clone()), (1, json!(false)));
    assert_eq!(last.json()["next_cursor"], Value::Null);
    assert_eq!(last.next(), None, "this shape stops at the end");
    assert_eq!(last.json()["settled_until"], "2026-06-05T10:00:30.000000Z");
}

#[tokio::test]
async fn the_end_is_an_empty_page_that_can_be_asked_again_when_there_is_news() {
    let mut world = world(2).await;
    let end = world.get("/v1/events").await.cursor();
    let again = world.get(&format!("/v1/events?cursor={end}")).await;
    assert_eq!((again.status, again.ids().len()), (StatusCode::OK, 0));
    let ids = world.append(&[record("org_a", "auth")], time(NOW)).await;
    assert_eq!(world.get(&format!("/v1/events?cursor={}", again.cursor())).await.ids(), ids);
}

#[tokio::test]
async fn an_empty_lake_is_an_empty_page() {
    let world = World::new().await;
    let page = world.get("/v1/events").await;
    assert_eq!((page.status, page.ids().len(), page.json()["settled_until"].clone()), (StatusCode::OK, 0, Value::Null));
}

#[tokio::test]
async fn bytes_cut_a_page_but_a_row_larger_than_a_page_is_served() {
    let mut world = World::new().await;
    let large = |bytes: usize| Record { bytes, ..record("org_a", "auth") };
    let ids =
        world.append(&[large(2 << 20), large(2 << 20), large(2 << 20), large(6 << 20), large(10)], time(NOW)).await;
    let (mut got, mut pages, mut next) = (Vec::new(), Vec::new(), "/v1/events".to_owned());
    loop {
        let page = world.get(&next).await;
        got.extend(page.ids());
        pages.push(page.ids().len());
        match page.next() {
            Some(address) => next = address,
            None => break,
        }
    }
    assert_eq!((got, pages), (ids, vec![2, 1, 1, 1]));
}

#[tokio::test]
async fn a_stretch_without_matches_is_passed_and_not_walked_again() {
    let mut world = World::new().await;
    for _ in 0..5 {
        world.append(&vec![record("org_a", "tool_call"); 4_000], time(NOW)).await;
    }
    let wanted = world.append(&[record("org_a", "auth")], time(NOW)).await;
    world.append(&vec![record("org_a", "tool_call"); 4_000], time(NOW)).await;
    let page = world.get("/v1/events?kind=auth&limit=10").await;
    assert_eq!((page.ids(), page.json()["has_more"].clone()), (wanted, json!(false)));
    let key = world.api.pull.key(&world.lake).await.unwrap();
    assert_eq!(key.open(&page.cursor()).unwrap().position, 24_001, "it stands behind everything that was looked at");
}

#[tokio::test]
async fn every_answer_tells_its_length_and_how_often_its_reader_may_ask() {
    let world = world(3).await;
    for path in ["/v1/events", "/api/v1/logs?wait=0", "/v1/events?limit=0", "/v1/findings/revisions"] {
        let answer = world.get(path).await;
        assert_eq!(answer.header("content-length").unwrap(), answer.bytes.len().to_string(), "{path}");
        for name in ["x-ratelimit-limit", "x-rate-limit-remaining", "ratelimit-reset", "x-ratelimit-reset"] {
            assert!(answer.header(name).unwrap().parse::<u64>().is_ok(), "{path}: {name}");
        }
    }
}

#[tokio::test]
async fn a_reader_that_spins_is_told_to_wait_and_others_are_not() {
    let world = world(1).await;
    for _ in 0..18 {
        // At once, because each answer waits for its row of the audit, and one commit serves all that wait.
        let answers = join_all((0..100).map(|_| world.get("/v1/events?org=org_a&limit=0"))).await;
        assert!(answers.iter().all(|answer| answer.status != StatusCode::TOO_MANY_REQUESTS));
    }
    let told = world.get("/v1/events?org=org_a&limit=0").await;
    told.is_problem(StatusCode::TOO_MANY_REQUESTS, "limit.rate");
    assert!(told.header("retry-after").unwrap().parse::<u64>().unwrap() <= 60);
    let other = format!("Bearer {}", world.key().await);
    let answer = world.get_with("/v1/events?org=org_b", &[("authorization", &other)]).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_page_is_the_same_in_every_coding() {
    let world = world(200).await;
    let plain = world.get_with("/v1/events", &[("accept-encoding", "identity")]).await;
    assert_eq!(plain.header("content-encoding"), None);
    let gzip = world.get_with("/v1/events", &[("accept-encoding", "gzip")]).await;
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&gzip.bytes[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.bytes);
    let zstd = world.get_with("/v1/events", &[("accept-encoding", "gzip, zstd")]).await;
    assert_eq!(zstd.header("content-encoding"), Some("zstd"));
    assert_eq!(zstd::bulk::decompress(&zstd.bytes, 64 << 20).unwrap(), plain.bytes);
    assert!(zstd.bytes.len() < plain.bytes.len() / 4);
}

#[tokio::test]
async fn links_begin_with_the_configured_address_and_never_with_the_host_that_was_asked() {
    let world = world(3).await;
    world.api.clone().reached_at("https://siem.example/credwatch/").unwrap();
    let page = world.get("/v1/events?limit=1&kind=auth&kind=x%2Cy%3Bz&org=org_a").await;
    let link = page.header("link").unwrap();
    assert!(
        link.starts_with(
            "<https://siem.example/credwatch/v1/events?limit=1&kind=auth&kind=x%2Cy%3Bz&org=org_a&cursor="
        ),
        "{link}"
    );
    assert_eq!((link.matches(',').count(), link.matches(';').count()), (0, 1), "{link}");
}

#[tokio::test]
async fn who_waits_is_answered_by_the_first_news() {
    let mut world = world(1).await;
    let end = world.get("/v1/events").await.cursor();
    let path = format!("/v1/events?wait=30&cursor={end}");
    let waiting = crate::api::routes(world.api.clone());
    let request = axum::http::Request::get(&path).header("host", "localhost").body(axum::body::Body::empty()).unwrap();
    let waiting = tokio::spawn(async move {
        let response = tower::ServiceExt::oneshot(waiting, request).await.unwrap();
        axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap()
    });
    tokio::task::yield_now().await;
    let ids = world.append(&[record("org_a", "auth")], time(NOW)).await;
    let body = waiting.await.unwrap();
    let json: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(json["items"][0]["event_id"], *ids[0]);
}

#[tokio::test]
async fn who_waits_is_answered_at_once_when_the_server_stops() {
    let world = world(1).await;
    let end = world.get("/v1/events").await.cursor();
    world.api.pull.stopping.cancel();
    let page = world.get(&format!("/v1/events?wait=30&cursor={end}")).await;
    assert_eq!((page.status, page.ids().len(), page.cursor()), (StatusCode::OK, 0, end));
}

#[tokio::test]
async fn what_cannot_be_asked_is_a_problem_with_a_code() {
    let world = world(1).await;
    for (path, code) in [
        ("/v1/events?limit=0", "bad_limit"),
        ("/v1/events?limit=1001", "bad_limit"),
        ("/v1/events?knid=auth", "bad_query"),
        ("/v1/events?format=xml", "bad_query"),
        ("/v1/events?wait=31", "bad_query"),
        ("/v1/events?cursor=x", "bad_cursor"),
        ("/api/v1/logs?sortOrder=DESCENDING", "bad_query"),
        ("/v1/findings/revisions?until=2026-06-01T00:00:00Z", "bad_query"),
        ("/v1/windows/yesterday", "bad_query"),
    ] {
        world.get(path).await.is_problem(StatusCode::BAD_REQUEST, code);
    }
}

/// Null is absent, and a time is what it means.
fn meant(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let there = members.iter().filter(|(_, value)| !value.is_null());
            there.map(|(key, value)| (key.clone(), meant(value))).collect()
        }
        Value::Array(values) => values.iter().map(meant).collect(),
        Value::String(text) => Micros::parse(text).map_or_else(|| value.clone(), |time| json!(time.0)),
        other => other.clone(),
    }
}

#[tokio::test]
async fn a_page_of_columns_holds_what_the_page_of_objects_holds() {
    let world = world(3).await;
    let accept = [("accept", "application/vnd.apache.parquet")];
    let (objects, columns) =
        (world.get("/v1/events?limit=2").await, world.get_with("/v1/events?limit=2", &accept).await);
    let file = bytes::Bytes::from(columns.bytes.clone());
    let read = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let batches: Vec<RecordBatch> = read.map(Result::unwrap).collect();
    assert!(
        batches
            .iter()
            .all(|batch| batch["token_expires_at"].as_primitive::<TimestampMicrosecondType>().value(0) == FAR)
    );
    let rows: Vec<Value> = batches.iter().flat_map(|batch| from_batch::<Value>(batch).unwrap()).collect();
    let there = |row: &Value| {
        let mut row = meant(row);
        row.as_object_mut().unwrap().remove("token_expires_at");
        row
    };
    let items = objects.json()["items"].as_array().unwrap().clone();
    assert_eq!(rows.iter().map(there).collect::<Vec<_>>(), items.iter().map(there).collect::<Vec<_>>());
    assert_eq!(
        (columns.header("x-cursor"), columns.header("x-has-more")),
        (Some(objects.cursor().as_str()), Some("true"))
    );
    assert!(columns.header("link").is_some());
    world.get_with("/v1/events?format=ecs", &accept).await.is_problem(StatusCode::BAD_REQUEST, "bad_query");
    for empty in ["/v1/events?kind=heartbeat", "/v1/findings/revisions"] {
        let empty = world.get_with(empty, &accept).await;
        let read = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(empty.bytes.clone())).unwrap();
        assert_eq!(read.metadata().file_metadata().num_rows(), 0);
    }
}

#[tokio::test]
async fn every_vocabulary_is_json_of_the_same_rows() {
    let world = world(2).await;
    for (format, name) in
        [("canonical", "record_id"), ("ocsf", "class_uid"), ("ocsf-1.3", "class_uid"), ("ecs", "@timestamp")]
    {
        let page = world.get(&format!("/v1/events?format={format}&limit=1")).await.json();
        assert!(page["items"][0].get(name).is_some(), "{format}: {page}");
        assert!(page["has_more"].as_bool().unwrap());
    }
}
