//! Figures and times in words, the same in every rendering.

use credwatch_schemas::outcome::Outcome;
use credwatch_schemas::time::Micros;
use credwatch_schemas::weekly_report::{Detector, Ended, Rate, Stretch, WeeklyReport};

/// To the second: nobody reads microseconds on a page.
pub(super) fn time(time: Micros) -> String {
    let text = time.to_string();
    text.split_once('.').map_or_else(|| text.clone(), |(seconds, _)| [seconds, "Z"].concat())
}

pub(super) fn stretch(stretch: Stretch) -> String {
    format!("{} to {}", time(stretch.from_time), time(stretch.to_time))
}

/// With its interval, so that few calls do not look like many.
pub(super) fn rate(rate: Option<Rate>) -> String {
    rate.map_or_else(
        || "no call with an outcome".to_owned(),
        |Rate { rate, low, high }| format!("{} ({} to {})", percent(rate), percent(low), percent(high)),
    )
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

pub(super) fn name<T: AsRef<str>>(name: Option<&T>) -> &str {
    name.map_or("(unknown)", AsRef::as_ref)
}

pub(super) fn scope(report: &WeeklyReport) -> String {
    report.org_id.as_ref().map_or_else(|| "all orgs".to_owned(), |org| org.as_str().to_owned())
}

/// The week before beside this one.
pub(super) fn beside(now: i64, before: Option<&Ended>) -> String {
    before.map_or_else(|| "none".to_owned(), |before| signed(now - before.calls))
}

pub(super) fn signed(difference: i64) -> String {
    if difference > 0 { format!("+{difference}") } else { difference.to_string() }
}

/// What "nothing found" is worth.
pub(super) fn verdict(report: &WeeklyReport) -> String {
    let detectors = &report.content.coverage.detectors;
    let found: i64 = report.content.findings.by_severity.iter().map(|one| one.findings).sum();
    let blind = detectors.iter().filter(|detector| is_blind(detector)).count();
    let whole = detectors.len() - blind;
    match (found, blind) {
        (0, 0) => format!("Nothing was found, and all {whole} detectors have judged the whole week."),
        (0, _) => format!(
            "Nothing was found by the {whole} detectors that have judged the whole week; {blind} could not, so this is no sign of health."
        ),
        (found, 0) => format!("{} and all {whole} detectors have judged the whole week.", stands(found)),
        (found, _) => {
            format!("{} {blind} of {} detectors could not see or judge everything.", stands(found), detectors.len())
        }
    }
}

fn stands(found: i64) -> String {
    if found == 1 { "1 finding stands;".to_owned() } else { format!("{found} findings stand;") }
}

/// What is said under the table of sources.
pub(super) const LATE: &str =
    "Late are events that came more than 15 minutes after they happened; imported history always is.";

/// Of how many the worst are told.
pub(super) fn told(report: &WeeklyReport) -> Option<String> {
    let all: i64 = report.content.findings.by_severity.iter().map(|one| one.findings).sum();
    let told = report.content.findings.top.len();
    (i64::try_from(told).is_ok_and(|told| told < all)).then(|| format!("These are the worst {told} of {all}."))
}

/// Whether the absence of findings means nothing.
pub(super) fn is_blind(detector: &Detector) -> bool {
    !matches!(detector.outcome, Outcome::Clear | Outcome::Findings) || !detector.blind.is_empty()
}

pub(super) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Clear => "judged the week, found nothing",
        Outcome::Findings => "judged the week",
        Outcome::NotReady => "still learning",
        Outcome::NotObservable => "cannot see",
        Outcome::Failed => "failed",
        Outcome::Behind => "has not judged the whole week",
    }
}
