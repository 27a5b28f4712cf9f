//! The same log gives the same findings: simulated traffic with incidents, through the whole library of detectors, on
//! every way that events can come. `CREDWATCH_WAYS=all` tries every combination instead of a sample,
//! `CHAOS_EVENTS` and `CHAOS_SEED` choose how many events and which.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Instant;

use credwatch_detectors::Registry;
use credwatch_detectors::definition::{Definition, Scope};
use credwatch_schemas::finding::Finding;
use credwatch_tests::asked::{number, word};
use credwatch_tests::way::{Line, Run, Way, simulated};
use credwatch_tests::world::World;
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

const SEED: u64 = 7;
const EVENTS: u64 = 3_000;
const WAYS: usize = 8;

/// All of it in order, judged at once: what every other way is held against.
async fn plainly(lines: &[Line]) -> Vec<Finding> {
    let plain = Way::all(lines.len()).into_iter().find(Way::is_plain).expect("there is a plain way");
    World::of(&Registry::embedded().expect("the library is sound")).await.go(&plain, lines).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_events_give_the_same_findings_on_every_way() {
    let (lines, registry) = (
        simulated(number("CHAOS_SEED", SEED), number("CHAOS_EVENTS", EVENTS)),
        Registry::embedded().expect("the library is sound"),
    );
    let expected = plainly(&lines).await;
    assert!(!expected.is_empty(), "traffic with incidents gives findings");
    let (ways, begin) = (chosen(lines.len()), Instant::now());
    println!("{} events, {} findings, {} ways", lines.len(), expected.len(), ways.len());
    for (place, way) in (1..).zip(&ways) {
        let found = World::of(&registry).await.go(way, &lines).await;
        assert_same(&expected, &found, &format!("{way:?}"));
        println!("{place} of {} ways in {:.0} s: {way:?}", ways.len(), begin.elapsed().as_secs_f64());
    }
}

/// Every way under `CREDWATCH_WAYS=all`, else a sample that is the same every time, with each kind of run in it.
fn chosen(events: usize) -> Vec<Way> {
    let all = Way::all(events);
    if word("CREDWATCH_WAYS").is_some_and(|ways| ways == "all") {
        return all;
    }
    let mut chance = ChaCha8Rng::seed_from_u64(SEED);
    let runs = [Run::Live, Run::AtOnce, Run::Backfilled];
    let of_run = |run: Run| all.iter().filter(move |way| way.run == run).copied().collect::<Vec<_>>();
    let mut ways: Vec<Way> = Vec::new();
    for run in runs.into_iter().cycle().take(WAYS) {
        ways.extend(of_run(run).choose(&mut chance).copied());
    }
    ways
}

#[tokio::test(flavor = "multi_thread")]
async fn an_org_alone_gives_what_it_gives_among_others() {
    let (lines, registry) = (simulated(SEED, EVENTS), Registry::embedded().expect("the library is sound"));
    let org = lines.first().expect("there is traffic").org.clone();
    let alone: Vec<Line> = lines.iter().filter(|line| line.org == org).cloned().collect();
    let of_org = |findings: Vec<Finding>| -> Vec<Finding> {
        let is_its_own = |finding: &Finding| {
            let content = registry.detectors().get(&finding.detector_id).expect("the library's");
            let definition = Definition::parse(finding.detector_id.as_str(), content).expect("the library is sound");
            definition.scope == Scope::Tenant && finding.org_id.as_ref().is_some_and(|id| id.as_str() == org)
        };
        findings.into_iter().filter(is_its_own).collect()
    };
    let (among, alone) = (of_org(plainly(&lines).await), of_org(plainly(&alone).await));
    assert!(!among.is_empty(), "the org has findings of its own");
    assert_same(&among, &alone, "alone");
}

/// Says which finding differs, not only that some do.
fn assert_same(expected: &[Finding], found: &[Finding], how: &str) {
    for finding in expected {
        let other = found.iter().find(|other| other.finding_id == finding.finding_id);
        assert_eq!(Some(finding), other, "{how}: a finding is missing or another one");
    }
    let surplus = found.iter().find(|other| !expected.iter().any(|finding| finding.finding_id == other.finding_id));
    assert_eq!(surplus, None, "{how}: a finding too many");
}
