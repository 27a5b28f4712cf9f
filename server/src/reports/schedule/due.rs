//! When a report is due, and of which weeks. Pure.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use credwatch_schemas::time::Micros;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use crate::reports::Week;

/// Of a longer absence only the last weeks are made up for.
const MOST_WEEKS: usize = 12;

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
}

/// The weeks that have ended since then, and the last of them also where it was seen to: it may have changed. The oldest first.
pub(super) fn weeks(handled: Micros, last: Micros, zone: Tz) -> Vec<Week> {
    let Some(newest) = Week::ended_by(last, zone) else { return Vec::new() };
    let seen_to = Week::ended_by(handled, zone);
    let mut weeks = vec![newest];
    while let Some(before) = weeks.last().and_then(|week| week.before()) {
        if seen_to.is_none_or(|seen_to| before <= seen_to) || weeks.len() >= MOST_WEEKS {
            break;
        }
        weeks.push(before);
    }
    weeks.reverse();
    weeks
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

    fn ended(handled: &str, last: &str, zone: Tz) -> Vec<String> {
        weeks(time(handled), time(last), zone).iter().map(ToString::to_string).collect()
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
        assert_eq!(ended("2026-11-09T06:00:00Z", "2026-11-16T06:00:00Z", BERLIN), ["2026-W46"]);
        assert_eq!(ended("2026-11-02T06:00:00Z", "2026-11-23T06:00:00Z", BERLIN), ["2026-W45", "2026-W46", "2026-W47"]);
        let year = ended("2025-11-03T06:00:00Z", "2026-11-16T06:00:00Z", BERLIN);
        assert_eq!((year.len(), year.last().unwrap().as_str()), (12, "2026-W46"));
        assert_eq!(ended("2026-11-16T06:00:00Z", "2026-11-18T06:00:00Z", BERLIN), ["2026-W46"], "it may have changed");
    }

    #[test]
    fn no_week_is_left_out_where_the_zone_of_the_schedule_is_not_that_of_the_org() {
        // Four o'clock UTC is Sunday night there, until clocks go forward.
        let new_york = Tz::America__New_York;
        assert_eq!(ended("2026-02-23T04:00:00Z", "2026-03-02T04:00:00Z", new_york), ["2026-W08"]);
        assert_eq!(ended("2026-03-02T04:00:00Z", "2026-03-09T04:00:00Z", new_york), ["2026-W09", "2026-W10"]);
    }

    #[test]
    fn what_cron_does_not_know_is_refused() {
        for bad in ["", "monday", "61 * * * *", "0 7 * * 1 2027", "0 0 7 * * 1", "0 7 31 2 *"] {
            assert!(Times::parse(bad, BERLIN).is_err(), "{bad}");
        }
    }
}
