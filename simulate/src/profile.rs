//! The kinds of agents: what they are for, how often they call, whom they call, and how often that fails.
//!
//! The numbers are those of the benchmark's table of profiles; each agent draws its own from their ranges.

use credwatch_schemas::time::{DAY, HOUR};

use crate::provider::{GITHUB, GOOGLE, HUBSPOT, MICROSOFT, NOTION, Provider, SALESFORCE, SLACK, STRIPE};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Profile {
    InteractiveSupport,
    CronReporter,
    BackgroundSync,
    WebResearcher,
    CodingAgent,
    QuarterlyJob,
    CiRunner,
}

use Profile::{BackgroundSync, CiRunner, CodingAgent, CronReporter, InteractiveSupport, QuarterlyJob, WebResearcher};

/// Twenty agents in the shares of the table, mixed so that a small org has one of most kinds.
const ROSTER: [Profile; 20] = [
    CronReporter,
    BackgroundSync,
    InteractiveSupport,
    CodingAgent,
    WebResearcher,
    InteractiveSupport,
    CiRunner,
    CronReporter,
    BackgroundSync,
    InteractiveSupport,
    CodingAgent,
    QuarterlyJob,
    InteractiveSupport,
    CronReporter,
    BackgroundSync,
    WebResearcher,
    CodingAgent,
    InteractiveSupport,
    CronReporter,
    BackgroundSync,
];

pub(crate) fn of_agent(index: usize) -> Profile {
    ROSTER[index % ROSTER.len()]
}

/// When an agent works, in its org's local time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rhythm {
    /// Full rate in office hours of workdays, a trace outside.
    Office,
    /// One burst at the start of every nth hour.
    Burst,
    Flat,
    /// Two-hour bouts in the day, a third of the time.
    Bouts,
    /// One night in so many days.
    Rare,
    /// Short bursts whenever somebody pushes, in office hours.
    Pushes,
}

/// The numbers of a profile. Ranges are drawn from once per agent.
#[derive(Debug)]
pub(crate) struct Habits {
    pub(crate) names: &'static [&'static str],
    pub(crate) rhythm: Rhythm,
    /// Calls in an hour of work (or in a burst).
    pub(crate) rate: (f64, f64),
    /// Providers to choose from, and how many are chosen.
    pub(crate) providers: &'static [&'static Provider],
    pub(crate) connections: (i64, i64),
    /// Hosts of the org itself, beside the providers'.
    pub(crate) own_hosts: (i64, i64),
    pub(crate) error_share: f64,
    pub(crate) error_correlation: f64,
    /// Share of calls to a site of the open web, most of them never called before.
    pub(crate) novelty: f64,
    pub(crate) replicas: u64,
    pub(crate) environment: &'static str,
}

impl Profile {
    pub(crate) fn habits(self) -> &'static Habits {
        match self {
            InteractiveSupport => &SUPPORT,
            CronReporter => &REPORTER,
            BackgroundSync => &SYNC,
            WebResearcher => &RESEARCHER,
            CodingAgent => &CODER,
            QuarterlyJob => &QUARTERLY,
            CiRunner => &CI,
        }
    }

    /// Whether its connections belong to a person.
    pub(crate) fn acts_for_a_person(self) -> bool {
        matches!(self, InteractiveSupport | WebResearcher | CodingAgent)
    }
}

static SUPPORT: Habits = Habits {
    names: &["support-desk", "helpdesk", "inbox-triage"],
    rhythm: Rhythm::Office,
    rate: (5.0, 60.0),
    providers: &[&SLACK, &SALESFORCE, &HUBSPOT, &GOOGLE, &NOTION],
    connections: (3, 5),
    own_hosts: (1, 4),
    error_share: 0.01,
    error_correlation: 0.02,
    novelty: 0.0,
    replicas: 2,
    environment: "production",
};

static REPORTER: Habits = Habits {
    names: &["weekly-report", "invoice-digest", "usage-summary"],
    rhythm: Rhythm::Burst,
    rate: (10.0, 40.0),
    providers: &[&SLACK, &GOOGLE, &STRIPE, &SALESFORCE],
    connections: (2, 4),
    own_hosts: (0, 2),
    error_share: 0.005,
    error_correlation: 0.01,
    novelty: 0.0,
    replicas: 1,
    environment: "production",
};

static SYNC: Habits = Habits {
    names: &["crm-sync", "calendar-sync", "directory-sync"],
    rhythm: Rhythm::Flat,
    rate: (20.0, 200.0),
    providers: &[&SALESFORCE, &HUBSPOT, &MICROSOFT, &GOOGLE, &SLACK],
    connections: (2, 5),
    own_hosts: (1, 2),
    error_share: 0.01,
    error_correlation: 0.02,
    novelty: 0.0,
    replicas: 3,
    environment: "production",
};

static RESEARCHER: Habits = Habits {
    names: &["market-research", "news-scout"],
    rhythm: Rhythm::Office,
    rate: (10.0, 120.0),
    providers: &[&GOOGLE, &NOTION, &SLACK],
    connections: (2, 3),
    own_hosts: (0, 1),
    error_share: 0.04,
    error_correlation: 0.05,
    novelty: 0.8,
    replicas: 1,
    environment: "production",
};

static CODER: Habits = Habits {
    names: &["code-review", "patch-writer"],
    rhythm: Rhythm::Bouts,
    rate: (30.0, 600.0),
    providers: &[&GITHUB, &SLACK, &NOTION, &MICROSOFT],
    connections: (2, 3),
    own_hosts: (8, 36),
    error_share: 0.03,
    error_correlation: 0.03,
    novelty: 0.0,
    replicas: 2,
    environment: "development",
};

static QUARTERLY: Habits = Habits {
    names: &["tax-filing", "access-recertification"],
    rhythm: Rhythm::Rare,
    rate: (40.0, 200.0),
    providers: &[&STRIPE, &GOOGLE, &SALESFORCE],
    connections: (2, 3),
    own_hosts: (0, 2),
    error_share: 0.01,
    error_correlation: 0.02,
    novelty: 0.0,
    replicas: 1,
    environment: "production",
};

static CI: Habits = Habits {
    names: &["ci-runner"],
    rhythm: Rhythm::Pushes,
    rate: (8.0, 90.0),
    providers: &[&GITHUB, &SLACK],
    connections: (2, 3),
    own_hosts: (1, 3),
    error_share: 0.02,
    error_correlation: 0.03,
    novelty: 0.0,
    replicas: 4,
    environment: "ci",
};

/// An instant on the org's wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Local {
    pub(crate) day: i64,
    pub(crate) hour: i64,
}

impl Local {
    pub(crate) fn at(micros: i64) -> Self {
        Self { day: micros.div_euclid(DAY), hour: micros.rem_euclid(DAY) / HOUR }
    }

    /// 1970-01-01 was a Thursday.
    pub(crate) fn is_workday(self) -> bool {
        (self.day + 3).rem_euclid(7) < 5
    }
}

impl Rhythm {
    /// Share of the full rate in this hour. `phase` is the agent's own number, which staggers bursts, bouts and nights.
    pub(crate) fn factor(self, local: Local, phase: u64) -> f64 {
        match self {
            Self::Office => office(local),
            Self::Burst => on(local.hour.rem_euclid(burst_hours(phase)) == 0),
            Self::Flat => 1.0,
            Self::Bouts => on(local.is_workday() && (8..20).contains(&local.hour) && in_a_bout(local, phase)),
            Self::Rare => {
                on(local.hour == 3 && (local.day + phase.cast_signed()).rem_euclid(30 + (phase % 61) as i64) == 0)
            }
            Self::Pushes => on(local.is_workday() && (8..20).contains(&local.hour)),
        }
    }
}

fn on(working: bool) -> f64 {
    if working { 1.0 } else { 0.0 }
}

/// Quiet nights, a dip at lunch, and little at weekends.
fn office(local: Local) -> f64 {
    let hour = match local.hour {
        9..=11 | 14..=16 => 1.0,
        8 | 12 | 13 | 17 => 0.7,
        7 | 18 | 19 => 0.2,
        _ => 0.0,
    };
    if local.is_workday() { hour } else { hour * 0.05 }
}

fn burst_hours(phase: u64) -> i64 {
    [1, 2, 4, 6][(phase % 4) as usize]
}

fn in_a_bout(local: Local, phase: u64) -> bool {
    let slot = local.day.cast_unsigned().wrapping_mul(31).wrapping_add(local.hour.cast_unsigned() / 2);
    slot.wrapping_add(phase).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & 0xff < 88
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_agents_have_the_shares_of_the_table() {
        let of = |profile| (0..20).filter(|index| of_agent(*index) == profile).count();
        let kinds =
            [InteractiveSupport, CronReporter, BackgroundSync, WebResearcher, CodingAgent, QuarterlyJob, CiRunner];
        assert_eq!(kinds.map(of), [5, 4, 4, 2, 3, 1, 1]);
    }

    #[test]
    fn the_office_sleeps_at_night_and_rests_at_weekends() {
        let monday = Local::at(1_780_272_000_000_000 + 10 * HOUR);
        assert!(monday.is_workday());
        assert!(!Local::at(1_780_272_000_000_000 - DAY).is_workday());
        assert_eq!(Rhythm::Office.factor(monday, 0), 1.0);
        assert_eq!(Rhythm::Office.factor(Local { hour: 2, ..monday }, 0), 0.0);
    }

    #[test]
    fn a_quarterly_job_runs_once_in_30_to_90_days() {
        for phase in [0, 17, 60, 999] {
            let runs = (0..180 * 24).filter(|hour| Rhythm::Rare.factor(Local::at(hour * HOUR), phase) > 0.0).count();
            assert!((2..=6).contains(&runs), "{phase}: {runs}");
        }
    }

    #[test]
    fn a_coding_agent_works_about_a_third_of_its_day() {
        let day = (0..28 * 24).map(|hour| Local::at(hour * HOUR));
        let hours: Vec<_> = day.filter(|local| local.is_workday() && (8..20).contains(&local.hour)).collect();
        let working = hours.iter().filter(|local| Rhythm::Bouts.factor(**local, 5) > 0.0).count();
        let share = working as f64 / hours.len() as f64;
        assert!((0.2..0.5).contains(&share), "{share}");
    }
}
