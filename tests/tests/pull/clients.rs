//! The habits of clients that exist, each as a short script: how it finds the end of data, and what it keeps between two
//! runs. Each must end up with every row, and those that keep a place with none twice.

use std::collections::BTreeSet;

use credwatch_ingest::{Accumulator, ClockRule, Cut};
use credwatch_lake::{Access, Appended, Lake};
use credwatch_schemas::position::Partition;
use credwatch_schemas::time::{HOUR, Micros};
use credwatch_tests::oracle::pulled_with_dlt;
use credwatch_tests::program::Program;
use credwatch_tests::records::event;
use serde_json::{Value, json};

use crate::{Serving, assert_same, import, text, truth};

/// A server with 230 events; each client visits it three times, and before the last two visits more come and the server
/// is killed.
struct Scene {
    program: Program,
    server: Serving,
    visits: u64,
}

struct Answer {
    status: u16,
    link: Option<String>,
    body: Value,
    cursor: Option<String>,
}

impl Scene {
    fn new() -> Self {
        let program = Program::fresh();
        import(&program, "0.ndjson", &events(0, 230));
        let server = Serving::start(&program, "server-0");
        Self { program, server, visits: 0 }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url())
    }

    /// What happens between two visits.
    fn go_on(&mut self) {
        self.visits += 1;
        let from = 230 + (self.visits - 1) * 60;
        import(&self.program, &format!("{}.ndjson", self.visits), &events(from - 20, from + 60));
        self.server.replace(&self.program, &format!("server-{}", self.visits));
    }

    fn truth(&self) -> Vec<String> {
        truth(&self.program, None)
    }

    /// Visits three times; `visit` adds what it got.
    fn three_visits(&mut self, who: &str, mut visit: impl FnMut(&Self, &mut Vec<String>)) {
        let mut got = Vec::new();
        visit(self, &mut got);
        for _ in 0..2 {
            self.go_on();
            visit(self, &mut got);
        }
        assert_same(&got, &self.truth(), who);
    }
}

fn events(from: u64, to: u64) -> Vec<String> {
    (from..to).map(|number| event("org_a", number)).collect()
}

fn get(url: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = ureq::get(url).config().http_status_as_error(false).build();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    read(request.call().expect("an answer"))
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
    let (link, cursor, status) = (header("link"), header("x-cursor"), response.status().as_u16());
    let body = response.body_mut().read_to_string().expect("a body");
    Answer { status, link, cursor, body: serde_json::from_str(&body).unwrap_or(Value::Null) }
}

fn ids(rows: &Value) -> Vec<String> {
    let rows = rows.as_array().expect("rows");
    rows.iter().map(|row| row["record_id"].as_str().expect("an id").to_owned()).collect()
}

/// The real dlt, with the configuration of the page: three runs into one DuckDB table.
#[test]
fn dlt_itself() {
    let mut scene = Scene::new();
    let folder = scene.program.folder().join("dlt");
    std::fs::create_dir(&folder).expect("creating a folder");
    let mut last = Vec::new();
    for visit in 0..3 {
        if visit > 0 {
            scene.go_on();
        }
        last = pulled_with_dlt(&folder, &scene.url("/"));
    }
    assert_same(&last, &scene.truth(), "dlt");
}

/// As Vector does it: split at commas, then at semicolons.
fn next_as_vector(link: &str) -> Option<String> {
    link.split(',').find_map(|one| {
        let (address, relation) = one.split_once(';')?;
        relation.contains("rel=\"next\"").then(|| address.trim().trim_matches(['<', '>']).to_owned())
    })
}

/// Follows the next page until an empty array, whatever the status was; keeps the address in memory alone.
#[test]
fn vector_with_its_okta_source() {
    let mut scene = Scene::new();
    let mut next = scene.url("/api/v1/logs?since=2020-01-01T00:00:00Z&limit=50&wait=0");
    let made = scene.program.ok(&["keys", "create", "vector", "--role", "exporter", "--all-orgs"]);
    let sent = format!("SSWS {}", made.trim());
    scene.three_visits("vector", |_, got| {
        loop {
            let answer = get(&next, &[("accept-encoding", "identity"), ("authorization", &sent)]);
            assert_eq!(answer.status, 200);
            next = next_as_vector(&answer.link.expect("a next page on every answer")).expect("an address");
            if answer.body == json!([]) {
                return;
            }
            got.extend(ids(&answer.body));
        }
    });
}

/// Saves the address of the next page; the end is a page with fewer rows than the limit.
#[test]
fn matano_with_its_okta_puller() {
    let mut scene = Scene::new();
    let mut saved = scene.url("/api/v1/logs?limit=100&wait=0");
    scene.three_visits("matano", |_, got| {
        loop {
            let answer = get(&saved, &[]);
            let rows = ids(&answer.body);
            saved = next_as_vector(&answer.link.expect("a next page")).expect("an address");
            got.extend(rows.iter().cloned());
            if rows.len() < 100 {
                return;
            }
        }
    });
}

/// Follows links for so many pages; keeps the address, and forgets it when there is none.
#[test]
fn helr_with_link_headers() {
    let mut scene = Scene::new();
    let configured = scene.url("/api/v1/logs?limit=40&wait=0");
    let mut kept: Option<String> = None;
    scene.three_visits("helr, link_header", |_, got| {
        for _ in 0..8 {
            let answer = get(kept.as_ref().unwrap_or(&configured), &[]);
            got.extend(ids(&answer.body));
            kept = answer.link.as_deref().and_then(next_as_vector);
            if kept.is_none() {
                break;
            }
        }
    });
}

/// Follows a cursor of the body for so many pages; keeps it, and forgets it when there is none.
#[test]
fn helr_with_cursors() {
    let mut scene = Scene::new();
    let configured = scene.url("/v1/events?limit=40");
    let mut kept: Option<String> = None;
    scene.three_visits("helr, cursor", |_, got| {
        for _ in 0..8 {
            let cursor = kept.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let answer = get(&format!("{configured}{cursor}"), &[]);
            got.extend(ids(&answer.body["items"]));
            kept = answer.body["cursor"].as_str().map(str::to_owned);
            if kept.is_none() {
                break;
            }
        }
    });
}

/// A body begins, a cursor goes on; asks until there is no more, and spins when it is never told so.
#[test]
fn elastic_with_its_1password_package() {
    let mut scene = Scene::new();
    let mut cursor: Option<String> = None;
    scene.three_visits("elastic, 1password", |scene, got| {
        loop {
            let body = match &cursor {
                None => json!({"limit": 90, "start_time": "2020-01-01T00:00:00Z"}),
                Some(cursor) => json!({ "cursor": cursor }),
            };
            let answer = ureq::post(scene.url("/api/v2/auditevents?wait=0")).send_json(body).expect("an answer");
            let answer = read(answer);
            got.extend(ids(&answer.body["items"]));
            cursor = Some(answer.body["cursor"].as_str().expect("a cursor on every answer").to_owned());
            if answer.body["has_more"] == json!(false) {
                return;
            }
        }
    });
}

/// A program decides whether it wants more, and keeps a map.
#[test]
fn elastic_with_a_cel_program() {
    let mut scene = Scene::new();
    let mut state = json!({});
    scene.three_visits("elastic, CEL", |scene, got| {
        loop {
            let cursor = state["cursor"].as_str().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let url = scene.url(&format!("/v1/events?limit=75{cursor}"));
            let answer = get(&url, &[("accept", "application/json")]);
            got.extend(ids(&answer.body["items"]));
            state = json!({"cursor": answer.body["cursor"], "want_more": answer.body["has_more"]});
            if state["want_more"] == json!(false) {
                return;
            }
        }
    });
}

/// The end is a missing attribute; between two runs it keeps the latest time, so the boundary comes again.
#[test]
fn cribl_with_its_rest_collector() {
    let mut scene = Scene::new();
    let (mut got, mut latest) = (Vec::new(), "2020-01-01T00:00:00Z".to_owned());
    for visit in 0..3 {
        if visit > 0 {
            scene.go_on();
        }
        let mut next = Some(scene.url(&format!("/v1/events?limit=64&since={latest}")));
        while let Some(address) = next {
            let answer = get(&address, &[]);
            got.extend(ids(&answer.body["items"]));
            let times = answer.body["items"].as_array().expect("rows").iter().map(|row| row["ingest_time"].as_str());
            latest = times.flatten().map(str::to_owned).chain([latest]).max().expect("one");
            next = answer.link.as_deref().and_then(next_as_vector);
        }
    }
    let wanted: BTreeSet<String> = scene.truth().into_iter().collect();
    assert_eq!(got.into_iter().collect::<BTreeSet<_>>(), wanted, "its ids make the boundary harmless");
}

/// `JSONResponseCursorPaginator`: the end is a null cursor; an incremental column is kept, and rows of it dropped.
#[test]
fn dlt_with_its_cursor_paginator() {
    let mut scene = Scene::new();
    let (mut seen, mut since): (BTreeSet<String>, Option<String>) = (BTreeSet::new(), None);
    scene.three_visits("dlt", |scene, got| {
        let since_word = since.as_ref().map(|since| format!("&since={since}")).unwrap_or_default();
        let first = scene.url(&format!("/v1/events?limit=64{since_word}"));
        let mut address = first.clone();
        loop {
            let answer = get(&address, &[]);
            for row in answer.body["items"].as_array().expect("rows") {
                let id = row["record_id"].as_str().expect("an id").to_owned();
                since = since.clone().max(row["ingest_time"].as_str().map(str::to_owned));
                if seen.insert(id.clone()) {
                    got.push(id);
                }
            }
            match answer.body["next_cursor"].as_str() {
                Some(cursor) => address = format!("{first}&cursor={cursor}"),
                None => return,
            }
        }
    });
}

/// No state at all: whole bodies by schedule, ids as document ids, minutes that overlap.
#[test]
fn logstash_with_its_http_poller() {
    let scene = Scene::new();
    let scope =
        "SELECT DISTINCT substr(CAST(date_trunc('minute', ingest_time) AS VARCHAR), 1, 16) AS minute FROM events";
    let minutes = scene.program.rows(&["sql", "-c", scope]);
    let minutes: Vec<&str> = minutes.iter().map(|row| row["minute"].as_str().expect("a minute")).collect();
    for minute in &minutes {
        let open = get(&scene.url(&format!("/v1/windows/{}Z", minute.replace(' ', "T"))), &[]);
        assert!(open.status == 425 || open.status == 200, "{}", open.status);
    }
    // Another writer's commit of a later minute seals them; an hour later nothing is open.
    seal(&scene);
    let mut documents = BTreeSet::new();
    for _ in 0..2 {
        for minute in &minutes {
            let sealed = get(&scene.url(&format!("/v1/windows/{}Z", minute.replace(' ', "T"))), &[]);
            assert_eq!(sealed.status, 200, "{}", sealed.body);
            documents.extend(ids(&sealed.body));
        }
    }
    let wanted: BTreeSet<String> = scene.truth()[..230].iter().cloned().collect();
    assert_eq!(documents, wanted);
}

/// A commit without rows, an hour later: as a consumer makes one that tells how late it is.
fn seal(scene: &Scene) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let newest = Micros(scene.program.number("SELECT CAST(max(ingest_time) AS BIGINT) AS n FROM events"));
    let partition = Partition { topic: "clock".into(), topic_id: "t".into(), partition: 0 };
    let mut accumulator = Accumulator::new(Cut::default());
    accumulator.begin(&partition, None, 0, ClockRule::Moves);
    accumulator.tell_clock(&partition, newest);
    let batch = accumulator.take().expect("a clock to commit");
    runtime.block_on(async {
        let lake = Lake::open(text(&scene.program.lake()), Access::Write).await.expect("opening the lake");
        let appended = lake.append(batch, newest.plus(HOUR)).await.expect("appending");
        assert!(matches!(appended, Appended::Committed { .. }), "{appended:?}");
    });
}

/// A client of lines keeps what the headers say.
#[test]
fn a_script_of_lines_and_headers() {
    let mut scene = Scene::new();
    let mut cursor: Option<String> = None;
    scene.three_visits("lines", |scene, got| {
        let word = cursor.as_ref().map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
        let url = scene.url(&format!("/v1/events{word}"));
        let mut response = ureq::get(&url).header("accept", "application/x-ndjson").call().expect("an answer");
        cursor = response.headers().get("x-cursor").map(|value| value.to_str().expect("text").to_owned());
        let lines = response.body_mut().read_to_string().expect("lines");
        let id =
            |line: &str| serde_json::from_str::<Value>(line).expect("a row")["record_id"].as_str().map(str::to_owned);
        got.extend(lines.lines().filter_map(id));
    });
    let answer = get(&scene.url("/v1/events?limit=1"), &[("accept", "application/x-ndjson")]);
    assert!(answer.cursor.is_some());
}
