//! When a report is due, and of which weeks. Pure.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use credwatch_schemas::time::Micros;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use crate::reports::Week;

/// Of a longer absence only the last weeks are made up for.
const MOST_WEEKS: usize = 12;
/// A schedule that is due more often is looked at from its last time back.
const MOST_TIMES: usize = 1_000;

/// Times at which something is due, as cron writes them, where somebody lives.
#[derive(Debug, Clone)]
pub(super) struct Times {
    cron: Cron,
    zone: Tz,
}

impl Times {
    pub(super) fn parse(text: &str, zone: Tz) -> Result<Self, String> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|error| format!("schedule {text:?} is none that cron knows: {error}"))?;
        let times = Self { cron, zone };
        match times.after(Micros(0)) {
            Some(_) => Ok(times),
            None => Err(format!("schedule {text:?} never comes")),
        }
    }

    fn local(&self, time: Micros) -> Option<DateTime<Tz>> {
        Some(DateTime::<Utc>::from_timestamp_micros(time.0)?.with_timezone(&self.zone))
    }

    fn after(&self, time: Micros) -> Option<Micros> {
        let next = self.cron.find_next_occurrence(&self.local(time)?, false).ok()?;
        Some(Micros(next.timestamp_micros()))
    }

    fn last(&self, now: Micros) -> Option<Micros> {
        let last = self.cron.find_previous_occurrence(&self.local(now)?, true).ok()?;
        Some(Micros(last.timestamp_micros()))
    }

    /// The last time that has come since `handled`; `None`: nothing is due.
    pub(super) fn due(&self, handled: Micros, now: Micros) -> Option<Micros> {
        self.last(now).filter(|last| *last > handled)
    }

    /// The weeks that had ended at each time since then, each once, the oldest first.
    pub(super) fn weeks(&self, handled: Micros, last: Micros, zone: Tz) -> Vec<Week> {
        let mut times = vec![last];
        let mut time = self.after(handled);
        while let Some(one) = time.filter(|one| *one < last && times.len() < MOST_TIMES) {
            times.push(one);
            time = self.after(one);
        }
        let mut weeks: Vec<Week> = times.into_iter().filter_map(|time| Week::ended_by(time, zone)).collect();
        weeks.sort();
        weeks.dedup();
        let too_many = weeks.len().saturating_sub(MOST_WEEKS);
        weeks.split_off(too_many)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BERLIN: Tz = Tz::Europe__Berlin;

    fn time(text: &str) -> Micros {
        Micros::parse(text).unwrap()
    }

    fn times(text: &str) -> Times {
        Times::parse(text, BERLIN).unwrap()
    }

    fn weeks(text: &str, handled: &str, last: &str) -> Vec<String> {
        times(text).weeks(time(handled), time(last), BERLIN).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn it_is_due_at_its_hour_where_somebody_lives_also_when_clocks_have_changed() {
        let mondays = times("0 7 * * MON");
        let due = |handled, now| mondays.due(time(handled), time(now)).map(|time| time.to_string()[..16].to_owned());
        assert_eq!(due("2026-10-20T00:00:00Z", "2026-10-26T05:59:59Z"), None);
        assert_eq!(due("2026-10-20T00:00:00Z", "2026-10-26T06:00:00Z").unwrap(), "2026-10-26T06:00");
        assert_eq!(due("2026-10-26T06:00:00Z", "2026-10-26T06:00:01Z"), None, "it was seen to");
        assert_eq!(due("2026-06-01T00:00:00Z", "2026-06-08T05:00:00Z").unwrap(), "2026-06-08T05:00");
    }

    #[test]
    fn an_hour_that_is_skipped_is_not_a_week_that_is_skipped() {
        let night = times("30 2 * * SUN");
        let due = night.due(time("2026-03-28T00:00:00Z"), time("2026-03-29T12:00:00Z")).unwrap();
        assert!(due >= time("2026-03-29T01:00:00Z"), "{due}");
    }

    #[test]
    fn every_week_that_was_missed_is_made_up_for_and_no_older_than_twelve() {
        assert_eq!(weeks("0 7 * * 1", "2026-11-09T06:00:00Z", "2026-11-16T06:00:00Z"), ["2026-W46"]);
        assert_eq!(
            weeks("0 7 * * 1", "2026-11-02T06:00:00Z", "2026-11-23T06:00:00Z"),
            ["2026-W45", "2026-W46", "2026-W47"]
        );
        let year = weeks("0 7 * * 1", "2025-11-03T06:00:00Z", "2026-11-16T06:00:00Z");
        assert_eq!((year.len(), year.last().unwrap().as_str()), (12, "2026-W46"));
        assert_eq!(weeks("0 7 * * *", "2026-11-16T06:00:00Z", "2026-11-18T06:00:00Z"), ["2026-W46"], "each once");
    }

    #[test]
    fn what_cron_does_not_know_is_refused() {
        for bad in ["", "monday", "61 * * * *", "0 7 * * 1 2027", "0 0 7 * * 1", "0 7 31 2 *"] {
            assert!(Times::parse(bad, BERLIN).is_err(), "{bad}");
        }
    }
}
