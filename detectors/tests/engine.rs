//! The engine over small lakes: whatever the order, the way or the number of engines, the same findings.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "small_world/files.rs"]
mod files;
mod small_world;

use credwatch_detectors::reconcile::comparable;
use credwatch_detectors::{Ask, Engine, Pace, Registry, RunKind, activate, outcomes};
use credwatch_schemas::finding::{Finding, Status};
use credwatch_schemas::ids::DetectorId;
use credwatch_schemas::outcome::Outcome;
use credwatch_schemas::time::Micros;
use files::{BUSY_HOUR, FIRST_HOST};
use proptest::prelude::*;
use small_world::{Call, NOW, World, at, busy, call, registry};

fn live() -> Ask {
    Ask::default()
}

fn history() -> Ask {
    Ask { run: RunKind::History, ..Ask::default() }
}

fn some_calls() -> Vec<Call> {
    vec![
        call("a", "x.example", 5),
        call("a", "x.example", 9),
        call("a", "x.example", 11),
        call("b", "x.example", 7),
        call("a", "y.example", 70),
    ]
}

#[tokio::test]
async fn live_history_and_backfill_find_the_same() {
    let calls = some_calls();
    let live_world = World::new().await;
    let mut engine = live_world.engine();
    engine.tick(&live(), NOW).await.unwrap();
    for (place, one) in calls.iter().enumerate() {
        live_world.append(std::slice::from_ref(one), Some(at(200 + place as i64))).await;
        engine.tick(&live(), NOW).await.unwrap();
    }
    let imported = World::new().await;
    imported.append(&calls, None).await;
    imported.append(&[call("a", "far.example", 203)], None).await;
    live_world.append(&[call("a", "far.example", 203)], None).await;
    engine.tick(&live(), NOW).await.unwrap();
    imported.engine().tick(&history(), NOW).await.unwrap();
    let mut backwards: Vec<Call> = calls.clone();
    backwards.reverse();
    let backfilled = World::new().await;
    let mut late = backfilled.engine();
    late.tick(&live(), NOW).await.unwrap();
    backfilled.append(&[call("a", "far.example", 203)], Some(at(203))).await;
    late.tick(&live(), NOW).await.unwrap();
    for one in &backwards {
        backfilled.append(std::slice::from_ref(one), None).await;
        late.tick(&live(), NOW).await.unwrap();
    }
    let expected = imported.standing().await;
    assert!(expected.len() >= 5, "{expected:?}");
    assert_eq!(live_world.standing().await, expected);
    assert_eq!(backfilled.standing().await, expected);
}

#[tokio::test]
async fn a_rerun_writes_nothing() {
    let world = World::new().await;
    world.append(&some_calls(), Some(at(200))).await;
    let mut engine = world.engine();
    assert!(!engine.tick(&live(), NOW).await.unwrap().revisions.is_empty());
    let before = world.versions().await;
    assert_eq!(engine.tick(&live(), NOW.plus(1)).await.unwrap().revisions, []);
    assert_eq!(world.engine().tick(&live(), NOW.plus(2)).await.unwrap().revisions, []);
    assert_eq!(world.versions().await, before);
    let again = Ask { from: Some(Micros(0)), ..history() };
    assert_eq!(engine.tick(&again, NOW.plus(3)).await.unwrap().revisions, []);
}

#[tokio::test]
async fn an_earlier_event_that_comes_late_moves_the_finding() {
    let world = World::new().await;
    let mut engine = world.engine();
    world.append(&[call("a", "x.example", 50)], Some(at(60))).await;
    let first = engine.tick(&live(), NOW).await.unwrap().revisions;
    world.append(&[call("a", "x.example", 10)], Some(at(61))).await;
    let then = engine.tick(&live(), NOW).await.unwrap().revisions;
    let old = then.iter().find(|one| one.finding_id == first[0].finding_id).unwrap();
    let new = then.iter().find(|one| one.raised_time == at(10)).unwrap();
    assert_eq!(old.status, Status::Withdrawn);
    assert_eq!(old.replaced_by.as_ref(), Some(&new.finding_id));
}

#[tokio::test]
async fn a_late_event_in_a_judged_window_revises_its_finding() {
    let world = World::of(&[("busy-hour", BUSY_HOUR)]).await;
    let mut engine = world.engine();
    world.append(&busy("a", 3), Some(at(200))).await;
    let first = engine.tick(&live(), NOW).await.unwrap().revisions;
    assert_eq!((first.len(), first[0].event_count), (1, 3));
    world.append(&[call("a", "late.example", 30)], Some(at(201))).await;
    let then = engine.tick(&live(), NOW).await.unwrap().revisions;
    assert_eq!((then.len(), then[0].revision, then[0].event_count), (1, 2, 4));
}

#[tokio::test]
async fn a_window_is_judged_when_the_watermark_passes_it_without_new_rows_of_its_org() {
    let world = World::of(&[("busy-hour", BUSY_HOUR)]).await;
    let mut engine = world.engine();
    world.append(&busy("a", 3), Some(at(50))).await;
    assert_eq!(engine.tick(&live(), NOW).await.unwrap().revisions, []);
    world.append(&[call("b", "x.example", 60)], Some(at(60))).await;
    assert_eq!(engine.tick(&live(), NOW).await.unwrap().revisions.len(), 1);
}

#[tokio::test]
async fn two_engines_at_once_write_each_finding_once() {
    let world = World::new().await;
    world.append(&some_calls(), Some(at(200))).await;
    let (mut one, mut two) = (world.engine(), world.engine());
    let ask = live();
    let (first, second) = tokio::join!(one.tick(&ask, NOW), two.tick(&ask, NOW));
    let written = first.unwrap().revisions.len() + second.unwrap().revisions.len();
    let all = world.revisions().await;
    assert_eq!(all.len(), written);
    assert!(all.iter().all(|finding| finding.revision == 1), "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_for_each_pace_finds_what_one_for_all_finds() {
    let (together, apart) = (World::new().await, World::new().await);
    let mut whole = together.engine();
    let (mut eager, mut windowed) = (apart.engine().only(Pace::Eager), apart.engine().only(Pace::Windowed));
    let ask = live();
    let mut revised = 0;
    for portion in 0..12 {
        let calls: Vec<Call> =
            (0..4).map(|one| call("a", &format!("h{portion}.example"), 20 * portion + one)).collect();
        together.append(&calls, Some(at(20 * portion))).await;
        whole.tick(&ask, NOW).await.unwrap();
        apart.append(&calls, Some(at(20 * portion))).await;
        let (first, second) = tokio::join!(eager.tick(&ask, NOW), windowed.tick(&ask, NOW));
        revised += first.unwrap().revisions.len() + second.unwrap().revisions.len();
    }
    let expected = together.standing().await;
    assert!(expected.iter().any(|finding| finding.detector_id == DetectorId::new("busy-hour")), "{expected:?}");
    assert_eq!(apart.standing().await, expected);
    assert_eq!(apart.revisions().await.len(), revised, "each revision is written once");
}

#[tokio::test]
async fn an_engine_for_one_pace_leaves_the_other_alone() {
    let world = World::new().await;
    world.append(&busy("a", 3), Some(at(200))).await;
    let judged = |tick: &credwatch_detectors::Tick| -> Vec<String> {
        tick.revisions.iter().map(|finding| finding.detector_id.to_string()).collect()
    };
    let eager = world.engine().only(Pace::Eager).tick(&live(), NOW).await.unwrap();
    assert_eq!(judged(&eager), ["first-host"]);
    let windowed = world.engine().only(Pace::Windowed).tick(&live(), NOW).await.unwrap();
    assert_eq!(judged(&windowed), ["busy-hour"]);
}

#[tokio::test]
async fn a_copy_under_another_id_is_a_detector_of_its_own() {
    let copy = FIRST_HOST.replace("id: first-host", "id: my-host");
    let world = World::of(&[("first-host", FIRST_HOST), ("my-host", &copy)]).await;
    world.append(&[call("a", "x.example", 5)], Some(at(9))).await;
    let found = world.engine().tick(&live(), NOW).await.unwrap().revisions;
    let ids: Vec<_> = found.iter().map(|finding| finding.detector_id.as_str()).collect();
    assert_eq!(ids, ["first-host", "my-host"]);
}

#[tokio::test]
async fn sql_that_fails_is_an_outcome_and_stops_nobody() {
    for (from, to, why) in [
        ("SELECT h.org_id,", "SELECT h.org_idx,", "org_idx"),
        ("CAST(1 AS BIGINT) AS event_count", "CAST(random() AS BIGINT) AS event_count", "random"),
        ("FROM hosts h", "FROM hosts h CROSS JOIN events e2", "join"),
    ] {
        assert!(FIRST_HOST.contains(from), "{from}");
        let broken = FIRST_HOST.replace("id: first-host", "id: broken").replacen(from, to, 1);
        let world = World::of(&[("broken", &broken), ("first-host", FIRST_HOST)]).await;
        world.append(&[call("a", "x.example", 5)], Some(at(9))).await;
        let tick = world.engine().tick(&live(), NOW).await.unwrap();
        assert_eq!(tick.revisions.len(), 1);
        assert!(tick.failed.len() == 1 && tick.failed[0].1.contains(why), "{:?}", tick.failed);
        let outcomes = outcomes(&world.lake.snapshot().await.unwrap()).await.unwrap();
        let broken = outcomes.iter().find(|one| one.detector_id == DetectorId::new("broken")).unwrap();
        assert_eq!(broken.outcome, Outcome::Failed);
    }
}

#[tokio::test]
async fn a_new_file_holds_from_the_watermark_until_it_is_activated_earlier() {
    let world = World::of(&[]).await;
    world.append(&[call("a", "x.example", 5), call("a", "y.example", 70)], Some(at(60))).await;
    world.engine().tick(&live(), NOW).await.unwrap();
    let known = registry(&[("first-host", FIRST_HOST)]);
    let mut engine = Engine::new(world.lake.clone(), known.clone()).with_lateness(0);
    let raised = |found: &[Finding]| found.iter().map(|finding| finding.raised_time).collect::<Vec<_>>();
    assert_eq!(raised(&engine.tick(&live(), NOW).await.unwrap().revisions), [at(70)]);
    activate(&world.lake, &known, &DetectorId::new("first-host"), None, NOW).await.unwrap();
    assert_eq!(raised(&engine.tick(&live(), NOW).await.unwrap().revisions), [at(5)]);
    let unknown = activate(&world.lake, &Registry::default(), &DetectorId::new("nobody"), None, NOW).await;
    assert!(unknown.unwrap_err().to_string().contains("nobody"));
}

/// Portions of calls; after each, perhaps a tick.
fn worlds() -> impl Strategy<Value = (Vec<Call>, Vec<usize>, u8)> {
    let one = (0_u8..3, 0_u8..5, 0_i64..400)
        .prop_map(|(org, host, minute)| call(["a", "b", "c"][usize::from(org)], &format!("h{host}.example"), minute));
    let calls = prop::collection::vec(one, 1..200);
    (calls, prop::collection::vec(1_usize..120, 1..4), any::<u8>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn the_same_rows_give_the_same_findings_however_they_arrive((calls, cuts, clocked) in worlds()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (whole, parts) = runtime.block_on(async {
            let whole = World::new().await;
            whole.engine().tick(&live(), NOW).await.unwrap();
            let mut sorted = calls.clone();
            sorted.sort_by_key(|one| one.time);
            whole.append(&sorted, Some(at(420))).await;
            whole.engine().tick(&live(), NOW).await.unwrap();
            let parts = World::new().await;
            let mut engine = parts.engine();
            engine.tick(&live(), NOW).await.unwrap();
            // The last call brings the last clock: a portion of nothing would not move it.
            let (mut rest, last) = calls.split_at(calls.len() - 1);
            for (place, cut) in cuts.iter().enumerate() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                let early = ((clocked >> place) & 1 == 1).then(|| at(100 * (place as i64 + 1)));
                parts.append(now, early).await;
                engine.tick(&live(), NOW).await.unwrap();
                rest = later;
            }
            parts.append(&[rest, last].concat(), Some(at(420))).await;
            engine.tick(&live(), NOW).await.unwrap();
            (whole.standing().await, parts.standing().await)
        });
        prop_assert!(!whole.is_empty());
        prop_assert_eq!(whole.iter().map(comparable).collect::<Vec<_>>(), parts);
    }
}
