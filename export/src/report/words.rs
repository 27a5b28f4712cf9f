//! Figures and times in words, the same in every rendering.

use credwatch_schemas::ids::OrgId;
use credwatch_schemas::outcome::Outcome;
use credwatch_schemas::time::Micros;
use credwatch_schemas::weekly_report::{
    Column, Coverage, Detector, Ended, ExceptionEnding, Findings, Ranked, Rate, Section, SectionRow, SectionValue,
    Stretch, WeeklyReport,
};

pub(super) fn events(count: i64) -> String {
    if count == 1 { "one event".to_owned() } else { format!("{count} events") }
}

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

/// Columns of calls.
pub(super) const SERIES: [&str; 5] = ["agent", "host", "calls", "against last week", "failed"];

/// With its org where the report is about several.
pub(super) fn agent(report: &WeeklyReport, org: Option<&OrgId>, agent: Option<&str>) -> String {
    let agent = agent.unwrap_or("(unknown)");
    match report.org_id {
        Some(_) => agent.to_owned(),
        None => [name(org), " ", agent].concat(),
    }
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
    let (content, detectors) = (&report.content, &report.content.coverage.detectors);
    let found: i64 = content.findings.by_severity.iter().map(|one| one.findings).sum();
    let blind = detectors.iter().filter(|detector| is_blind(detector)).count();
    let whole = detectors.len() - blind;
    let said = match (found, blind) {
        (0, _) if content.coverage.events == 0 => {
            "There is no event of this week, so nothing can be said about it.".to_owned()
        }
        (0, 0) if detectors.is_empty() => "Nothing was found because no detector has ever run in this lake.".to_owned(),
        (0, 0) => format!("Nothing was found, and all {whole} detectors have judged the whole week."),
        (0, _) => format!(
            "Nothing was found by the {whole} detectors that have judged the whole week; {blind} could not, so this is no sign of health."
        ),
        (found, 0) => format!("{}, and all {whole} detectors have judged the whole week.", stands(found)),
        (found, _) => {
            format!("{}; {blind} of {} detectors could not see or judge everything.", stands(found), detectors.len())
        }
    };
    let lost = lost(&content.coverage).map(|lost| [" ", &lost].concat()).unwrap_or_default();
    match content.ended {
        true => [said, lost].concat(),
        false => format!("{said}{lost} More of this week may still be imported."),
    }
}

/// What nobody will ever see.
fn lost(coverage: &Coverage) -> Option<String> {
    let lost = Some(coverage.lost).filter(|lost| *lost > 0)?;
    Some(format!(
        "Kafka deleted {lost} records before they were read, of whichever org: what stood in them is not observable."
    ))
}

fn stands(found: i64) -> String {
    if found == 1 { "1 finding stands".to_owned() } else { format!("{found} findings stand") }
}

/// What is said under the table of sources.
pub(super) const LATE: &str =
    "Late are events that came more than 15 minutes after they happened; imported history always is.";

pub(super) fn rejects(coverage: &Coverage) -> String {
    match (coverage.rejects, coverage.rejects_undated) {
        (Some(dated), Some(0)) => format!("{dated} rejected records"),
        (Some(dated), Some(undated)) => {
            format!("{dated} rejected records, and {undated} without a time that came in this week")
        }
        _ => "rejected records that only the operator sees".to_owned(),
    }
}

/// Of statistical detectors, where something was found.
pub(super) fn by_chance(findings: &Findings) -> Option<String> {
    let found = findings.by_severity.iter().any(|one| one.findings > 0);
    let expected = findings.expected_by_chance.filter(|_| found)?;
    let about = if expected < 0.05 { "Less than 0.1".to_owned() } else { format!("About {expected:.1}") };
    let alone = format!("{about} findings of statistical detectors would be raised by chance alone");
    // Editions of earlier builds say no more.
    let Some((all, beyond)) = findings.statistical.zip(findings.beyond_chance) else {
        return Some([&alone, "."].concat());
    };
    Some(match all {
        0 => [&alone, "; none was."].concat(),
        1 => format!("{alone}; one was, and {beyond} stands at a false discovery rate of 10 %."),
        all => format!("{alone}; {all} were, and {beyond} of them stand at a false discovery rate of 10 %."),
    })
}

/// Of a finding that a test raised.
pub(super) fn chance_of(finding: &Ranked) -> Option<String> {
    let rate = finding.false_discovery_rate?;
    let rate = if rate < 0.000_5 { "less than 0.1 %".to_owned() } else { percent(rate) };
    Some(format!("of the week's findings that are at least so improbable, {rate} are by chance"))
}

/// The columns of a section's table.
pub(super) fn section_head<'a>(report: &WeeklyReport, section: &'a Section) -> Vec<&'a str> {
    let org = report.org_id.is_none().then_some("org");
    let columns = told_columns(section).map(|column| column.title.as_str());
    ["severity"].into_iter().chain(org).chain(columns).chain(["finding"]).collect()
}

pub(super) fn section_row(report: &WeeklyReport, section: &Section, row: &SectionRow) -> Vec<String> {
    let org = report.org_id.is_none().then(|| name(row.org_id.as_ref()).to_owned());
    let value = |column: &Column| row.values.get(&column.name);
    let values = told_columns(section).map(|column| section_value(column, value(column)));
    [row.severity.to_string()].into_iter().chain(org).chain(values).chain([row.finding_id.to_string()]).collect()
}

/// Those that any row fills.
fn told_columns(section: &Section) -> impl Iterator<Item = &Column> {
    section.columns.iter().filter(|column| section.rows.iter().any(|row| row.values.contains_key(&column.name)))
}

fn section_value(column: &Column, value: Option<&SectionValue>) -> String {
    match (value, column.unit.as_deref()) {
        (None, _) => "-".to_owned(),
        (Some(SectionValue::Text(text)), Some("time")) => Micros::parse(text).map_or_else(|| text.clone(), time),
        (Some(SectionValue::Text(text)), _) => text.clone(),
        (Some(SectionValue::Number(share)), Some("share")) => percent(*share),
        (Some(SectionValue::Number(number)), _) => plain(*number),
    }
}

/// With an exponent where it would be a row of zeros.
pub(super) fn plain(number: f64) -> String {
    let is_tiny = number != 0.0 && number.abs() < 1e-4;
    if is_tiny || number.abs() >= 1e15 { format!("{number:e}") } else { number.to_string() }
}

/// What a section without a finding is worth.
pub(super) fn silence(report: &WeeklyReport, section: &Section) -> String {
    let coverage = &report.content.coverage;
    let detector = coverage.detectors.iter().find(|one| one.detector_id == section.detector_id);
    match detector {
        _ if coverage.events == 0 => "There was no event to judge.".to_owned(),
        None => "Nothing, and nobody knows whether it ran.".to_owned(),
        Some(detector) if !matches!(detector.outcome, Outcome::Clear | Outcome::Findings) => {
            format!("Nothing, which means nothing: the detector {}.", outcome(detector.outcome))
        }
        Some(detector) if !detector.blind.is_empty() => {
            let sources = if detector.blind.len() == 1 { "source" } else { "sources" };
            format!("Nothing where it can see; it is blind on {} {sources}.", detector.blind.len())
        }
        Some(_) if !report.content.ended => "Nothing in what there is of this week.".to_owned(),
        Some(_) => "Nothing, and the detector has judged the whole week.".to_owned(),
    }
}

pub(super) const SECTIONS: &str = "What each detector found";
pub(super) const ENDING: &str = "Allowed, and ended or about to end";
pub(super) const ENDING_HEAD: [&str; 4] = ["org", "setting", "value", "until"];

pub(super) fn ending(one: &ExceptionEnding) -> [String; 4] {
    [one.org_id.to_string(), one.key.clone(), one.value.clone(), time(one.until_time)]
}

/// What no reader sees and some programs act on: control characters, and those that hide or turn the direction of writing.
pub(super) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() || is_hidden(letter) {
            out.extend(["\\u{", &format!("{:x}", u32::from(letter)), "}"]);
        } else {
            out.push(letter);
        }
    }
    out
}

/// Unicode's format characters, and separators of lines.
pub(super) fn is_hidden(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

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
        Outcome::Clear | Outcome::Findings => "has judged the whole week",
        Outcome::NotReady => "still learning",
        Outcome::NotObservable => "cannot see",
        Outcome::Failed => "failed",
        Outcome::Behind => "has not judged the whole week",
    }
}
