//! Values that a user can say, read.

use credwatch_detectors::configuration::Since;
use credwatch_export::Vocabulary;
use credwatch_schemas::access::Role;
use credwatch_schemas::finding::{Severity, Verdict};
use credwatch_schemas::time::Micros;

pub(super) fn since(text: &str) -> Result<Since, String> {
    if text == "beginning" {
        return Ok(Since::Beginning);
    }
    let unreadable = || format!("{text:?} is neither \"beginning\" nor a time such as 2026-06-01T09:00:00Z");
    Micros::parse(text).map(Since::Time).ok_or_else(unreadable)
}

pub(super) fn time(text: &str) -> Result<Micros, String> {
    Micros::parse(text).ok_or_else(|| format!("{text:?} is not a time such as 2026-06-01T09:00:00Z"))
}

pub(super) fn role(text: &str) -> Result<Role, String> {
    let names = || Role::ALL.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
    Role::parse(text).ok_or_else(|| format!("{text:?} is none of {}", names()))
}

pub(super) fn verdict(text: &str) -> Result<Verdict, String> {
    Verdict::parse(text).ok_or_else(|| format!("{text:?} is none of true_positive, benign, false_positive, duplicate"))
}

pub(super) fn vocabulary(text: &str) -> Result<Vocabulary, String> {
    let words = || Vocabulary::ALL.map(Vocabulary::as_str).join(", ");
    Vocabulary::parse(text).ok_or_else(|| format!("{text:?} is none of {}", words()))
}

pub(super) fn severity(text: &str) -> Result<Severity, String> {
    Severity::parse(text).ok_or_else(|| format!("{text:?} is none of info, low, medium, high, critical"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_begins_at_a_time_or_at_the_beginning() {
        assert_eq!(since("beginning"), Ok(Since::Beginning));
        assert_eq!(since("1970-01-01T00:00:01Z"), Ok(Since::Time(Micros(1_000_000))));
        assert!(since("yesterday").is_err());
    }
}
