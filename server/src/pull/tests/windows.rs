//! Minutes for clients that keep nothing.

use axum::http::StatusCode;

use super::world::{Record, World, record, time};

#[tokio::test]
async fn a_minute_is_answered_once_it_is_sealed_and_never_changes() {
    let mut world = World::new().await;
    let path = "/v1/windows/2026-06-05T10:00Z";
    world.get(path).await.is_problem(StatusCode::TOO_EARLY, "not_sealed");
    let ids = world.append(&[record("org_a", "auth"), record("org_b", "auth")], time("2026-06-05T10:00:59.999Z")).await;
    let early = world.get(path).await;
    early.is_problem(StatusCode::TOO_EARLY, "not_sealed");
    assert!(early.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    world.append(&[record("org_a", "auth")], time("2026-06-05T10:01:00Z")).await;
    let sealed = world.get(path).await;
    assert_eq!((sealed.status, sealed.ids()), (StatusCode::OK, ids.clone()));
    assert_eq!(world.get(&format!("{path}?org=org_b")).await.ids(), ids[1..]);
    assert_eq!(world.get(&format!("{path}?kind=tool_call")).await.ids().len(), 0);
    assert_eq!(world.get("/v1/windows/2026-06-05T09:59:00Z").await.ids().len(), 0, "an empty minute is empty");
    let tag = sealed.header("etag").unwrap().to_owned();
    world.restart().await;
    drop(world.lake.compact(time("2026-06-05T12:00:00Z")).await.unwrap());
    let again = world.get(path).await;
    assert_eq!((again.header("etag"), &again.bytes), (Some(tag.as_str()), &sealed.bytes));
    let known = world.get_with(path, &[("if-none-match", &tag)]).await;
    assert_eq!((known.status, known.bytes.len()), (StatusCode::NOT_MODIFIED, 0));
}

#[tokio::test]
async fn a_minute_that_is_no_answer_in_one_piece_is_an_error_that_names_its_pages() {
    let mut world = World::new().await;
    let large = Record { bytes: 3 << 20, ..record("org_a", "auth") };
    for _ in 0..4 {
        world.append(&vec![large.clone(); 3], time("2026-06-05T10:00:00Z")).await;
    }
    world.append(&[record("org_a", "auth")], time("2026-06-05T10:01:00Z")).await;
    let refused = world.get("/v1/windows/2026-06-05T10:00Z").await;
    refused.is_problem(StatusCode::PAYLOAD_TOO_LARGE, "window_too_large");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    let mut next = Some(detail[detail.find("http").unwrap()..].to_owned());
    let mut rows = 0;
    while let Some(address) = next {
        let page = world.get(&address).await;
        rows += page.ids().len();
        next = page.next();
    }
    assert_eq!(rows, 12);
}
