//! What every rendering promises: the same figures, and names that stay text.

use serde_json::{Value, json};

use super::words::is_hidden;
use super::{csv, html, markdown};
use credwatch_schemas::weekly_report::WeeklyReport;

/// A report in which every name is this one.
fn of(name: &str) -> WeeklyReport {
    let ended = json!({"calls": 12, "failures": 3, "denied": 1, "unknown": 0, "failure_rate": {"rate": 0.272_727, "low": 0.097_459, "high": 0.565_647}});
    let mut series = ended.clone();
    for member in ["org_id", "agent_id", "dest_host"] {
        series[member] = name.into();
    }
    series["last_week"] = Value::Null;
    let time = "2026-06-01T09:00:00.000000Z";
    let stretch = json!({"from_time": time, "to_time": "2026-06-01T10:00:00.000000Z"});
    let document = json!({
        "report": "weekly-report", "version": 1, "org_id": null, "week": "2026-W23", "time_zone": "UTC",
        "from_time": "2026-06-01T00:00:00.000000Z", "to_time": "2026-06-08T00:00:00.000000Z", "edition": 2, "data_seq": 12, "ended": true,
        "changed": [{"what": name, "before": name, "after": null}], "changed_more": 3,
        "coverage": {
            "events": 12, "rejects": 1, "rejects_undated": 0,
            "sources": [{"org_id": name, "source": name, "events": 12, "late": 0, "silent_hours": 9, "longest_silence": stretch}],
            "detectors": [{
                "detector_id": "new-destination", "title": name, "outcome": "clear", "findings": 1,
                "blind": [{"org_id": name, "source": name, "outcome": "not_observable", "columns": [name], "detail": name}],
            }],
        },
        "findings": {
            "by_severity": [{"severity": "high", "findings": 1, "last_week": 4}],
            "top": [{
                "finding_id": "f_1", "detector_id": "new-destination", "org_id": name, "severity": "high", "status": "open",
                "title": name, "summary": name, "subject": {"dest_host": name}, "first_time": time, "last_time": time,
                "event_count": 1, "compared": [], "false_discovery_rate": 0.021,
            }],
            "expected_by_chance": 0.3, "statistical": 2, "beyond_chance": 1, "digest": 5, "suppressed": 6, "withdrawn": 7,
            "suppressed_because": [{"finding_id": "f_2", "title": name, "because": name}],
        },
        "calls": {"total": ended, "agents": 1, "hosts": 1, "hours": [{"calls": 12, "failures": 3}], "series": [series], "series_more": 2, "worse": [series]},
        "new_destinations": [{"org_id": name, "agent_id": name, "dest_host": name, "first_time": time, "calls": 12}], "new_destinations_more": 0,
        "credentials": [{"org_id": name, "provider": name, "refreshes": 4, "refreshes_failed": 1, "revocations": 0, "reauthorisations": 0, "unauthorized": 3, "forbidden": 0, "rate_limited": 0}],
        "other_orgs": [{"org_id": name, "connection_id": name, "credential_org_id": name, "target_org_id": null, "events": 1, "first_time": time, "last_time": time}],
        "other_orgs_more": 0, "credentials_more": 0,
        "sections": [
            {
                "detector_id": "new-destination", "title": name, "more": 4,
                "columns": [{"name": "dest_host", "title": name, "unit": null}, {"name": "calls", "title": "calls", "unit": "calls"}, {"name": "first_time", "title": "first event", "unit": "time"}],
                "rows": [{"finding_id": "f_1", "org_id": name, "severity": "high", "status": "open", "values": {"dest_host": name, "calls": 12, "first_time": time}}, {"finding_id": "f_3", "org_id": name, "severity": "low", "status": "open", "values": {"calls": 3.66095e-20}}],
            },
            {"detector_id": "unheard-of", "title": "Silent", "columns": [], "rows": [], "more": 0},
        ],
        "exceptions_ending": [{"org_id": name, "key": "partners", "value": name, "until_time": time}], "exceptions_ending_more": 0,
        "against_last_week": {"total": ended, "agents_new": [{"org_id": name, "agent_id": name}], "agents_new_more": 0, "agents_gone": [], "agents_gone_more": 0},
    });
    serde_json::from_value(document).unwrap()
}

const HOSTILE: [&str; 9] = [
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)\" x=\"",
    "| a | b |\n# head\n[x](javascript:alert(1)) `code` **bold** <b>",
    "\u{1b}]0;title\u{7}\u{1b}[2J\r\u{202e}txt",
    "=HYPERLINK(\"http://evil.example\")",
    "{{7*7}} ${7*7} %s",
    "`` ![x](http://evil.example/x.png) `` http://evil.example www.evil.example",
    "\n\u{feff}=1+1",
    "\u{200b}\u{ff1d}1+1",
];

#[test]
fn a_name_is_text_in_html_whatever_stands_in_it() {
    for name in HOSTILE {
        let page = html(&of(name));
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<b>"), "{page}");
        assert!(!page.contains("\" onmouseover=\""), "{page}");
    }
}

#[test]
fn a_name_is_text_in_markdown_and_leaves_the_terminal_alone() {
    for name in HOSTILE {
        let page = markdown(&of(name));
        assert!(page.chars().all(|letter| !letter.is_control() || letter == '\n'), "{page}");
        assert!(!page.contains(is_hidden), "{page}");
        for title in page.lines().filter(|line| line.starts_with("### ")) {
            assert!(!title.contains("http://") && !title.contains("www.") && !title.contains(" !["), "{title}");
        }
        for line in page.lines().filter(|line| line.starts_with("| ")) {
            let bars = line.replace("\\|", "").matches('|').count();
            assert!((3..=8).contains(&bars), "{line}");
        }
        assert!(!page.lines().any(|line| line.starts_with("# head")), "{page}");
    }
}

#[test]
fn a_name_is_no_formula_in_a_sheet_and_breaks_no_line() {
    for name in HOSTILE {
        let sheet = csv(&of(name));
        for cell in sheet.split([',', '\r']) {
            let seen = cell.trim_start_matches(|one: char| one == '"' || one.is_whitespace() || is_hidden(one));
            assert!(!seen.starts_with(['=', '\u{ff1d}', '@']), "{cell:?}");
        }
    }
    let plain = csv(&of("plain"));
    assert!(plain.lines().all(|line| line.matches(',').count() == 5), "{plain}");
}

#[test]
fn every_rendering_says_the_same_figures() {
    let report = of("name");
    let (page, text, sheet) = (html(&report), markdown(&report), csv(&report));
    for said in [
        "12 events and 1 rejected records",
        "27.3 % (9.7 % to 56.6 %)",
        "About 0.3 findings of statistical",
        "2 were, and 1 of them stand",
        "3.66095e-20",
        "so improbable, 2.1 % are by chance",
        "1 of 4",
    ] {
        assert!(page.contains(said), "{said}: {page}");
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(
        sheet.contains("calls,name,name,name,failures,3\r\n") && sheet.contains("failure_rate,0.272727\r\n"),
        "{sheet}"
    );
}

#[test]
fn silence_is_not_called_health_where_somebody_could_not_see() {
    let mut report = of("name");
    report.content.findings.by_severity.clear();
    assert!(markdown(&report).contains("this is no sign of health"));
    report.content.coverage.detectors[0].blind.clear();
    assert!(markdown(&report).contains("all 1 detectors have judged the whole week"));
    report.content.sections[0].rows.clear();
    report.content.ended = false;
    assert!(markdown(&report).contains("### name\n\nNothing in what there is of this week."));
    report.content.ended = true;
    assert!(markdown(&report).contains("### name\n\nNothing, and the detector has judged the whole week."));
    assert!(html(&report).contains("Nothing, and nobody knows whether it ran."));
    report.content.coverage.lost = 30;
    let lost = "Kafka deleted 30 records before they were read";
    assert!(markdown(&report).contains(lost) && html(&report).contains(lost));
    report.content.coverage.events = 0;
    assert!(markdown(&report).contains("### name\n\nThere was no event to judge."));
    assert!(!markdown(&report).contains("Nothing, "));
    assert!(markdown(&of("name")).contains("1 finding stands; 1 of 1 detectors could not see or judge everything."));
}
