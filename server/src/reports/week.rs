//! An ISO week, and when it begins and ends where somebody lives. Pure.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, MappedLocalTime, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
use chrono_tz::Tz;
use credwatch_schemas::time::Micros;
use thiserror::Error;

/// Monday to Sunday, as ISO 8601 counts them: `2026-W46`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Week {
    monday: NaiveDate,
}

#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0:?} is no ISO week: 2026-W46 is one")]
pub struct NoWeek(String);

impl Week {
    /// The week that an instant lies in.
    pub fn of(time: Micros, zone: Tz) -> Option<Self> {
        let day = DateTime::<Utc>::from_timestamp_micros(time.0)?.with_timezone(&zone).date_naive();
        let since_monday = Days::new(u64::from(day.weekday().num_days_from_monday()));
        Some(Self { monday: day.checked_sub_days(since_monday)? })
    }

    /// The last one that has ended by an instant.
    pub fn ended_by(time: Micros, zone: Tz) -> Option<Self> {
        Self::of(time, zone)?.before()
    }

    pub fn before(self) -> Option<Self> {
        Some(Self { monday: self.monday.checked_sub_days(Days::new(7))? })
    }

    pub fn after(self) -> Option<Self> {
        Some(Self { monday: self.monday.checked_add_days(Days::new(7))? })
    }

    /// Its first instant; that of the week after it is its end. Seven days are not always 168 hours.
    pub fn begins(self, zone: Tz) -> Option<Micros> {
        let midnight = self.monday.and_time(NaiveTime::MIN);
        // Where a clock is put forward at midnight, the day begins with the first time that there is.
        let quarters = (0..=8).map(|quarter| midnight + TimeDelta::minutes(15 * quarter));
        let mut instants = quarters.filter_map(|local| match zone.from_local_datetime(&local) {
            MappedLocalTime::Single(one) | MappedLocalTime::Ambiguous(one, _) => Some(one),
            MappedLocalTime::None => None,
        });
        Some(Micros(instants.next()?.timestamp_micros()))
    }

    pub fn ends(self, zone: Tz) -> Option<Micros> {
        self.after()?.begins(zone)
    }
}

impl FromStr for Week {
    type Err = NoWeek;

    fn from_str(text: &str) -> Result<Self, NoWeek> {
        let parsed = text.split_once("-W").and_then(|(year, week)| {
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let is_plain = year.len() == 4 && week.len() == 2 && digits(year) && digits(week);
            let (year, week) = is_plain.then(|| Some((year.parse().ok()?, week.parse().ok()?)))??;
            NaiveDate::from_isoywd_opt(year, week, Weekday::Mon)
        });
        parsed.map(|monday| Self { monday }).ok_or_else(|| NoWeek(text.to_owned()))
    }
}

impl fmt::Display for Week {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let week = self.monday.iso_week();
        write!(out, "{:04}-W{:02}", week.year(), week.week())
    }
}

#[cfg(test)]
mod tests {
    use credwatch_schemas::time::HOUR;

    use super::*;

    fn week(text: &str) -> Week {
        text.parse().unwrap()
    }

    fn begins(text: &str, zone: Tz) -> String {
        week(text).begins(zone).unwrap().to_string()
    }

    fn hours(text: &str, zone: Tz) -> i64 {
        (week(text).ends(zone).unwrap().0 - week(text).begins(zone).unwrap().0) / HOUR
    }

    #[test]
    fn a_week_is_named_by_its_iso_year() {
        assert_eq!(begins("2026-W01", Tz::UTC), "2025-12-29T00:00:00.000000Z");
        assert_eq!(begins("2020-W53", Tz::UTC), "2020-12-28T00:00:00.000000Z");
        assert_eq!(week("2020-W53").after().unwrap().to_string(), "2021-W01");
        assert_eq!(week("2026-W01").before().unwrap().to_string(), "2025-W52");
    }

    #[test]
    fn it_begins_at_midnight_of_the_place_and_may_have_an_hour_more_or_less() {
        let berlin = Tz::Europe__Berlin;
        assert_eq!(begins("2026-W46", berlin), "2026-11-08T23:00:00.000000Z");
        assert_eq!(hours("2026-W13", berlin), 167, "clocks go forward on its Sunday");
        assert_eq!(hours("2026-W43", berlin), 169, "and back on this one's");
        assert_eq!(hours("2026-W46", berlin), 168);
        // In Cairo clocks go forward at midnight, though never on a Monday; in Havana they go back at one.
        for zone in [Tz::Africa__Cairo, Tz::America__Havana, Tz::Australia__Lord_Howe, Tz::Asia__Kathmandu] {
            for number in 1..=52 {
                let one = week(&format!("2026-W{number:02}"));
                assert_eq!(Week::of(one.begins(zone).unwrap(), zone), Some(one), "{zone} {one}");
                assert_eq!(Week::of(one.ends(zone).unwrap().plus(-1), zone), Some(one), "{zone} {one}");
            }
        }
    }

    #[test]
    fn the_last_one_that_has_ended_is_the_one_before_that_of_now() {
        let sunday = Micros::parse("2026-11-15T22:59:59Z").unwrap();
        let berlin = |time: Micros| Week::ended_by(time, Tz::Europe__Berlin).unwrap().to_string();
        assert_eq!(berlin(sunday), "2026-W45");
        assert_eq!(berlin(sunday.plus(1_000_000)), "2026-W46");
    }

    #[test]
    fn what_is_no_week_is_refused() {
        for text in [
            "", "2026", "2026-46", "2026-W", "2026-W54", "2026-W00", "2025-W53", "26-W46", "2026-W4", "2026-w46",
            "+026-W46",
        ] {
            assert!(text.parse::<Week>().is_err(), "{text}");
        }
    }
}
