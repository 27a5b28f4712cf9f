//! The gate before the routes: who gets in, whose rows they see, and what is written about it.

mod clients;
pub(crate) mod people;

use axum::http::{StatusCode, header};
use credwatch_schemas::access::{Right, Role};
use credwatch_schemas::time::DAY;
use serde_json::{Value, json};

use super::{Door, Draft, Key, Keys};
use crate::world::{NOW, World, request};

/// Every route behind the gate, and what it takes.
const ROUTES: [(&str, &str, Option<Right>); 30] = [
    ("GET", "/v1/findings", Some(Right::ReadFindings)),
    ("GET", "/v1/findings/f_a", Some(Right::ReadFindings)),
    ("POST", "/v1/findings/f_a/triage", Some(Right::Triage)),
    ("GET", "/v1/detectors", Some(Right::ReadFindings)),
    ("POST", "/v1/sql", Some(Right::RunSql)),
    ("GET", "/v1/sql/q1", Some(Right::RunSql)),
    ("DELETE", "/v1/sql/q1", Some(Right::RunSql)),
    ("GET", "/v1/who-used/conn_1", Some(Right::RunSql)),
    ("GET", "/v1/reports/weekly?week=2026-W23", Some(Right::ReadFindings)),
    ("GET", "/v1/events?limit=1", Some(Right::PullEvents)),
    ("GET", "/v1/findings/revisions?limit=1", Some(Right::PullEvents)),
    ("GET", "/api/v1/logs?limit=1&wait=0", Some(Right::PullEvents)),
    ("POST", "/api/v2/auditevents?wait=0", Some(Right::PullEvents)),
    ("GET", "/v1/windows/2026-06-01T09:14Z", Some(Right::PullEvents)),
    ("GET", "/v1/consumers/c/offset", Some(Right::PullEvents)),
    ("PUT", "/v1/consumers/c/offset", Some(Right::PullEvents)),
    ("GET", "/v1/keys", Some(Right::ManageKeys)),
    ("POST", "/v1/keys", Some(Right::ManageKeys)),
    ("DELETE", "/v1/keys/0123456789abcdef", Some(Right::ManageKeys)),
    ("GET", "/v1/grants", Some(Right::ManageKeys)),
    ("POST", "/v1/grants", Some(Right::ManageKeys)),
    ("DELETE", "/v1/grants/0123456789abcdef", Some(Right::ManageKeys)),
    ("GET", "/v1/queries", Some(Right::RunSql)),
    ("GET", "/v1/queries/q", Some(Right::RunSql)),
    ("PUT", "/v1/queries/q", Some(Right::RunSql)),
    ("DELETE", "/v1/queries/q", Some(Right::RunSql)),
    ("POST", "/v1/queries/q/run", Some(Right::RunSql)),
    ("GET", "/v1/sinks", Some(Right::ReadMetrics)),
    ("GET", "/metrics", Some(Right::ReadMetrics)),
    ("GET", "/v1/whoami", None),
];

pub(super) async fn closed() -> World {
    World::behind(Door::KeysOnly).await.fill().await
}

fn body(method: &str, path: &str) -> Option<Value> {
    match (method, path) {
        ("POST", "/v1/sql") => Some(json!({"sql": "SELECT count(*) AS n FROM events"})),
        ("POST", "/api/v2/auditevents?wait=0") => Some(json!({"limit": 1})),
        ("POST", "/v1/grants") => Some(json!({"claim": "groups", "value": "x", "role": "viewer"})),
        ("POST", "/v1/queries/q/run") => Some(json!({})),
        ("PUT", "/v1/queries/q") => Some(json!({"sql": "SELECT 1"})),
        ("PUT", _) => Some(json!({"cursor": "x"})),
        ("POST", _) => Some(json!({"name": "x", "role": "viewer"})),
        _ => None,
    }
}

#[tokio::test]
async fn without_a_key_no_route_answers_and_each_refusal_is_recorded() {
    let world = closed().await;
    for (method, path, _) in ROUTES {
        let refused = world.ask(request(method, path, None, body(method, path).as_ref())).await;
        refused.is_problem(StatusCode::UNAUTHORIZED, "key_needed");
        assert_eq!(refused.headers[header::WWW_AUTHENTICATE], "Bearer realm=\"credwatch\"");
    }
    let rows = world.audit().await;
    assert_eq!(rows.len(), ROUTES.len());
    assert!(rows.iter().all(|row| row.principal.is_none() && row.status == Some(401)), "{rows:?}");
    assert!(rows.iter().all(|row| row.code.as_deref() == Some("key_needed")));
}

#[tokio::test]
async fn each_role_may_what_the_table_of_rights_says_and_nothing_else() {
    let world = closed().await;
    for role in Role::ALL {
        let key = world.key(*role, &[]).await;
        for (method, path, right) in ROUTES {
            let answer = world.ask(request(method, path, Some(&key), body(method, path).as_ref())).await;
            let may = right.is_none_or(|right| role.may(right));
            assert_eq!(answer.status == StatusCode::FORBIDDEN, !may, "{role} {method} {path}: {}", answer.body);
            assert_ne!(answer.status, StatusCode::UNAUTHORIZED);
        }
    }
}

#[tokio::test]
async fn a_key_of_an_org_sees_its_rows_alone_however_it_asks() {
    let world = closed().await;
    let key = world.key(Role::Auditor, &["org_a"]).await;
    assert_eq!(world.get_as(&key, "/v1/findings?all=true").await.ids(), ["f_d", "f_a"]);
    let other = world.get_as(&key, "/v1/findings?org=org_b").await;
    other.is_problem(StatusCode::FORBIDDEN, "forbidden");
    let unheard_of = world.get_as(&key, "/v1/findings?org=org_none").await;
    assert_eq!(unheard_of.body, other.body, "what exists is not told");
    world.get_as(&key, "/v1/findings/f_b").await.is_problem(StatusCode::NOT_FOUND, "not_found");
    assert!(!world.get_as(&key, "/v1/detectors").await.body.contains("org_b"));
    let sql = json!({"sql": "SELECT DISTINCT org_id FROM events"});
    assert_eq!(world.send_as(&key, "POST", "/v1/sql", &sql).await.json(), json!([{"org_id": "org_a"}]));
    let escape = json!({"sql": "SELECT DISTINCT org_id FROM audit WHERE org_id IS NULL OR org_id <> 'org_a'"});
    assert_eq!(world.send_as(&key, "POST", "/v1/sql", &escape).await.json(), json!([]));
    let keys = json!({"sql": "SELECT * FROM keys"});
    world.send_as(&key, "POST", "/v1/sql", &keys).await.is_problem(StatusCode::BAD_REQUEST, "sql.unknown_table");
    world.get_as(&key, "/metrics").await.is_problem(StatusCode::FORBIDDEN, "forbidden");
}

#[tokio::test]
async fn what_a_key_is_recognised_by_is_seen_by_nobody() {
    let world = closed().await;
    let auditor = world.key(Role::Auditor, &[]).await;
    let all = world.send_as(&auditor, "POST", "/v1/sql", &json!({"sql": "SELECT * FROM keys"})).await;
    assert_eq!(all.json()[0]["key_id"], auditor.id().as_str());
    assert!(!all.body.contains("hash"), "{}", all.body);
    let asked = world.send_as(&auditor, "POST", "/v1/sql", &json!({"sql": "SELECT hash FROM keys"})).await;
    asked.is_problem(StatusCode::BAD_REQUEST, "sql.unknown_column");
    let analyst = world.key(Role::Analyst, &[]).await;
    for sql in ["SELECT * FROM keys", "SELECT * FROM audit"] {
        let closed = json!({"sql": sql});
        let answer = world.send_as(&analyst, "POST", "/v1/sql", &closed).await;
        answer.is_problem(StatusCode::BAD_REQUEST, "sql.unknown_table");
    }
}

#[tokio::test]
async fn a_bad_key_is_refused_by_what_is_wrong_with_it_and_is_nobody_even_on_loopback() {
    let world = World::new().await;
    let whole = world.key(Role::Admin, &[]).await;
    let text = whole.clone().reveal();
    for header in ["Bearer x".to_owned(), format!("Bearer {}", &text[..40]), format!("Bearer {text}0"), text.clone()] {
        let mut request = request("GET", "/v1/findings", None, None);
        request.headers_mut().insert(header::AUTHORIZATION, header.parse().unwrap());
        world.ask(request).await.is_problem(StatusCode::UNAUTHORIZED, "key_unreadable");
    }
    let stranger = Key::draw().unwrap();
    world.get_as(&stranger, "/v1/findings").await.is_problem(StatusCode::UNAUTHORIZED, "key_unknown");
    let draft = Draft {
        name: "old".into(),
        role: Role::Admin,
        reach: credwatch_schemas::access::Reach::Operator,
        expires_time: Some(NOW),
    };
    let expired = Keys::new(world.lake.clone()).create(&draft, "operator", NOW.plus(-DAY)).await.unwrap();
    world.get_as(&expired, "/v1/findings").await.is_problem(StatusCode::UNAUTHORIZED, "key_expired");
    assert_eq!(world.get("/v1/findings").await.status, StatusCode::OK, "without a key it is the local operator");
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_within_a_second_on_a_server_that_did_not_revoke_it() {
    let world = closed().await;
    let (key, admin) = (world.key(Role::Viewer, &[]).await, world.key(Role::Admin, &[]).await);
    assert_eq!(world.get_as(&key, "/v1/findings").await.status, StatusCode::OK);
    Keys::new(world.lake.clone()).revoke(&key.id(), "operator", NOW).await.map(drop).unwrap();
    let revoked = tokio::time::Instant::now();
    while world.get_as(&key, "/v1/findings").await.status == StatusCode::OK {
        assert!(revoked.elapsed() < std::time::Duration::from_secs(1), "still good");
        tokio::task::yield_now().await;
    }
    world.get_as(&key, "/v1/findings").await.is_problem(StatusCode::UNAUTHORIZED, "key_revoked");
    assert_eq!(world.get_as(&admin, "/v1/findings").await.status, StatusCode::OK);
}

#[tokio::test]
async fn every_request_leaves_one_row_that_says_who_asked_what_of_whom() {
    let world = closed().await;
    let key = world.key(Role::Analyst, &["org_a"]).await;
    let sql = json!({"sql": "SELECT 1 AS n"});
    let answer = world.send_as(&key, "POST", "/v1/sql", &sql).await;
    world.get_as(&key, "/v1/findings/f_a?org=org_b").await;
    let rows = world.audit().await;
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.action.as_str(),
                row.org_id.as_ref().map(credwatch_schemas::ids::OrgId::as_str),
                row.detail.as_deref(),
                row.status.unwrap(),
            )
        })
        .collect();
    let expected = [
        ("POST /v1/sql", Some("org_a"), Some("SELECT 1 AS n, params: none"), 200),
        ("GET /v1/findings/{id}", None, Some("/v1/findings/f_a?org=org_b"), 403),
    ];
    assert_eq!(told, expected);
    assert_eq!(rows[0].principal, Some(format!("key:{}", key.id())));
    assert_eq!(answer.headers["x-request-id"], rows[0].request_id.as_str());
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_answered() {
    let world = closed().await;
    let key = world.key(Role::Viewer, &[]).await;
    assert_eq!(world.get_as(&key, "/v1/findings").await.status, StatusCode::OK);
    let folder = std::path::PathBuf::from(world.lake.url()).join("audit");
    std::fs::rename(&folder, folder.with_extension("away")).unwrap();
    let answer = world.get_as(&key, "/v1/findings").await;
    answer.is_problem(StatusCode::SERVICE_UNAVAILABLE, "audit_unavailable");
    assert!(!answer.body.contains("f_a"));
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::rename(folder.with_extension("away"), &folder).unwrap();
    assert_eq!(world.get_as(&key, "/v1/findings").await.status, StatusCode::OK);
}

#[tokio::test]
async fn while_the_keys_cannot_be_read_nobody_is_recognised() {
    let world = closed().await;
    let key = world.key(Role::Viewer, &[]).await;
    assert_eq!(world.get_as(&key, "/v1/findings").await.status, StatusCode::OK);
    let log = std::path::PathBuf::from(world.lake.url()).join("keys/_delta_log");
    std::fs::rename(&log, log.with_extension("away")).unwrap();
    std::fs::write(&log, "no folder any more").unwrap();
    tokio::time::sleep(crate::book::FRESH).await;
    world.get_as(&key, "/v1/findings").await.is_problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
}

#[tokio::test]
async fn a_key_made_over_the_api_works_is_listed_without_its_secret_and_can_be_revoked() {
    let world = closed().await;
    let admin = world.key(Role::Admin, &[]).await;
    let asked = json!({"name": "siem", "role": "exporter", "orgs": ["org_a"], "expires_in": 60});
    let made = world.send_as(&admin, "POST", "/v1/keys", &asked).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let key = Key::parse(made.json()["key"].as_str().unwrap()).unwrap();
    assert_eq!(world.get_as(&key, "/v1/whoami").await.json()["orgs"], json!(["org_a"]));
    let listed = world.get_as(&admin, "/v1/keys").await;
    let siem = listed.json()["keys"].as_array().unwrap().iter().find(|one| one["name"] == "siem").unwrap().clone();
    assert_eq!(
        (siem["last_used_time"].is_string(), siem["created_by"].clone()),
        (true, json!(format!("key:{}", admin.id())))
    );
    assert!(!listed.body.contains(&key.clone().reveal()[21..]), "{}", listed.body);
    let path = format!("/v1/keys/{}", key.id());
    assert_eq!(world.ask(request("DELETE", &path, Some(&admin), None)).await.status, StatusCode::OK);
    tokio::time::sleep(crate::book::FRESH).await;
    world.get_as(&key, "/v1/whoami").await.is_problem(StatusCode::UNAUTHORIZED, "key_revoked");
    let recorded = world
        .audit()
        .await
        .iter()
        .any(|row| row.detail.as_deref().is_some_and(|said| said.contains("siem") && said.contains("org_a")));
    assert!(recorded);
}

#[tokio::test]
async fn nobody_gives_more_than_they_have() {
    let world = closed().await;
    let (of_a, of_b) = (world.key(Role::Admin, &["org_a"]).await, world.key(Role::Viewer, &["org_b"]).await);
    for orgs in [json!(null), json!(["org_b"]), json!(["org_a", "org_b"])] {
        let asked = json!({"name": "x", "role": "viewer", "orgs": orgs});
        world.send_as(&of_a, "POST", "/v1/keys", &asked).await.is_problem(StatusCode::FORBIDDEN, "forbidden");
    }
    let listed = world.get_as(&of_a, "/v1/keys").await.json();
    let ids: Vec<_> = listed["keys"].as_array().unwrap().iter().map(|key| key["key_id"].clone()).collect();
    assert_eq!(ids, [json!(of_a.id().as_str())]);
    let path = format!("/v1/keys/{}", of_b.id());
    let refused = world.ask(request("DELETE", &path, Some(&of_a), None)).await;
    refused.is_problem(StatusCode::NOT_FOUND, "not_found");
    assert_eq!(world.get_as(&of_b, "/v1/whoami").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_a_new_key_cannot_be_is_a_problem_with_a_code() {
    let world = closed().await;
    let admin = world.key(Role::Admin, &[]).await;
    for (asked, code) in [
        (json!({"name": " ", "role": "viewer"}), "bad_name"),
        (json!({"name": "a\nb", "role": "viewer"}), "bad_name"),
        (json!({"name": "x", "role": "viewer", "orgs": []}), "bad_orgs"),
        (json!({"name": "x", "role": "viewer", "orgs": [" "]}), "bad_orgs"),
    ] {
        world.send_as(&admin, "POST", "/v1/keys", &asked).await.is_problem(StatusCode::BAD_REQUEST, code);
    }
    let unknown = json!({"name": "x", "role": "root"});
    let refused = world.send_as(&admin, "POST", "/v1/keys", &unknown).await;
    refused.is_problem(StatusCode::UNPROCESSABLE_ENTITY, "bad_body");
}

#[tokio::test]
async fn guessing_keys_is_slowed_down_and_does_not_fill_the_audit() {
    let world = closed().await;
    let good = world.key(Role::Viewer, &[]).await;
    for _ in 0..100 {
        let answer = world.get_as(&Key::draw().unwrap(), "/v1/whoami").await;
        answer.is_problem(StatusCode::UNAUTHORIZED, "key_unknown");
    }
    let limited = world.get_as(&Key::draw().unwrap(), "/v1/whoami").await;
    limited.is_problem(StatusCode::TOO_MANY_REQUESTS, "limit.rate");
    assert!(limited.headers.contains_key(header::RETRY_AFTER));
    let before = world.audit().await.len();
    world.get_as(&Key::draw().unwrap(), "/v1/whoami").await;
    assert_eq!(world.audit().await.len(), before);
    assert_eq!(world.get_as(&good, "/v1/whoami").await.status, StatusCode::OK);
}
