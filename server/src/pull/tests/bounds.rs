//! Cursors that must not be followed, and walks with a beginning or an end.

use axum::http::StatusCode;
use serde_json::json;

use super::world::{World, record, time};
use crate::sample::finding;

/// Three commits, a minute from each other.
async fn world() -> (World, [Vec<String>; 3]) {
    let mut world = World::new().await;
    let records = [record("org_a", "auth"), record("org_b", "tool_call")];
    let first = world.append(&records, time("2026-06-05T10:00:00Z")).await;
    let second = world.append(&records, time("2026-06-05T10:01:00Z")).await;
    let third = world.append(&records, time("2026-06-05T10:02:00Z")).await;
    (world, [first, second, third])
}

#[tokio::test]
async fn a_cursor_of_another_org_filter_or_stream_is_refused() {
    let (world, _) = world().await;
    let of_a = world.get("/v1/events?org=org_a&limit=1").await.cursor();
    let bad = StatusCode::BAD_REQUEST;
    for path in ["org=org_b", "limit=1", "org=org_a&kind=auth", "org=org_a&until=2026-06-05T10:01:00Z"] {
        world.get(&format!("/v1/events?{path}&cursor={of_a}")).await.is_problem(bad, "cursor_mismatch");
    }
    let path = format!("/v1/findings/revisions?org=org_a&cursor={of_a}");
    world.get(&path).await.is_problem(bad, "cursor_mismatch");
    world.get(&format!("/api/v1/logs?org=org_b&after={of_a}")).await.is_problem(bad, "cursor_mismatch");
    let other = world.post("/api/v2/auditevents?org=org_b", json!({"cursor": of_a})).await;
    other.is_problem(bad, "cursor_mismatch");
    let own = world.get(&format!("/v1/events?org=org_a&since=2026-06-05T10:02:00Z&cursor={of_a}")).await;
    assert_eq!(own.ids().len(), 2, "since only chooses a beginning, and the cursor has one");
}

#[tokio::test]
async fn cursors_of_another_lake_and_forged_ones_are_refused() {
    let ((world, _), (other, _)) = (world().await, self::world().await);
    let foreign = other.get("/v1/events").await.cursor();
    world.get(&format!("/v1/events?cursor={foreign}")).await.is_problem(StatusCode::BAD_REQUEST, "bad_cursor");
}

#[tokio::test]
async fn since_chooses_the_beginning_by_the_time_at_which_rows_became_durable() {
    let (mut world, [first, second, third]) = world().await;
    let fourth = world.append(&[record("org_c", "auth")], time("2026-06-05T10:02:00Z")).await;
    let all = [first, second, third, fourth].concat();
    for merged in [false, true] {
        if merged {
            // Four files of a day become one, which spans all times.
            let merged = world.lake.compact(time("2026-06-05T11:00:00Z")).await.unwrap();
            assert!(matches!(merged, credwatch_lake::Compacted::Done { files_after: 1, .. }), "{merged:?}");
        }
        for (since, wanted) in [
            ("2026-06-05T09:00:00Z", &all[..]),
            ("2026-06-05T10:00:00Z", &all[..]),
            ("2026-06-05T10:00:01Z", &all[2..]),
            ("2026-06-05T10:01:00Z", &all[2..]),
            ("2026-06-05T10:02:00Z", &all[4..]),
            ("2026-06-05T10:02:01Z", &[]),
            ("2036-06-05T10:02:01Z", &[]),
        ] {
            assert_eq!(
                world.get(&format!("/v1/events?since={since}")).await.ids(),
                wanted,
                "{since}, merged: {merged}"
            );
            let logs = world.get(&format!("/api/v1/logs?wait=0&since={since}")).await;
            assert_eq!(logs.ids(), wanted, "{since}");
            let post = world.post("/api/v2/auditevents?wait=0", json!({"start_time": since})).await;
            assert_eq!(post.ids(), wanted, "{since}");
        }
    }
}

#[tokio::test]
async fn until_ends_a_walk_only_when_nothing_can_come_before_it_any_more() {
    let (mut world, [first, second, _]) = world().await;
    let bounded = world.get("/v1/events?until=2026-06-05T10:02:00Z").await;
    assert_eq!((bounded.ids(), bounded.next()), ([first, second].concat(), None));
    // The last commit is of 10:02:00, so 10:03 is still open: the walk is not over.
    let open = world.get("/api/v1/logs?wait=0&until=2026-06-05T10:03:00Z").await;
    assert_eq!(open.ids().len(), 6);
    let next = open.next().expect("more may come");
    let late = world.append(&[record("org_a", "auth")], time("2026-06-05T10:02:59Z")).await;
    let after = world.append(&[record("org_a", "auth")], time("2026-06-05T10:03:00Z")).await;
    let last = world.get(&next).await;
    assert_eq!((last.ids(), last.next()), (late, None), "the end, without {after:?}");
    let over = world.get("/api/v1/logs?until=2026-06-05T10:00:00Z").await;
    assert_eq!((over.ids().len(), over.next()), (0, None), "a walk that is over waits for nothing");
}

#[tokio::test]
async fn a_clock_that_goes_back_hides_no_row() {
    let (mut world, _) = world().await;
    let end = world.get("/v1/events").await.cursor();
    let ids = world.append(&[record("org_a", "auth")], time("2026-06-05T09:00:00Z")).await;
    assert_eq!(world.get(&format!("/v1/events?cursor={end}")).await.ids(), ids);
    assert_eq!(
        world.get("/v1/events?since=2026-06-05T10:02:00Z").await.ids().len(),
        3,
        "it was stamped as the last was"
    );
}

#[tokio::test]
async fn a_purge_between_two_pages_is_told_once_and_what_is_left_is_served() {
    let world = World::new().await;
    for number in 0..3_i64 {
        world
            .append_findings(&[finding(&format!("f_{number}a"), number), finding(&format!("f_{number}b"), number)])
            .await;
    }
    let path = "/v1/findings/revisions";
    let first = world.get(&format!("{path}?limit=1")).await;
    assert_eq!(first.ids(), ["f_0a"]);
    let behind = world.get(&format!("{path}?limit=2")).await.cursor();
    world.purge_first_file_of_findings().await;
    let gone = world.get(&format!("{path}?cursor={}", first.cursor())).await;
    gone.is_problem(StatusCode::GONE, "cursor_expired");
    let oldest = gone.json()["oldest_cursor"].as_str().unwrap().to_owned();
    let rest = world.get(&format!("{path}?cursor={oldest}")).await;
    assert_eq!(rest.ids(), ["f_1a", "f_1b", "f_2a", "f_2b"]);
    let served = world.get(&format!("{path}?cursor={behind}")).await;
    assert_eq!(served.ids(), ["f_1a", "f_1b", "f_2a", "f_2b"], "who had served what is gone is not troubled");
    assert_eq!(world.get(path).await.ids().len(), 4, "who begins now is not either");
}
