//! What a client may `SET` and `SHOW`. Most of it drivers ask for without minding the answer; what would change answers
//! in a way that is not done here is refused, so that nobody is told one thing and given another.

use std::collections::HashMap;
use std::time::Duration;

use credwatch_query::Limits;
use credwatch_query::postgres::VERSION;
use pgwire::types::format::FormatOptions;

use crate::problem::Problem;

/// Everything known, with the value that holds until something else is set.
const KNOWN: [(&str, &str); 32] = [
    ("application_name", ""),
    ("bytea_output", "hex"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("datestyle", "ISO, MDY"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "on"),
    ("extra_float_digits", "1"),
    ("geqo", "on"),
    ("idle_in_transaction_session_timeout", "0"),
    ("in_hot_standby", "off"),
    ("integer_datetimes", "on"),
    ("intervalstyle", "postgres"),
    ("is_superuser", "off"),
    ("jit", "off"),
    ("lc_collate", "C"),
    ("lc_ctype", "C"),
    ("lc_messages", "C"),
    ("lock_timeout", "0"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("row_security", "on"),
    ("search_path", "public"),
    ("server_encoding", "UTF8"),
    ("server_version", VERSION),
    ("server_version_num", "160006"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("timezone", "UTC"),
    ("transaction_deferrable", "off"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "on"),
];

/// What does not change, however often it is set to what it is.
const FIXED: [&str; 14] = [
    "client_encoding",
    "default_transaction_read_only",
    "in_hot_standby",
    "integer_datetimes",
    "is_superuser",
    "max_identifier_length",
    "max_index_keys",
    "search_path",
    "server_encoding",
    "server_version",
    "server_version_num",
    "standard_conforming_strings",
    "timezone",
    "transaction_read_only",
];

/// Other spellings of what holds anyway.
const SAME: [(&str, &str); 12] = [
    ("client_encoding", "utf-8"),
    ("client_encoding", "unicode"),
    ("timezone", "etc/utc"),
    ("timezone", "gmt"),
    ("timezone", "z"),
    ("timezone", "0"),
    ("timezone", "+00:00"),
    ("search_path", "\"$user\", public"),
    ("search_path", "$user, public"),
    ("standard_conforming_strings", "true"),
    ("default_transaction_read_only", "true"),
    ("transaction_read_only", "true"),
];

const MOST_SET: usize = 100;
const LONGEST_VALUE: usize = 1_024;

/// What one connection has set.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    set: HashMap<String, String>,
    /// What holds again after a reset.
    at_start: HashMap<String, String>,
}

impl Settings {
    /// `None` sets it back.
    pub(super) fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), Problem> {
        let name = name.to_lowercase();
        // A name with a dot is somebody's own, as in Postgres.
        let before = default_of(&name).or(name.contains('.').then_some("")).ok_or_else(|| unknown(&name))?;
        let Some(value) = value else {
            self.set_back(name);
            return Ok(());
        };
        if FIXED.contains(&name.as_str()) {
            return is_same(&name, before, value).then_some(()).ok_or_else(|| fixed(&name, before));
        }
        if value.len() > LONGEST_VALUE || self.set.len() >= MOST_SET && !self.set.contains_key(&name) {
            return Err(Problem::bad_request("sql.parameter", "a connection keeps few settings, and short ones"));
        }
        if name == "statement_timeout" {
            milliseconds(value)?;
        }
        self.set.insert(name, value.to_owned());
        Ok(())
    }

    /// From here on a reset goes back to what is set by now.
    pub(super) fn starting(self) -> Self {
        Self { at_start: self.set.clone(), ..self }
    }

    pub(super) fn reset(&mut self) {
        self.set.clone_from(&self.at_start);
    }

    fn set_back(&mut self, name: String) {
        match self.at_start.get(&name).cloned() {
            Some(value) => drop(self.set.insert(name, value)),
            None => drop(self.set.remove(&name)),
        }
    }

    pub(super) fn show(&self, name: &str) -> Result<String, Problem> {
        let name = name.to_lowercase();
        let set = self.set.get(&name).cloned();
        set.or_else(|| default_of(&name).map(str::to_owned)).ok_or_else(|| unknown(&name))
    }

    /// The server's limits, or less time where the client wants that.
    pub(super) fn limits(&self, most: Limits) -> Limits {
        let wanted = self.set.get("statement_timeout").and_then(|text| milliseconds(text).ok()).filter(|ms| *ms > 0);
        Limits { time: wanted.map_or(most.time, |ms| most.time.min(Duration::from_millis(ms))), ..most }
    }

    /// How values are written.
    pub(super) fn format(&self) -> FormatOptions {
        FormatOptions::from_client_metadata(&self.set)
    }
}

fn default_of(name: &str) -> Option<&'static str> {
    KNOWN.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

fn is_same(name: &str, holds: &str, value: &str) -> bool {
    let value = value.trim().to_lowercase();
    value == holds.to_lowercase() || SAME.contains(&(name, value.as_str()))
}

/// A number of milliseconds, or a number and its unit.
fn milliseconds(text: &str) -> Result<u64, Problem> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|sign: char| sign.is_ascii_digit()).len();
    let unit = match text[digits..].trim() {
        "" | "ms" => Some(1),
        "s" => Some(1_000),
        "min" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let number = text[..digits].parse::<u64>().ok();
    number.zip(unit).and_then(|(number, unit)| number.checked_mul(unit)).ok_or_else(|| {
        Problem::bad_request(
            "sql.parameter",
            "statement_timeout is a number of ms, or one with the unit ms, s, min or h",
        )
    })
}

fn unknown(name: &str) -> Problem {
    Problem::bad_request("sql.parameter", format!("there is no setting {name:?} here"))
}

fn fixed(name: &str, holds: &str) -> Problem {
    let hint = if name == "timezone" { "; AT TIME ZONE in a statement gives other times" } else { "" };
    Problem::bad_request("sql.parameter", format!("{name} is always {holds:?} here{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Limits = Limits { time: Duration::from_secs(30), memory_bytes: 1, rows: 1, bytes: 1 };

    #[test]
    fn a_statement_may_be_given_less_time_and_never_more() {
        let mut settings = Settings::default();
        assert_eq!(settings.limits(MOST).time, MOST.time);
        for (text, expected) in [("1500", 1_500), ("2s", 2_000), ("5 min", 30_000), ("0", 30_000), ("100ms", 100)] {
            settings.set("statement_timeout", Some(text)).unwrap();
            assert_eq!(settings.limits(MOST).time, Duration::from_millis(expected), "{text}");
        }
        for bad in ["", "s", "-1", "1.5", "1 day", "99999999999999999999", "18446744073709551615h"] {
            assert!(settings.set("statement_timeout", Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_would_change_answers_and_does_not_is_refused() {
        let mut settings = Settings::default();
        settings.set("TimeZone", Some("UTC")).unwrap();
        settings.set("TimeZone", Some("Etc/UTC")).unwrap();
        assert!(settings.set("TimeZone", Some("Europe/Berlin")).unwrap_err().detail().contains("AT TIME ZONE"));
        assert!(settings.set("search_path", Some("pg_temp")).is_err());
        assert!(settings.set("no_such_thing", Some("1")).is_err());
        settings.set("my.own", Some("1")).unwrap();
    }

    #[test]
    fn what_is_set_shows_until_it_is_set_back() {
        let mut settings = Settings::default();
        settings.set("Application_Name", Some("grafana")).unwrap();
        assert_eq!(settings.show("application_name").unwrap(), "grafana");
        settings.set("application_name", None).unwrap();
        assert_eq!(settings.show("application_name").unwrap(), "");
        assert!(settings.show("nothing").is_err());
        let mut started = Settings::default();
        started.set("statement_timeout", Some("5s")).unwrap();
        let mut started = started.starting();
        started.set("statement_timeout", Some("1s")).unwrap();
        started.reset();
        assert_eq!(started.show("statement_timeout").unwrap(), "5s", "as the client began");
    }

    #[test]
    fn what_is_fixed_is_known() {
        assert!(FIXED.iter().chain(SAME.iter().map(|(name, _)| name)).all(|name| default_of(name).is_some()));
    }
}
