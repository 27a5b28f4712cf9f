//! Reports over a lake of two orgs, as each of them and as the operator.

use axum::http::StatusCode;
use credwatch_lake::{Change, Committed, TableName};
use credwatch_schemas::access::Role;
use credwatch_schemas::finding::FINDINGS;
use credwatch_schemas::report::{REPORTS, ReportRow};
use credwatch_schemas::rows::to_batch;
use credwatch_schemas::weekly_report::WeeklyReport;

use crate::access::Door;
use crate::sample::finding;
use crate::world::{NOW, World, commit};

/// The events are of Monday, 2026-06-01, and nothing else is in the lake.
const WEEK: &str = "/v1/reports/weekly?week=2026-W23";

async fn report(world: &World, path: &str) -> WeeklyReport {
    let answer = world.get(path).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn a_week_is_told_with_what_could_not_be_seen_first() {
    let world = World::with_findings().await;
    let report = report(&world, WEEK).await;
    assert_eq!((report.week.as_str(), report.edition), ("2026-W23", 1));
    assert_eq!(report.from_time.to_string(), "2026-06-01T00:00:00.000000Z");
    assert_eq!(report.data_seq, 3);
    let coverage = &report.content.coverage;
    assert_eq!((coverage.events, coverage.rejects, coverage.rejects_undated), (3, Some(0), Some(0)));
    let sources: Vec<_> =
        coverage.sources.iter().map(|one| (one.org_id.as_ref().unwrap().as_str(), one.events)).collect();
    assert_eq!(sources, [("org_a", 2), ("org_b", 1)]);
    let silence = coverage.sources[0].longest_silence;
    assert_eq!((coverage.sources[0].silent_hours, silence), (0, None), "what has not come yet is not silent");
    assert_eq!(report.content.calls.total.calls, 3);
    assert_eq!(report.content.calls.total.unknown, 3, "no outcome is not a success");
    assert_eq!(report.content.calls.total.failure_rate, None);
    assert_eq!(report.content.calls.hours.iter().map(|hour| hour.calls).sum::<i64>(), 3);
}

#[tokio::test]
async fn made_again_it_is_the_same_bytes_until_something_has_changed() {
    let world = World::new().await;
    let (first, again) = (world.get(WEEK).await.body, world.get(WEEK).await.body);
    assert_eq!(first, again);
    let raised = to_batch(&FINDINGS, &[finding("f_w", 1_780_304_400)]).unwrap();
    commit(&world.lake, TableName::Findings, raised).await;
    let next = report(&world, WEEK).await;
    assert_eq!(next.edition, 2);
    assert!(next.changed.iter().any(|one| one.what.starts_with("/findings/by_severity/")), "{:?}", next.changed);
    assert_eq!(report(&world, WEEK).await, next);
    let made: WeeklyReport = serde_json::from_str(&first).unwrap();
    assert_eq!((made.edition, made.changed.len()), (1, 0));
}

#[tokio::test]
async fn two_who_make_it_at_once_get_the_same_edition() {
    let world = World::new().await;
    let all = futures::future::join_all((0..4).map(|_| world.get(WEEK))).await;
    let made: std::collections::BTreeSet<String> = all.into_iter().map(|answer| answer.body).collect();
    assert_eq!(made.len(), 1, "{made:?}");
}

#[tokio::test]
async fn an_org_reads_of_itself_and_of_nobody_else() {
    let world = World::behind(Door::KeysOnly).await.fill().await;
    let key = world.key(Role::Viewer, &["org_a"]).await;
    let answer = world.get_as(&key, WEEK).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert!(!answer.body.contains("org_b"), "{}", answer.body);
    let report: WeeklyReport = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((report.org_id.unwrap().as_str(), report.content.coverage.events), ("org_a", 2));
    assert_eq!(report.content.coverage.rejects, None, "an org does not see those that name no org");
    world.get_as(&key, &[WEEK, "&org=org_b"].concat()).await.is_problem(StatusCode::FORBIDDEN, "forbidden");
    let all = world.key(Role::Viewer, &[]).await;
    let report: WeeklyReport =
        serde_json::from_str(&world.get_as(&all, &[WEEK, "&org=org_b"].concat()).await.body).unwrap();
    assert_eq!(report.content.coverage.events, 1);
}

#[tokio::test]
async fn there_is_no_report_of_a_week_that_is_not_over_or_before_everything() {
    let world = World::new().await;
    for (week, why) in
        [("2026-W24", "has not ended"), ("2026-W22", "before the first event"), ("2030-W01", "has not ended")]
    {
        let answer = world.get(&["/v1/reports/weekly?week=", week].concat()).await;
        answer.is_problem(StatusCode::NOT_FOUND, "no_report");
        assert!(answer.json()["detail"].as_str().unwrap().contains(why), "{}", answer.body);
    }
    for path in ["/v1/reports/weekly?week=2026-23", "/v1/reports/weekly?week="] {
        world.get(path).await.is_problem(StatusCode::BAD_REQUEST, "bad_week");
    }
    world.get("/v1/reports/weekly?format=docx").await.is_problem(StatusCode::BAD_REQUEST, "bad_query");
}

#[tokio::test]
async fn every_shape_is_of_its_kind_and_says_the_same_figures() {
    let world = World::with_findings().await;
    for (shape, kind, said) in [
        ("json", "application/json", "\"events\":3"),
        ("md", "text/markdown; charset=utf-8", "3 events and 0 rejected records"),
        ("html", "text/html; charset=utf-8", "3 events and 0 rejected records"),
        ("csv", "text/csv; charset=utf-8; header=present", "source,org_a,b,,events,2"),
    ] {
        let answer = world.get(&[WEEK, "&format=", shape].concat()).await;
        assert_eq!((answer.status, answer.content_type.as_str()), (StatusCode::OK, kind));
        assert!(answer.body.contains(said), "{shape}: {}", answer.body);
        assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    }
}

#[tokio::test]
async fn an_edition_in_another_form_is_followed_by_one_in_ours() {
    let world = World::new().await;
    let row = ReportRow {
        org_id: None,
        report: "weekly-report".into(),
        period: "2026-W23".into(),
        time_zone: "UTC".into(),
        edition: 3,
        document: r#"{"version":0}"#.into(),
        seq: None,
        recorded_time: NOW,
    };
    let change = Change {
        append: vec![to_batch(&REPORTS, &[row]).unwrap()],
        set: vec![("weekly-report/*/2026-W23".into(), 3)],
        ..Change::default()
    };
    let committed = world.lake.commit(&TableName::Reports, change, NOW).await.unwrap();
    assert!(matches!(committed, Committed::Done { .. }));
    let next = report(&world, WEEK).await;
    assert_eq!((next.edition, next.changed.len()), (4, 1));
    assert_eq!(report(&world, WEEK).await, next);
}
