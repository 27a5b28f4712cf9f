//! The report for a terminal, or for whatever shows Markdown.

use credwatch_schemas::ids::OrgId;
use credwatch_schemas::weekly_report::{Agent, Ranked, Series, WeeklyReport};

use super::words;
use super::words::{
    ENDING, ENDING_HEAD, LATE, SECTIONS, SERIES, beside, by_chance, chance_of, ending, events, name, outcome, rate,
    rejects, scope, section_head, section_row, signed, silence, stretch, time, told, verdict, visible,
};

pub fn markdown(report: &WeeklyReport) -> String {
    let mut page = Page::default();
    page.head(report);
    page.coverage(report);
    page.findings(report);
    page.sections(report);
    page.calls(report);
    page.new_destinations(report);
    page.credentials(report);
    page.other_orgs(report);
    page.against(report);
    page.exceptions(report);
    page.suppressed(report);
    page.0
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, line: impl AsRef<str>) {
        self.0.push_str(line.as_ref());
        self.0.push('\n');
    }

    fn section(&mut self, title: &str) {
        self.line(["\n## ", title, "\n"].concat());
    }

    fn table(&mut self, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
        self.line(["| ", &head.join(" | "), " |"].concat());
        self.line(["|", &" --- |".repeat(head.len())].concat());
        rows.for_each(|row| self.line(["| ", &row.join(" | "), " |"].concat()));
    }

    fn more(&mut self, more: i64) {
        if more > 0 {
            self.line(format!("\nand {more} more"));
        }
    }

    fn head(&mut self, report: &WeeklyReport) {
        self.line(format!("# Week {} of {}", report.week, code(&scope(report))));
        self.line(format!(
            "\n{} to {} ({}), edition {}. {}",
            time(report.from_time),
            time(report.to_time),
            report.time_zone,
            report.edition,
            verdict(report)
        ));
        if !report.changed.is_empty() {
            self.section("What is other than in the edition before");
            let told = |value: &Option<String>| value.as_deref().map_or_else(|| "nothing".to_owned(), code);
            let rows = report.changed.iter().map(|one| vec![code(&one.what), told(&one.before), told(&one.after)]);
            self.table(&["what", "before", "now"], rows);
            self.more(report.changed_more);
        }
    }

    fn coverage(&mut self, report: &WeeklyReport) {
        let coverage = &report.content.coverage;
        self.section("What this page can speak of");
        self.line(format!("{} events and {}.\n", coverage.events, rejects(coverage)));
        let rows = coverage.sources.iter().map(|one| {
            let silence = one.longest_silence.map_or_else(|| "none".to_owned(), stretch);
            let numbers = [one.events, one.late, one.silent_hours].map(|number| number.to_string());
            let source = agent(report, one.org_id.as_ref(), Some(name(one.source.as_ref())));
            [vec![source], numbers.to_vec(), vec![silence]].concat()
        });
        self.table(&["source", "events", "late", "silent hours", "longest silence"], rows);
        self.line(["\n", LATE, "\n"].concat());
        let rows = coverage.detectors.iter().map(|one| {
            let blind = one.blind.len();
            let numbers = [one.findings.to_string(), blind.to_string()];
            [vec![code(one.detector_id.as_str()), outcome(one.outcome).to_owned()], numbers.to_vec()].concat()
        });
        self.table(&["detector", "how it stands", "findings", "sources it is blind on"], rows);
        if coverage.detectors.iter().any(|one| !one.blind.is_empty()) {
            self.line("\nWhere the absence of findings means nothing:\n");
        }
        for one in &coverage.detectors {
            for blind in &one.blind {
                let detail = blind.detail.as_deref().unwrap_or("no reason is known");
                self.line(format!(
                    "- {} of {}: {} {}: {}",
                    code(name(blind.source.as_ref())),
                    code(name(blind.org_id.as_ref())),
                    code(one.detector_id.as_str()),
                    outcome(blind.outcome),
                    prose(detail)
                ));
            }
        }
    }

    fn findings(&mut self, report: &WeeklyReport) {
        let findings = &report.content.findings;
        self.section("Findings");
        self.line(verdict(report));
        if let Some(expected) = by_chance(findings) {
            self.line(["\n", &expected].concat());
        }
        if !findings.by_severity.is_empty() {
            self.line("");
            let rows = findings.by_severity.iter().map(|one| {
                let difference = signed(one.findings - one.last_week);
                vec![one.severity.to_string(), one.findings.to_string(), difference]
            });
            self.table(&["severity", "findings", "against last week"], rows);
        }
        findings.top.iter().for_each(|finding| self.finding(report, finding));
        if let Some(told) = told(report) {
            self.line(["\n", &told].concat());
        }
        self.line(format!(
            "\nBesides: {} learnt and not paged, {} suppressed, {} withdrawn.",
            findings.digest, findings.suppressed, findings.withdrawn
        ));
    }

    fn finding(&mut self, report: &WeeklyReport, finding: &Ranked) {
        self.line(format!("\n### {}: {}\n", finding.severity, prose(&finding.title)));
        self.line(prose(&finding.summary));
        self.line(format!(
            "\n{}{} from {} to {}, {}{}; `credwatch findings show {}`",
            whose(report, finding),
            events(finding.event_count),
            time(finding.first_time),
            time(finding.last_time),
            finding.status,
            chance_of(finding).map(|chance| ["; ", &chance].concat()).unwrap_or_default(),
            finding.finding_id
        ));
    }

    fn sections(&mut self, report: &WeeklyReport) {
        let all = &report.content.sections;
        if all.is_empty() {
            return;
        }
        self.section(SECTIONS);
        for (place, one) in all.iter().enumerate() {
            self.line(format!("{}### {}\n", if place == 0 { "" } else { "\n" }, prose(&one.title)));
            if one.rows.is_empty() {
                self.line(silence(report, one));
                continue;
            }
            let head: Vec<String> = section_head(report, one).into_iter().map(prose).collect();
            let rows = one.rows.iter().map(|row| section_row(report, one, row).iter().map(|cell| code(cell)).collect());
            self.table(&head.iter().map(String::as_str).collect::<Vec<_>>(), rows);
            self.more(one.more);
        }
    }

    fn exceptions(&mut self, report: &WeeklyReport) {
        let all = &report.content.exceptions_ending;
        if all.is_empty() {
            return;
        }
        self.section(ENDING);
        self.table(&ENDING_HEAD, all.iter().map(|one| ending(one).map(|cell| code(&cell)).to_vec()));
        self.more(report.content.exceptions_ending_more);
    }

    fn calls(&mut self, report: &WeeklyReport) {
        let calls = &report.content.calls;
        self.section("Calls per host per agent");
        self.line(format!(
            "{} calls of {} agents to {} hosts ({} against last week); failed: {}.\n",
            calls.total.calls,
            calls.agents,
            calls.hosts,
            beside(calls.total.calls, Some(&report.content.against_last_week.total)),
            rate(calls.total.failure_rate)
        ));
        self.table(&SERIES, calls.series.iter().map(|one| series(report, one)));
        self.more(calls.series_more);
        if !calls.worse.is_empty() {
            self.line("\nFailing more than last week (the intervals do not touch):\n");
            self.table(&SERIES, calls.worse.iter().map(|one| series(report, one)));
        }
    }

    fn new_destinations(&mut self, report: &WeeklyReport) {
        self.section("New destinations");
        let all = &report.content.new_destinations;
        if all.is_empty() {
            return self.line("No agent called a host that it had never called before.");
        }
        let rows = all.iter().map(|one| {
            let agent = agent(report, one.org_id.as_ref(), one.agent_id.as_deref());
            vec![agent, code(&one.dest_host), time(one.first_time), one.calls.to_string()]
        });
        self.table(&["agent", "host", "first call", "calls"], rows);
        self.more(report.content.new_destinations_more);
    }

    fn credentials(&mut self, report: &WeeklyReport) {
        self.section("Refresh, revocation and refusals");
        let all = &report.content.credentials;
        if all.is_empty() {
            return self.line("No refresh, no revocation, no call that a provider refused.");
        }
        let rows = all.iter().map(|one| {
            let provider = agent(report, one.org_id.as_ref(), one.provider.as_deref());
            let refreshed = format!("{} of {}", one.refreshes_failed, one.refreshes);
            let numbers = [one.revocations, one.reauthorisations, one.unauthorized, one.forbidden, one.rate_limited];
            [vec![provider, refreshed], numbers.map(|number| number.to_string()).to_vec()].concat()
        });
        let head = ["provider", "refreshes failed", "revoked", "authorised again", "401", "403", "429"];
        self.table(&head, rows);
        self.more(report.content.credentials_more);
    }

    fn other_orgs(&mut self, report: &WeeklyReport) {
        self.section("Across orgs");
        let all = &report.content.other_orgs;
        if all.is_empty() {
            return self.line("No event names a credential or a target of another org.");
        }
        let rows = all.iter().map(|one| {
            vec![
                code(name(one.org_id.as_ref())),
                code(name(one.connection_id.as_ref())),
                one.credential_org_id.as_ref().map_or_else(|| "its own".to_owned(), |org| code(org.as_str())),
                one.target_org_id.as_ref().map_or_else(|| "itself".to_owned(), |org| code(org.as_str())),
                one.events.to_string(),
            ]
        });
        self.table(&["org", "connection", "credential of", "went to", "events"], rows);
        self.more(report.content.other_orgs_more);
    }

    fn against(&mut self, report: &WeeklyReport) {
        let against = &report.content.against_last_week;
        self.section("Against last week");
        self.line(format!("{} calls then; failed: {}.", against.total.calls, rate(against.total.failure_rate)));
        for (what, names, more) in [
            ("New agents", &against.agents_new, against.agents_new_more),
            ("Agents that called last week and not this one", &against.agents_gone, against.agents_gone_more),
        ] {
            let named = |one: &Agent| agent(report, one.org_id.as_ref(), one.agent_id.as_deref());
            let names: Vec<String> = names.iter().map(named).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            self.line(format!("\n{what}: {names}."));
            self.more(more);
        }
    }

    fn suppressed(&mut self, report: &WeeklyReport) {
        let all = &report.content.findings.suppressed_because;
        if all.is_empty() {
            return;
        }
        self.section("Suppressed, and why");
        for one in all {
            let because = one.because.as_deref().unwrap_or("no reason is known");
            self.line(format!("- {} (`{}`): {}", prose(&one.title), one.finding_id, prose(because)));
        }
    }
}

fn whose(report: &WeeklyReport, finding: &Ranked) -> String {
    match report.org_id {
        Some(_) => String::new(),
        None => [&code(name(finding.org_id.as_ref())), ": "].concat(),
    }
}

fn series(report: &WeeklyReport, one: &Series) -> Vec<String> {
    vec![
        agent(report, one.org_id.as_ref(), one.agent_id.as_deref()),
        code(one.dest_host.as_deref().unwrap_or("(unknown)")),
        one.ended.calls.to_string(),
        beside(one.ended.calls, one.last_week.as_ref()),
        rate(one.ended.failure_rate),
    ]
}

fn agent(report: &WeeklyReport, org: Option<&OrgId>, agent: Option<&str>) -> String {
    code(&words::agent(report, org, agent))
}

/// A name as it is: nothing in it is Markdown, and nothing moves the cursor of a terminal.
pub(super) fn code(text: &str) -> String {
    let text = visible(text).replace('|', "\\|");
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    if text.is_empty() { "(empty)".to_owned() } else { [&fence, pad, &text, pad, &fence].concat() }
}

/// A sentence with names in it: no name becomes a link, a picture, an emphasis or a tag.
fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let text = visible(text).replace("://", ":\u{0}//").replace("www.", "www\u{0}.");
    let letters: Vec<char> = text.chars().collect();
    let is_in_a_word = |place: usize| {
        let is_word =
            |place: Option<usize>| place.and_then(|place| letters.get(place)).is_some_and(|one| one.is_alphanumeric());
        is_word(place.checked_sub(1)) && is_word(place.checked_add(1))
    };
    for (place, letter) in letters.iter().enumerate() {
        let means_something =
            matches!(letter, '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&' | '!' | '@');
        // Within a word it is a letter like any other.
        if means_something || *letter == '_' && !is_in_a_word(place) {
            out.push('\\');
        }
        // What would become a link by itself is cut by a backslash, which is not shown.
        out.push(if *letter == '\u{0}' { '\\' } else { *letter });
    }
    out
}
