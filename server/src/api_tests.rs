//! The routes, as the operator of the machine asks them.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};

use crate::statements::AT_ONCE;
use crate::world::World;

#[tokio::test]
async fn a_list_holds_the_last_revisions_newest_first_and_counts_what_it_left_out() {
    let world = World::with_findings().await;
    let list = world.get("/v1/findings").await;
    assert_eq!(list.ids(), ["f_b", "f_a"]);
    assert_eq!(list.json()["findings"][1]["revision"], 2);
    assert_eq!(list.json()["left_out"], json!({"digest": 1, "suppressed": 0, "withdrawn": 0}));
    assert_eq!(list.json()["not_seen"], json!(["first-host on b of org_b: not_observable: b never fills dest_host"]));
    assert_eq!(world.get("/v1/findings?all=true").await.ids(), ["f_b", "f_d", "f_a"]);
}

#[tokio::test]
async fn every_filter_of_the_list_filters() {
    let world = World::with_findings().await;
    for (query, ids) in [
        ("org=org_a", vec!["f_a"]),
        ("org=org_none", vec![]),
        ("detector=first-host", vec!["f_b", "f_a"]),
        ("detector=other", vec![]),
        ("status=digest", vec!["f_d"]),
        ("severity=critical", vec!["f_a"]),
        ("since=1970-01-01T00:00:30Z", vec!["f_b"]),
    ] {
        assert_eq!(world.get(&format!("/v1/findings?{query}")).await.ids(), ids, "{query}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_by_cursor() {
    let world = World::with_findings().await;
    let first = world.get("/v1/findings?all=true&limit=2").await;
    assert_eq!(first.ids(), ["f_b", "f_d"]);
    let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
    let second = world.get(&format!("/v1/findings?all=true&limit=2&cursor={cursor}")).await;
    assert_eq!((second.ids(), second.json()["next_cursor"].clone()), (vec!["f_a".to_owned()], Value::Null));
}

#[tokio::test]
async fn what_a_list_cannot_be_asked_is_a_problem_with_a_code() {
    let world = World::new().await;
    for (query, code) in [
        ("limit=0", "bad_limit"),
        ("limit=1001", "bad_limit"),
        ("cursor=x", "bad_cursor"),
        ("severity=huge", "bad_query"),
        ("sevrity=high", "bad_query"),
        ("since=yesterday", "bad_query"),
    ] {
        world.get(&format!("/v1/findings?{query}")).await.is_problem(StatusCode::BAD_REQUEST, code);
    }
}

#[tokio::test]
async fn a_finding_is_shown_with_all_its_revisions_to_its_own_org_alone() {
    let world = World::with_findings().await;
    let shown = world.get("/v1/findings/f_a").await.json();
    assert_eq!(shown["finding"]["severity"], "critical");
    assert_eq!(shown["revisions"].as_array().unwrap().len(), 2);
    assert_eq!(shown["revisions"][0]["severity"], "high");
    assert_eq!(world.get("/v1/findings/f_b?org=org_b").await.status, StatusCode::OK);
    world.get("/v1/findings/f_b?org=org_a").await.is_problem(StatusCode::NOT_FOUND, "not_found");
    world.get("/v1/findings/f_none").await.is_problem(StatusCode::NOT_FOUND, "not_found");
}

#[tokio::test]
async fn detectors_say_what_they_cannot_see_per_source() {
    let world = World::with_findings().await;
    let detector = world.get("/v1/detectors").await.json()["detectors"][0].clone();
    assert_eq!((&detector["id"], &detector["outcome"]), (&json!("first-host"), &json!("findings")));
    assert_eq!(detector["coverage"]["to_time"], "1970-01-01T00:01:00.000000Z");
    assert_eq!(detector["sources"][1]["not_observable"], json!(["dest_host"]));
    let of_a = world.get("/v1/detectors?org=org_a").await;
    assert!(!of_a.body.contains("org_b"), "{}", of_a.body);
}

#[tokio::test]
async fn a_statement_answers_in_the_format_that_was_asked_for() {
    let world = World::new().await;
    let sql = "SELECT org_id, count(*) AS n FROM events GROUP BY org_id ORDER BY org_id";
    let json = world.sql("/v1/sql", json!({"sql": sql})).await;
    assert_eq!(json.json(), json!([{"org_id": "org_a", "n": 2}, {"org_id": "org_b", "n": 1}]));
    let csv = world.sql("/v1/sql", json!({"sql": sql, "format": "csv"})).await;
    assert_eq!(csv.body, "org_id,n\norg_a,2\norg_b,1\n");
    assert!(csv.content_type.starts_with("text/csv"), "{}", csv.content_type);
    let lines = world.sql("/v1/sql?org=org_b", json!({"sql": sql, "format": "ndjson"})).await;
    assert_eq!(lines.body, "{\"org_id\":\"org_b\",\"n\":1}\n");
    let none = world.sql("/v1/sql", json!({"sql": format!("{} LIMIT 0", "SELECT event_id FROM events")})).await;
    assert_eq!(none.body, "[]\n");
}

#[tokio::test]
async fn parameters_are_values_and_never_text_of_the_statement() {
    let world = World::new().await;
    let sql = "SELECT count(*) AS n FROM events WHERE org_id = $1";
    assert_eq!(world.sql("/v1/sql", json!({"sql": sql, "params": ["org_a"]})).await.json(), json!([{"n": 2}]));
    let attack = world.sql("/v1/sql", json!({"sql": sql, "params": ["x' OR '1'='1"]})).await;
    assert_eq!(attack.json(), json!([{"n": 0}]));
}

#[tokio::test]
async fn a_statement_that_cannot_be_run_is_a_problem_with_a_code() {
    let world = World::new().await;
    let bad = StatusCode::BAD_REQUEST;
    for (body, status, code) in [
        (json!({"sql": "SELEC 1"}), bad, "sql.syntax"),
        (json!({"sql": "SELECT nonsense FROM events"}), bad, "sql.unknown_column"),
        (json!({"sql": "SELECT * FROM records_of_others"}), bad, "sql.unknown_table"),
        (json!({"sql": "DROP TABLE events"}), bad, "sql.not_read_only"),
        (json!({"sql": "SELECT $1"}), bad, "sql.parameter"),
        (json!({"sql": "SELECT 1", "params": [[1]]}), bad, "sql.parameter"),
        (json!({"sql": "SELECT 1", "fromat": "csv"}), StatusCode::UNPROCESSABLE_ENTITY, "bad_body"),
    ] {
        world.sql("/v1/sql", body).await.is_problem(status, code);
    }
}

#[tokio::test]
async fn one_statement_too_many_is_refused_and_not_queued() {
    let world = World::new().await;
    let begin = |number: usize| world.api.statements.begin(number.to_string(), "local".into()).unwrap();
    let held: Vec<_> = (0..AT_ONCE).map(begin).collect();
    let refused = world.sql("/v1/sql", json!({"sql": "SELECT 1"})).await;
    refused.is_problem(StatusCode::TOO_MANY_REQUESTS, "limit.concurrency");
    drop(held);
    assert_eq!(world.sql("/v1/sql", json!({"sql": "SELECT 1 AS n"})).await.json(), json!([{"n": 1}]));
}

#[tokio::test]
async fn a_statement_that_was_named_says_how_it_went_to_the_one_who_asked() {
    let world = World::new().await;
    let sql = json!({"sql": "SELECT event_id FROM events", "query_id": "mine-1"});
    let answer = world.sql("/v1/sql", sql).await;
    assert_eq!(answer.headers["x-query-id"], "mine-1");
    let report = world.get("/v1/sql/mine-1").await.json();
    assert_eq!((&report["state"], &report["rows"]), (&json!("finished"), &json!(3)));
    assert!(report["bytes_scanned"].as_u64().unwrap() > 0, "{report}");
    let failed = json!({"sql": "SELECT nonsense FROM events", "query_id": "mine-2"});
    world.sql("/v1/sql", failed).await.is_problem(StatusCode::BAD_REQUEST, "sql.unknown_column");
    assert_eq!(world.get("/v1/sql/mine-2").await.json()["state"], "failed");
    let analyst = world.key(credwatch_schemas::access::Role::Analyst, &[]).await;
    world.get_as(&analyst, "/v1/sql/mine-1").await.is_problem(StatusCode::NOT_FOUND, "not_found");
    for bad in ["", "a b", "ä", "a/b", &"x".repeat(65)] {
        let named = world.sql("/v1/sql", json!({"sql": "SELECT 1", "query_id": bad})).await;
        named.is_problem(StatusCode::BAD_REQUEST, "bad_query_id");
    }
}

#[tokio::test]
async fn a_statement_may_ask_for_less_than_it_could_have_and_never_for_more() {
    let world = World::new().await;
    let sql = |limits: Value| {
        let mut body = json!({"sql": "SELECT event_id FROM events"});
        body.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
        body
    };
    let few = world.sql("/v1/sql", sql(json!({"max_rows": 2}))).await;
    few.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "limit.rows");
    assert_eq!(world.sql("/v1/sql", sql(json!({"max_rows": 3, "timeout_ms": 20_000}))).await.status, StatusCode::OK);
    for limits in [
        json!({"max_rows": 0}),
        json!({"max_rows": 10_000_000}),
        json!({"timeout_ms": 0}),
        json!({"timeout_ms": 86_400_000}),
    ] {
        world.sql("/v1/sql", sql(limits)).await.is_problem(StatusCode::BAD_REQUEST, "bad_limit");
    }
}

#[tokio::test]
async fn the_views_of_the_catalogue_are_there_for_an_org_too_and_say_what_they_are() {
    let world = World::new().await;
    for (view, sql) in [
        ("calls", "SELECT count(*) AS n FROM calls WHERE org_id <> 'org_a'"),
        ("refreshes", "SELECT count(*) AS n FROM refreshes WHERE org_id <> 'org_a'"),
        ("first_seen_destinations", "SELECT count(*) AS n FROM first_seen_destinations WHERE org_id <> 'org_a'"),
        ("grants_asof", "SELECT count(*) AS n FROM grants_asof WHERE org_id <> 'org_a'"),
        ("field_coverage", "SELECT count(*) AS n FROM field_coverage WHERE org_id <> 'org_a'"),
    ] {
        let sql = json!({"sql": sql});
        assert_eq!(world.sql("/v1/sql?org=org_a", sql).await.json(), json!([{"n": 0}]), "{view}");
        let said = json!({"sql": "SELECT table_comment FROM information_schema.tables WHERE table_name = $1", "params": [view]});
        let said = world.sql("/v1/sql", said).await.json();
        assert!(said[0]["table_comment"].as_str().is_some_and(|words| words.len() > 20), "{said}");
    }
    let filled =
        json!({"sql": "SELECT rows, filled FROM field_coverage WHERE column_name = 'kind' AND org_id = 'org_a'"});
    assert_eq!(world.sql("/v1/sql", filled).await.json(), json!([{"rows": 2, "filled": 2}]));
}

#[tokio::test]
async fn health_and_unknown_paths_answer() {
    let world = World::new().await;
    assert_eq!(world.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(world.get("/readyz").await.status, StatusCode::OK);
    assert_eq!(world.get("/metrics").await.status, StatusCode::OK);
    world.get("/v2/findings").await.is_problem(StatusCode::NOT_FOUND, "not_found");
}

#[tokio::test]
async fn another_host_is_refused_on_every_route() {
    let world = World::new().await;
    for path in ["/healthz", "/v1/findings", "/v1/detectors", "/nothing"] {
        let request = Request::get(path).header(header::HOST, "evil.example").body(Body::empty()).unwrap();
        world.ask(request).await.is_problem(StatusCode::MISDIRECTED_REQUEST, "foreign_host");
    }
}

#[tokio::test]
async fn a_task_that_failed_makes_the_server_not_ready_and_says_why() {
    let world = World::new().await;
    let shutdown = tokio_util::sync::CancellationToken::new();
    shutdown.cancel();
    let period = std::time::Duration::from_secs(3_600);
    let work = || async { Err::<(), _>("the disk is full") };
    let (nudge, board) = (crate::background::Nudge::default(), world.api.board.clone());
    crate::background::start("detect", period, nudge, board, shutdown, work).await.unwrap();
    let ready = world.get("/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.json()["because"], json!([{"what": "detect", "why": "the disk is full"}]));
}
