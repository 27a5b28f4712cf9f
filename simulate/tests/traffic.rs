//! The promises of the traffic as a reader of its lines sees them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use credwatch_schemas::event::Event;
use credwatch_schemas::json_schema;
use credwatch_schemas::time::{DAY, HOUR, MINUTE, Micros};
use credwatch_simulate::{Expected, Plan, Simulation, Truth, Written, write_to};
use serde_json::Value;

fn written(plan: Plan) -> (Vec<u8>, Vec<u8>, Written) {
    let (mut events, mut truths) = (Vec::new(), Vec::new());
    let written = write_to(plan, &mut events, &mut truths).unwrap();
    (events, truths, written)
}

/// Three days of a small fleet, incidents included.
fn small(seed: u64) -> Plan {
    Plan { seed, days: 3, orgs: 2, agents: 8, rate: 0.2, ..Plan::default() }
}

fn events(simulation: &Simulation) -> Vec<Event> {
    simulation.traffic().map(|simulated| simulated.event).collect()
}

fn by_id(events: &[Event]) -> BTreeMap<&str, &Event> {
    events.iter().map(|event| (event.event_id.as_deref().unwrap(), event)).collect()
}

fn of_kind<'a>(simulation: &'a Simulation, kind: &str) -> Vec<&'a Truth> {
    simulation.truths().iter().filter(|truth| truth.kind == kind).collect()
}

#[test]
fn every_line_is_an_event_of_the_contract_and_nothing_else() {
    let schema = json_schema::event();
    let (lines, _, _) = written(small(1));
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let value: Value = serde_json::from_slice(line).unwrap();
        for (name, value) in value.as_object().unwrap() {
            let allowed = schema["properties"][name]["type"].as_array().unwrap_or_else(|| panic!("{name} is no field"));
            assert!(allowed.iter().any(|kind| is_a(value, kind.as_str().unwrap())), "{name} is {value}");
        }
        assert!(value["time"].is_string() && value["kind"].is_string());
        let event: Event = serde_json::from_slice(line).unwrap();
        assert_eq!(serde_json::to_value(event).unwrap(), value);
    }
}

fn is_a(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => value.is_null(),
    }
}

#[test]
fn one_seed_gives_the_same_bytes_and_another_gives_others() {
    let (first, again, other) = (written(small(1)), written(small(1)), written(small(2)));
    assert!(first == again);
    assert_ne!(first.0, other.0);
    assert_ne!(first.1, other.1);
}

#[test]
fn events_come_in_order_of_time_with_ids_of_their_own() {
    let plan = small(3);
    let events = events(&Simulation::history(plan));
    assert!(events.is_sorted_by_key(|event| event.time));
    assert!(events.iter().all(|event| Some(plan.start()) <= event.time && event.time < Some(plan.end())));
    assert_eq!(by_id(&events).len(), events.len());
}

#[test]
fn exactly_as_many_events_are_written_as_were_asked_for() {
    for count in [3_000, 30_000] {
        let plan = Plan::of_events(4, count);
        let (_, _, written) = written(plan);
        assert_eq!(written.events, count);
        let (first, last) = written.span.unwrap();
        let days = (last.0 - first.0) as f64 / DAY as f64;
        assert!((9.4..10.6).contains(&days), "{count} events last {days} days");
    }
}

#[test]
fn a_number_of_events_does_not_cut_any_incident_off() {
    for seed in 0..5 {
        let simulation = Simulation::history(Plan::of_events(seed, 3_000));
        let last = simulation.traffic().last().unwrap().time;
        for truth in simulation.truths().iter().filter(|truth| truth.is_incident()) {
            assert!(truth.to < last, "{} ends at {}, the traffic at {last}", truth.id, truth.to);
        }
    }
}

#[test]
fn a_tool_call_has_34_fields_and_about_900_bytes() {
    let (lines, _, written) = written(Plan::of_events(5, 30_000));
    let mut calls = Vec::new();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let value: Value = serde_json::from_slice(line).unwrap();
        let is_typical = value["kind"] == "tool_call"
            && value["outcome"] == "success"
            && value.get("token_expires_at").is_some()
            && value.get("steps").is_none();
        if is_typical {
            calls.push((value.as_object().unwrap().len(), line.len()));
        }
    }
    assert!(calls.len() as f64 > 0.5 * written.events as f64);
    assert!(calls.iter().all(|(fields, _)| *fields == 34), "{:?}", calls.first());
    let mean = calls.iter().map(|(_, bytes)| *bytes).sum::<usize>() / calls.len();
    assert!((850..1_000).contains(&mean), "{mean}");
    let overall = written.bytes / written.events;
    assert!((850..950).contains(&overall), "{overall}");
}

#[test]
fn what_proves_an_incident_is_in_the_traffic() {
    let simulation = Simulation::history(Plan::of_events(6, 30_000));
    let events = events(&simulation);
    let ids = by_id(&events);
    for truth in simulation.truths() {
        assert!(!truth.is_incident() || !truth.evidence.is_empty(), "{}", truth.id);
        for id in &truth.evidence {
            let event = ids.get(id.as_str()).unwrap_or_else(|| panic!("{} names {id}", truth.id));
            assert_eq!(event.org_id.as_deref(), Some(truth.org_id.as_str()), "{}", truth.id);
            assert!(Some(truth.from) <= event.time && event.time <= Some(truth.to), "{}", truth.id);
        }
    }
}

#[test]
fn every_detector_has_incidents_and_look_alikes_after_learning_and_none_before() {
    for events in [3_000, 30_000] {
        let plan = Plan::of_events(8, events);
        let simulation = Simulation::history(plan);
        let truths = simulation.truths().iter();
        let incidents: Vec<_> = truths.filter(|truth| truth.is_incident()).collect();
        let detectors: BTreeSet<_> = incidents.iter().map(|truth| truth.detector.as_str()).collect();
        assert_eq!(
            Vec::from_iter(detectors),
            [
                "cross-tenant-lookup",
                "error-rate-spike",
                "new-destination",
                "revocation-retry-storm",
                "token-reuse-across-tenants"
            ]
        );
        assert!(incidents.iter().all(|truth| truth.from >= plan.learnt()));
        for kind in ["halted_revocation", "expiry", "outage", "deploy"] {
            assert!(!of_kind(&simulation, kind).is_empty(), "{kind}");
        }
    }
    let large = Simulation::history(Plan::default());
    for kind in ["common_new_host", "onboarding", "browsing"] {
        assert!(of_kind(&large, kind).iter().any(|truth| truth.expected == Expected::MustNot), "{kind}");
    }
}

#[test]
fn no_truth_stands_twice() {
    let simulation = Simulation::history(Plan::default());
    let ids: BTreeSet<_> = simulation.truths().iter().map(|truth| &truth.id).collect();
    assert_eq!(ids.len(), simulation.truths().len());
}

/// Hosts that an agent calls for the first time after learning, by org, agent and host.
fn news(events: &[Event], learnt: Micros) -> BTreeMap<[&str; 3], Micros> {
    let mut first = BTreeMap::new();
    for event in events.iter().filter(|event| event.kind.as_deref() == Some("tool_call")) {
        let place = [&event.org_id, &event.agent_id, &event.dest_host].map(|field| field.as_deref().unwrap());
        first.entry(place).or_insert(event.time.unwrap());
    }
    first.retain(|_, time| *time >= learnt);
    first
}

#[test]
fn after_learning_only_what_the_truth_names_is_a_new_destination() {
    let plan = Plan::default();
    let simulation = Simulation::history(plan);
    let events = events(&simulation);
    let truths = ["new_destination", "common_new_host", "onboarding", "browsing"]
        .map(|kind| of_kind(&simulation, kind))
        .concat();
    let says = |truth: &Truth, column: &str, value: &str| truth.subject.get(column).is_none_or(|named| named == value);
    for ([org, agent, host], time) in news(&events, plan.learnt()) {
        let is_named = truths.iter().any(|truth| {
            truth.org_id == org
                && says(truth, "agent_id", agent)
                && says(truth, "dest_host", host)
                && truth.from <= time
        });
        assert!(is_named, "{agent} of {org} calls {host} first at {time}");
    }
}

#[test]
fn only_the_truth_lets_a_call_cross_tenants() {
    let simulation = Simulation::history(Plan::of_events(9, 30_000));
    let named: BTreeSet<_> =
        of_kind(&simulation, "cross_tenant_lookup").iter().flat_map(|truth| truth.evidence.clone()).collect();
    let crossing: BTreeSet<_> =
        events(&simulation).into_iter().filter(crosses).filter_map(|event| event.event_id).collect();
    assert_eq!(crossing, named);
}

fn crosses(event: &Event) -> bool {
    let resolved = event.steps.iter().flatten().map(|step| &step.org_id);
    let orgs = [&event.credential_org_id, &event.target_org_id].into_iter().chain(resolved);
    orgs.flatten().any(|org| Some(org) != event.org_id.as_ref())
}

#[test]
fn only_the_truth_lets_a_token_or_a_task_work_in_two_orgs() {
    let simulation = Simulation::history(Plan::of_events(10, 30_000));
    let events = events(&simulation);
    let mut orgs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for event in &events {
        for shared in [&event.token_fp, &event.task_id, &event.connection_id].into_iter().flatten() {
            orgs.entry(shared).or_default().insert(event.org_id.as_deref().unwrap());
        }
    }
    let found: BTreeSet<_> = orgs.iter().filter(|(_, orgs)| orgs.len() > 1).map(|(shared, _)| *shared).collect();
    let truths = of_kind(&simulation, "token_reuse");
    let named: BTreeSet<_> = truths.iter().flat_map(|truth| truth.subject.values()).map(String::as_str).collect();
    assert_eq!(found, named);
    assert_eq!(truths.len(), 2 * named.len());
}

#[test]
fn a_storm_is_an_unbroken_row_of_failures_and_a_halted_agent_stops_before_the_fourth() {
    let simulation = Simulation::history(Plan::default());
    let events = events(&simulation);
    let calls = |truth: &Truth| -> Vec<bool> {
        let same = |event: &&Event| event.connection_id.as_ref() == truth.subject.get("connection_id");
        let within = |event: &&Event| Some(truth.from) <= event.time && event.time < Some(truth.to);
        let calls =
            events.iter().filter(|event| event.kind.as_deref() == Some("tool_call")).filter(same).filter(within);
        calls.map(|event| event.outcome.as_deref() == Some("failure")).collect()
    };
    for storm in of_kind(&simulation, "retry_storm") {
        let calls = calls(storm);
        assert!(calls.len() >= 12 && calls.iter().all(|failed| *failed), "{}: {calls:?}", storm.id);
    }
    for halted in of_kind(&simulation, "halted_revocation") {
        assert_eq!(calls(halted), [true, true, false], "{}", halted.id);
    }
    for expiry in of_kind(&simulation, "expiry") {
        assert_eq!(calls(expiry).iter().filter(|failed| **failed).count(), 6, "{}", expiry.id);
    }
}

#[test]
fn most_calls_of_a_spike_fail_and_ordinary_calls_seldom_do() {
    let simulation = Simulation::history(Plan::default());
    for spike in of_kind(&simulation, "error_spike") {
        assert!((80..130).contains(&spike.evidence.len()), "{}", spike.evidence.len());
    }
    let outages = of_kind(&simulation, "outage");
    let calm =
        |event: &&Event| !outages.iter().any(|outage| Some(outage.from) <= event.time && event.time < Some(outage.to));
    let events = events(&simulation);
    let ordinary: Vec<_> =
        events.iter().filter(|event| event.kind.as_deref() == Some("tool_call")).filter(calm).collect();
    let failed = ordinary.iter().filter(|event| event.outcome.as_deref() == Some("failure")).count();
    let share = failed as f64 / ordinary.len() as f64;
    assert!((0.005..0.06).contains(&share), "{share}");
}

#[test]
fn live_traffic_goes_on_where_history_ended_with_one_of_each_incident_soon() {
    let plan = small(11);
    let history = Simulation::history(plan);
    let from = plan.end().plus(17 * MINUTE);
    let live = history.live(from, 1);
    let (before, after) = (events(&history), events(&live));
    let agents = |events: &[Event]| {
        events.iter().map(|event| (event.org_id.clone(), event.agent_id.clone())).collect::<BTreeSet<_>>()
    };
    assert!(agents(&after).is_subset(&agents(&before)));
    assert!(after.iter().all(|event| Some(from) <= event.time && event.time < Some(from.plus(DAY))));
    let ids = by_id(&before);
    assert!(by_id(&after).keys().all(|id| !ids.contains_key(id)));
    let detectors: BTreeSet<_> = live.truths().iter().map(|truth| truth.detector.as_str()).collect();
    assert_eq!(detectors.len(), 5);
    assert!(
        live.truths().iter().all(|truth| truth.is_incident() && from < truth.from && truth.from < from.plus(MINUTE))
    );
    let present = by_id(&after);
    assert!(live.truths().iter().flat_map(|truth| &truth.evidence).all(|id| present.contains_key(id.as_str())));
}

#[test]
fn a_live_token_is_the_one_that_history_left() {
    let plan = small(12);
    let history = Simulation::history(plan);
    let live = history.live(plan.end(), 1);
    let tokens = |events: Vec<Event>| -> BTreeMap<String, String> {
        events.into_iter().filter_map(|event| Some((event.connection_id?, event.token_fp?))).collect()
    };
    let last = tokens(events(&history));
    let soon =
        live.traffic().take_while(|simulated| simulated.time < plan.end().plus(HOUR)).map(|simulated| simulated.event);
    let soon = tokens(soon.collect());
    assert!(soon.iter().any(|(connection, token)| last.get(connection) == Some(token)));
}

#[test]
fn nights_and_weekends_are_quieter_than_working_hours() {
    let plan = Plan { days: 7, orgs: 1, agents: 12, ..Plan::default() };
    let mut by_hour: BTreeMap<i64, u32> = BTreeMap::new();
    for simulated in Simulation::history(plan).traffic() {
        *by_hour.entry((simulated.time.0 - plan.start().0) / HOUR).or_default() += 1;
    }
    let calls = |day: i64, hour: i64| f64::from(by_hour.get(&(day * 24 + hour)).copied().unwrap_or_default());
    // The first org is two hours ahead of UTC; days 5 and 6 are the weekend.
    let sum = |days: std::ops::Range<i64>, hours: std::ops::Range<i64>| -> f64 {
        days.clone()
            .flat_map(|day| hours.clone().map(move |hour| (day, hour)))
            .map(|(day, hour)| calls(day, hour))
            .sum::<f64>()
            / (days.end - days.start) as f64
    };
    let (work, night, weekend) = (sum(0..5, 8..14), sum(0..5, 21..27), sum(5..7, 8..14));
    assert!(work > 1.5 * night, "{work} at work, {night} at night");
    assert!(work > 1.5 * weekend, "{work} on workdays, {weekend} at weekends");
}
