//! The property: any sequence of limits, commits, merges, restarts and shapes gives each row once, in the order of `seq`.

use proptest::prelude::*;
use serde_json::json;

use super::world::{Answer, Record, World, id, time};

const ORGS: [&str; 3] = ["org_a", "org_b", "org_c"];
const KINDS: [&str; 3] = ["tool_call", "auth", "heartbeat"];

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<(usize, usize, i64, bool)>),
    Merge,
    Restart,
    /// A page of so many rows for every walker.
    Page(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let record = (0_usize..3, 0_usize..3, 0_i64..3, prop::bool::weighted(0.8));
    prop_oneof![
        4 => prop::collection::vec(record, 1..12).prop_map(Step::Commit),
        2 => Just(Step::Merge),
        1 => Just(Step::Restart),
        6 => (1_usize..9).prop_map(Step::Page),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Object,
    Lines,
    Okta,
    OnePassword,
}

/// A client that keeps nothing but where to go on.
struct Walker {
    shape: Shape,
    org: Option<&'static str>,
    kind: Option<&'static str>,
    place: Option<String>,
    got: Vec<String>,
    seqs: Vec<i64>,
}

impl Walker {
    fn new(shape: Shape, org: Option<&'static str>, kind: Option<&'static str>) -> Self {
        Self { shape, org, kind, place: None, got: Vec::new(), seqs: Vec::new() }
    }

    fn words(&self) -> String {
        let org = self.org.map(|org| format!("&org={org}")).unwrap_or_default();
        let kind = self.kind.map(|kind| format!("&kind={kind}")).unwrap_or_default();
        format!("{org}{kind}")
    }

    /// Whether there may be more.
    async fn page(&mut self, world: &World, limit: usize) -> bool {
        let cursor = |name: &str| self.place.as_ref().map(|place| format!("&{name}={place}")).unwrap_or_default();
        match self.shape {
            Shape::Object => {
                let answer = world.get(&format!("/v1/events?limit={limit}{}{}", self.words(), cursor("cursor"))).await;
                self.place = Some(answer.cursor());
                self.take(answer.json()["items"].as_array().unwrap(), limit);
                assert_eq!(answer.json()["has_more"].as_bool().unwrap(), answer.next().is_some());
                answer.next().is_some()
            }
            Shape::Lines => {
                let path = format!("/v1/events?limit={limit}{}{}", self.words(), cursor("cursor"));
                let answer = world.get_with(&path, &[("accept", "application/x-ndjson")]).await;
                self.place = answer.header("x-cursor").map(str::to_owned);
                let lines = String::from_utf8(answer.bytes.clone()).unwrap();
                let rows: Vec<_> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                self.take(&rows, limit);
                answer.header("x-has-more") == Some("true")
            }
            Shape::Okta => {
                let first = format!("/api/v1/logs?limit={limit}&wait=0{}", self.words());
                let path = self.place.clone().map_or(first, |place| with_limit(&place, limit));
                let answer = world.get(&path).await;
                self.place = Some(answer.next().unwrap_or_else(|| panic!("no next page: {}", answer.json())));
                let rows = answer.json().as_array().unwrap().clone();
                let is_full = rows.len() == limit;
                self.take(&rows, limit);
                is_full
            }
            Shape::OnePassword => {
                let body = match &self.place {
                    None => json!({"limit": limit}),
                    Some(cursor) => json!({"cursor": cursor, "limit": limit}),
                };
                let answer = world.post(&format!("/api/v2/auditevents?wait=0{}", self.words()), body).await;
                self.place = Some(answer.cursor());
                self.take(answer.json()["items"].as_array().unwrap(), limit);
                answer.json()["has_more"].as_bool().unwrap()
            }
        }
    }

    fn take(&mut self, rows: &[serde_json::Value], limit: usize) {
        assert!(rows.len() <= limit);
        self.got.extend(rows.iter().map(id));
        self.seqs.extend(rows.iter().map(|row| row["seq"].as_i64().unwrap()));
    }
}

/// As a client does that was configured anew.
fn with_limit(address: &str, limit: usize) -> String {
    let (before, after) = address.split_once("limit=").unwrap();
    let rest = after.trim_start_matches(|one: char| one.is_ascii_digit());
    format!("{before}limit={limit}{rest}")
}

async fn walked(steps: Vec<Step>) {
    let mut world = World::new().await;
    let shapes = [Shape::Object, Shape::Lines, Shape::Okta, Shape::OnePassword];
    let mut walkers: Vec<Walker> = shapes.into_iter().map(|shape| Walker::new(shape, None, None)).collect();
    walkers.extend(
        shapes.into_iter().zip(ORGS.into_iter().cycle()).map(|(shape, org)| Walker::new(shape, Some(org), None)),
    );
    walkers.push(Walker::new(Shape::Object, Some("org_a"), Some("auth")));
    let mut sent: Vec<(String, &str, &str)> = Vec::new();
    let mut now = time("2026-06-05T10:00:00Z");
    for step in steps {
        match step {
            Step::Commit(rows) => {
                let records: Vec<Record> = rows
                    .iter()
                    .map(|(org, kind, day, is_accepted)| Record {
                        org: ORGS[*org],
                        kind: KINDS[*kind],
                        day: *day,
                        is_accepted: *is_accepted,
                        bytes: 3,
                    })
                    .collect();
                let ids = world.append(&records, now).await;
                let accepted = records.iter().filter(|record| record.is_accepted);
                sent.extend(ids.into_iter().zip(accepted).map(|(id, record)| (id, record.org, record.kind)));
                now = now.plus(7_000_000);
            }
            Step::Merge => drop(world.lake.compact(now).await.unwrap()),
            Step::Restart => world.restart().await,
            Step::Page(limit) => {
                for walker in &mut walkers {
                    walker.page(&world, limit).await;
                }
            }
        }
    }
    for walker in &mut walkers {
        while walker.page(&world, 5).await {}
        let mut got = walker.got.clone();
        got.sort();
        let wanted = sent.iter().filter(|(_, org, kind)| {
            walker.org.is_none_or(|wanted| wanted == *org) && walker.kind.is_none_or(|wanted| wanted == *kind)
        });
        let mut wanted: Vec<String> = wanted.map(|(id, ..)| id.clone()).collect();
        wanted.sort();
        assert_eq!(got, wanted, "{:?} of {:?}", walker.shape, walker.org);
        assert!(walker.seqs.is_sorted_by(|a, b| a < b), "{:?}: {:?}", walker.shape, walker.seqs);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 50, ..ProptestConfig::default() })]

    #[test]
    fn any_walk_meets_each_row_once_in_order(steps in prop::collection::vec(step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(walked(steps));
    }
}

#[tokio::test]
async fn a_cursor_gives_the_same_bytes_after_a_merge_and_from_another_server() {
    let mut world = World::new().await;
    for number in 0..6 {
        let records = vec![super::world::record(ORGS[number % 2], "auth"); 7];
        world.append(&records, time("2026-06-05T10:00:00Z")).await;
    }
    let cursor = world.get("/v1/events?limit=10").await.cursor();
    let path = format!("/v1/events?limit=20&cursor={cursor}");
    let body = |answer: &Answer| answer.bytes.clone();
    let before = body(&world.get(&path).await);
    let merged = world.lake.compact(time("2026-06-05T11:00:00Z")).await.unwrap();
    assert!(matches!(merged, credwatch_lake::Compacted::Done { .. }), "{merged:?}");
    assert_eq!(body(&world.get(&path).await), before);
    world.restart().await;
    assert_eq!(body(&world.get(&path).await), before);
}
