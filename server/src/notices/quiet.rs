//! Hours in which people sleep, where they live. Pure.

use chrono::{DateTime, Datelike, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
use chrono_tz::Tz;
use credwatch_schemas::time::Micros;

/// From one time of a day to the next such time of the other; over midnight where the end is not later. What begins on one
/// of the days is quiet to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QuietHours {
    pub(super) from: NaiveTime,
    pub(super) to: NaiveTime,
    /// Empty: every day.
    pub(super) days: Vec<Weekday>,
    pub(super) zone: Tz,
}

impl QuietHours {
    /// The end of the quiet that a time lies in.
    pub(super) fn until(&self, time: Micros) -> Option<Micros> {
        let local = DateTime::<Utc>::from_timestamp_micros(time.0)?.with_timezone(&self.zone);
        let today = local.date_naive();
        let mut nights = [-1, 0].into_iter().filter_map(|days| today.checked_add_signed(TimeDelta::days(days)));
        nights.find_map(|day| {
            if !self.days.is_empty() && !self.days.contains(&day.weekday()) {
                return None;
            }
            let last = if self.to > self.from { day } else { day.succ_opt()? };
            let (begins, ends) = (self.instant(day.and_time(self.from))?, self.instant(last.and_time(self.to))?);
            (begins <= time && time < ends).then_some(ends)
        })
    }

    /// A local time that a clock skips is the first one after it; of one that comes twice, the first counts.
    fn instant(&self, local: NaiveDateTime) -> Option<Micros> {
        let mut tries = (0..=8).map(|quarter| local + TimeDelta::minutes(15 * quarter));
        let found = tries.find_map(|local| self.zone.from_local_datetime(&local).earliest());
        found.map(|instant| Micros(instant.timestamp_micros()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(from: &str, to: &str, days: &[Weekday]) -> QuietHours {
        let time = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").unwrap();
        QuietHours { from: time(from), to: time(to), days: days.to_vec(), zone: Tz::Europe__Berlin }
    }

    fn until(quiet: &QuietHours, time: &str) -> Option<String> {
        quiet.until(Micros::parse(time).unwrap()).map(|end| end.to_string()[..16].to_owned())
    }

    #[test]
    fn a_night_reaches_over_midnight_and_over_the_change_of_clocks() {
        let night = quiet("22:00", "07:00", &[]);
        assert_eq!(until(&night, "2026-06-01T19:59:59Z"), None);
        assert_eq!(until(&night, "2026-06-01T20:00:00Z").unwrap(), "2026-06-02T05:00");
        assert_eq!(until(&night, "2026-06-02T04:59:59Z").unwrap(), "2026-06-02T05:00");
        assert_eq!(until(&night, "2026-06-02T05:00:00Z"), None);
        assert_eq!(until(&night, "2026-03-28T23:00:00Z").unwrap(), "2026-03-29T05:00", "an hour less of sleep");
        assert_eq!(until(&night, "2026-10-24T23:00:00Z").unwrap(), "2026-10-25T06:00", "and one more");
    }

    #[test]
    fn a_night_that_begins_at_the_hour_that_is_skipped_begins_after_it() {
        let night = quiet("02:30", "06:00", &[]);
        assert_eq!(until(&night, "2026-03-29T00:59:00Z"), None);
        assert_eq!(until(&night, "2026-03-29T01:30:00Z").unwrap(), "2026-03-29T04:00");
    }

    #[test]
    fn days_are_those_on_which_it_begins() {
        let weekend = quiet("00:00", "00:00", &[Weekday::Sat, Weekday::Sun]);
        assert_eq!(until(&weekend, "2026-06-05T21:59:00Z"), None);
        assert_eq!(until(&weekend, "2026-06-06T12:00:00Z").unwrap(), "2026-06-06T22:00");
        assert_eq!(until(&weekend, "2026-06-07T21:59:00Z").unwrap(), "2026-06-07T22:00");
        assert_eq!(until(&weekend, "2026-06-07T22:00:00Z"), None);
        let fridays = quiet("18:00", "09:00", &[Weekday::Fri]);
        assert_eq!(until(&fridays, "2026-06-06T06:00:00Z").unwrap(), "2026-06-06T07:00", "Saturday morning");
        assert_eq!(until(&fridays, "2026-06-05T06:00:00Z"), None, "Friday morning");
    }
}
