//! Calls of two weeks by org, agent and host, folded as they come: sums, the busiest, those that got worse, agents that came
//! and went. Pure; what it holds follows the number of agents and hosts, not the number of calls.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

use credwatch_schemas::ids::OrgId;
use credwatch_schemas::weekly_report::{AgainstLastWeek, Agent, Calls, Ended, Hour, Series};

use super::answers::{CallsRow, SeriesRow};
use super::listed::{FEW, LISTED, count, cut};
use super::share::{ended, growth};

/// Everything that is told of calls.
#[derive(Debug, Default)]
pub(super) struct Tally {
    now: Counts,
    before: Counts,
    /// Series of this week.
    series: i64,
    hosts: BTreeSet<String>,
    agents: BTreeMap<Named, Seen>,
    busiest: Vec<Series>,
    worse: Vec<(f64, Series)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    calls: i64,
    failures: i64,
    denied: i64,
    unknown: i64,
}

/// What has no name comes after all names.
type Named = (bool, Option<OrgId>, bool, Option<String>);

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    now: bool,
    before: bool,
}

impl Tally {
    pub(super) fn take(&mut self, row: SeriesRow) {
        let (now, before) = (Counts::now(&row.calls), Counts::before(&row.calls));
        self.now.add(now);
        self.before.add(before);
        let agent = self.agents.entry(named(row.org_id.as_ref(), row.agent_id.as_ref())).or_default();
        agent.now |= now.calls > 0;
        agent.before |= before.calls > 0;
        if now.calls > 0 {
            self.list(Series {
                org_id: row.org_id,
                agent_id: row.agent_id,
                dest_host: row.dest_host,
                ended: now.ended(),
                last_week: (before.calls > 0).then(|| before.ended()),
            });
        }
    }

    /// One of this week.
    fn list(&mut self, series: Series) {
        self.series += 1;
        if let Some(host) = series.dest_host.as_ref().filter(|host| !self.hosts.contains(*host)) {
            self.hosts.insert(host.clone());
        }
        if let Some(growth) = series.last_week.as_ref().and_then(|before| growth(&series.ended, before)) {
            self.worse.push((growth, series.clone()));
            keep(&mut self.worse, FEW, by_growth);
        }
        self.busiest.push(series);
        keep(&mut self.busiest, LISTED, by_calls);
    }

    pub(super) fn told(mut self, hours: Vec<Hour>) -> (Calls, AgainstLastWeek) {
        first(&mut self.busiest, LISTED, by_calls);
        first(&mut self.worse, FEW, by_growth);
        let (agents_new, agents_new_more) = self.agents_that(|seen| seen.now && !seen.before);
        let (agents_gone, agents_gone_more) = self.agents_that(|seen| seen.before && !seen.now);
        let against =
            AgainstLastWeek { total: self.before.ended(), agents_new, agents_new_more, agents_gone, agents_gone_more };
        let calls = Calls {
            total: self.now.ended(),
            agents: count(self.agents.values().filter(|seen| seen.now).count()),
            hosts: count(self.hosts.len()),
            hours,
            series_more: self.series - count(self.busiest.len()),
            series: self.busiest,
            worse: self.worse.into_iter().map(|(_, series)| series).collect(),
        };
        (calls, against)
    }

    fn agents_that(&self, is_told: impl Fn(&Seen) -> bool) -> (Vec<Agent>, i64) {
        let named = self.agents.iter().filter(|(_, seen)| is_told(seen)).map(|(named, _)| named);
        cut(named.map(|(_, org, _, agent)| Agent { org_id: org.clone(), agent_id: agent.clone() }).collect(), FEW)
    }
}

impl Counts {
    fn now(row: &CallsRow) -> Self {
        Self { calls: row.calls, failures: row.failures, denied: row.denied, unknown: row.unknown }
    }

    fn before(row: &CallsRow) -> Self {
        Self {
            calls: row.calls_before,
            failures: row.failures_before,
            denied: row.denied_before,
            unknown: row.unknown_before,
        }
    }

    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.denied += other.denied;
        self.unknown += other.unknown;
    }

    fn ended(self) -> Ended {
        ended(self.calls, self.failures, self.denied, self.unknown)
    }
}

fn named(org: Option<&OrgId>, agent: Option<&String>) -> Named {
    (org.is_none(), org.cloned(), agent.is_none(), agent.cloned())
}

fn place(series: &Series) -> (Named, bool, &Option<String>) {
    let host = &series.dest_host;
    (named(series.org_id.as_ref(), series.agent_id.as_ref()), host.is_none(), host)
}

fn by_calls(one: &Series, other: &Series) -> Ordering {
    let most = |series: &Series| Reverse(series.ended.calls);
    most(one).cmp(&most(other)).then_with(|| place(one).cmp(&place(other)))
}

fn by_growth((growth, one): &(f64, Series), (other_growth, other): &(f64, Series)) -> Ordering {
    other_growth.total_cmp(growth).then_with(|| by_calls(one, other))
}

/// Only now and then, so that each costs little.
fn keep<T>(all: &mut Vec<T>, at_most: usize, order: impl Fn(&T, &T) -> Ordering) {
    if all.len() >= 8 * at_most {
        first(all, at_most, order);
    }
}

fn first<T>(all: &mut Vec<T>, at_most: usize, order: impl Fn(&T, &T) -> Ordering) {
    all.sort_by(order);
    all.truncate(at_most);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(
        agent: Option<&str>,
        host: Option<&str>,
        [calls, failures]: [i64; 2],
        [calls_before, failures_before]: [i64; 2],
    ) -> SeriesRow {
        SeriesRow {
            org_id: Some(OrgId::new("org_a")),
            agent_id: agent.map(str::to_owned),
            dest_host: host.map(str::to_owned),
            calls: CallsRow {
                calls,
                failures,
                denied: 0,
                unknown: 0,
                calls_before,
                failures_before,
                denied_before: 0,
                unknown_before: 0,
            },
        }
    }

    fn told(rows: Vec<SeriesRow>) -> (Calls, AgainstLastWeek) {
        let mut tally = Tally::default();
        rows.into_iter().for_each(|row| tally.take(row));
        tally.told(Vec::new())
    }

    #[test]
    fn sums_are_of_everything_and_lists_of_the_busiest_in_whatever_order_they_come() {
        let name = |number: i64| format!("agent-{number:03}");
        let mut rows: Vec<SeriesRow> =
            (0..900).map(|number| row(Some(&name(number)), Some("h"), [number % 7 + 1, 1], [0, 0])).collect();
        let (calls, against) = told(rows.clone());
        assert_eq!((calls.agents, calls.hosts, calls.series.len(), calls.series_more), (900, 1, LISTED, 850));
        assert_eq!(calls.total.calls, (0..900).map(|number| number % 7 + 1).sum::<i64>());
        assert!(calls.series.iter().all(|one| one.ended.calls == 7));
        assert_eq!(calls.series[0].agent_id.as_deref(), Some("agent-006"));
        assert_eq!((against.agents_new.len(), against.agents_new_more), (FEW, 890));
        rows.reverse();
        assert_eq!(told(rows), (calls, against));
    }

    #[test]
    fn an_agent_is_new_or_gone_over_all_its_hosts_and_what_has_no_name_comes_last() {
        let (calls, against) = told(vec![
            row(None, None, [1, 0], [0, 0]),
            row(Some("moved"), Some("new"), [1, 0], [0, 0]),
            row(Some("moved"), Some("old"), [0, 0], [1, 0]),
            row(Some("gone"), Some("old"), [0, 0], [1, 0]),
            row(Some("new"), Some("new"), [1, 0], [0, 0]),
        ]);
        let names =
            |agents: &[Agent]| -> Vec<Option<String>> { agents.iter().map(|one| one.agent_id.clone()).collect() };
        assert_eq!(names(&against.agents_new), [Some("new".to_owned()), None]);
        assert_eq!(names(&against.agents_gone), [Some("gone".to_owned())]);
        assert_eq!((calls.agents, calls.hosts, calls.series_more, against.total.calls), (3, 1, 0, 2));
    }

    #[test]
    fn worse_is_what_certainly_is_the_most_first() {
        let (calls, _) = told(vec![
            row(Some("same"), Some("h"), [1_000, 100], [1_000, 100]),
            row(Some("few"), Some("h"), [10, 3], [10, 1]),
            row(Some("some"), Some("h"), [1_000, 300], [1_000, 100]),
            row(Some("most"), Some("h"), [1_000, 900], [1_000, 100]),
            row(Some("new"), Some("h"), [1_000, 900], [0, 0]),
        ]);
        let worse: Vec<_> = calls.worse.iter().filter_map(|one| one.agent_id.as_deref()).collect();
        assert_eq!(worse, ["most", "some"]);
    }
}
