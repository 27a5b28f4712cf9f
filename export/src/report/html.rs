//! The report as one HTML file that needs nothing beside itself: for a browser, as a mail, on paper.

use std::collections::{BTreeMap, BTreeSet};

use credwatch_schemas::weekly_report::{Agent, Calls, Content, Ranked, Series, WeeklyReport};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::charts;
use super::words::{
    ENDING, ENDING_HEAD, LATE, SECTIONS, SERIES, agent, beside, by_chance, chance_of, ending, events, name, outcome,
    rate, rejects, scope, section_head, section_row, signed, silence, stretch, time, told, verdict, visible,
};

/// Agents and hosts in the heat map.
const MOST_AGENTS: usize = 20;
const MOST_HOSTS: usize = 12;

const STYLE: &str = include_str!("style.css");

pub fn html(report: &WeeklyReport) -> String {
    let content = &report.content;
    let title = format!("Week {} of {}", report.week, scope(report));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (shown(&title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (shown(&title)) }
                    p { (time(report.from_time)) " to " (time(report.to_time)) " (" (report.time_zone) "), edition " (report.edition) }
                    p class="verdict" { (verdict(report)) }
                    (changed(report))
                    (coverage(report))
                    (findings(report))
                    (sections(report))
                    (calls(report))
                    (new_destinations(report))
                    (credentials(report))
                    (other_orgs(content))
                    (against(report))
                    (exceptions(content))
                    (suppressed(content))
                }
            }
        }
    };
    page.into_string()
}

fn table(caption: &str, head: &[&str], rows: impl Iterator<Item = Vec<Markup>>) -> Markup {
    html! {
        div class="wide" tabindex="0" role="region" aria-label=(caption) {
            table {
                caption { (caption) }
                thead { tr { @for name in head { th scope="col" { (shown(name)) } } } }
                tbody { @for row in rows { tr { @for (place, cell) in row.iter().enumerate() {
                    @if place == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                } } } }
            }
        }
    }
}

fn cell(value: impl std::fmt::Display) -> Markup {
    html! { (shown(value)) }
}

/// What hides or turns the direction of writing is shown as what it is.
fn shown(value: impl std::fmt::Display) -> String {
    visible(&value.to_string())
}

fn more(more: i64) -> Markup {
    html! { @if more > 0 { p { "and " (more) " more" } } }
}

fn changed(report: &WeeklyReport) -> Markup {
    let told = |value: &Option<String>| cell(value.as_deref().unwrap_or("nothing"));
    let rows = report.changed.iter().map(|one| vec![cell(&one.what), told(&one.before), told(&one.after)]);
    html! { @if !report.changed.is_empty() {
        h2 { "What is other than in the edition before" }
        (table("Changes", &["what", "before", "now"], rows))
        (more(report.changed_more))
    } }
}

fn coverage(report: &WeeklyReport) -> Markup {
    let coverage = &report.content.coverage;
    let sources = coverage.sources.iter().map(|one| {
        let silence = one.longest_silence.map_or_else(|| "none".to_owned(), stretch);
        let numbers = [one.events, one.late, one.silent_hours].map(cell);
        let source = agent(report, one.org_id.as_ref(), Some(name(one.source.as_ref())));
        [vec![cell(source)], numbers.to_vec(), vec![cell(silence)]].concat()
    });
    let detectors = coverage
        .detectors
        .iter()
        .map(|one| vec![cell(&one.detector_id), cell(outcome(one.outcome)), cell(one.findings), cell(one.blind.len())]);
    html! {
        h2 { "What this page can speak of" }
        p { (coverage.events) " events and " (rejects(coverage)) "." }
        (table("Sources", &["source", "events", "late", "silent hours", "longest silence"], sources))
        p class="legend" { (LATE) }
        (table("Detectors", &["detector", "how it stands", "findings", "sources it is blind on"], detectors))
        @if coverage.detectors.iter().any(|one| !one.blind.is_empty()) {
            h3 { "Where the absence of findings means nothing" }
            ul { @for one in &coverage.detectors { @for blind in &one.blind {
                li {
                    code { (one.detector_id) } " on " code { (shown(name(blind.source.as_ref()))) } " of " code { (shown(name(blind.org_id.as_ref()))) }
                    ": " (outcome(blind.outcome)) ": " (shown(blind.detail.as_deref().unwrap_or("no reason is known")))
                }
            } } }
        }
    }
}

fn findings(report: &WeeklyReport) -> Markup {
    let findings = &report.content.findings;
    let rows = findings
        .by_severity
        .iter()
        .map(|one| vec![cell(one.severity), cell(one.findings), cell(signed(one.findings - one.last_week))]);
    html! {
        h2 { "Findings" }
        @if let Some(expected) = by_chance(findings) { p { (expected) } }
        @if !findings.by_severity.is_empty() {
            (table("By severity", &["severity", "findings", "against last week"], rows))
        }
        @for one in &findings.top { (finding(report, one)) }
        @if let Some(told) = told(report) { p { (told) } }
        p {
            "Besides: " (findings.digest) " learnt and not paged, "
            (findings.suppressed) " suppressed, " (findings.withdrawn) " withdrawn."
        }
    }
}

fn finding(report: &WeeklyReport, one: &Ranked) -> Markup {
    html! {
        section class=(format!("finding {}", one.severity)) {
            h3 { (one.severity) ": " (shown(&one.title)) }
            p { (shown(&one.summary)) }
            p {
                @if report.org_id.is_none() { code { (shown(name(one.org_id.as_ref()))) } ": " }
                (events(one.event_count)) " from " (time(one.first_time)) " to " (time(one.last_time)) ", " (one.status) "; "
                @if let Some(chance) = chance_of(one) { (chance) "; " }
                code { "credwatch findings show " (one.finding_id) }
            }
        }
    }
}

fn sections(report: &WeeklyReport) -> Markup {
    let all = &report.content.sections;
    html! { @if !all.is_empty() {
        h2 { (SECTIONS) }
        @for one in all {
            h3 { (shown(&one.title)) }
            @if one.rows.is_empty() { p { (silence(report, one)) } } @else {
                (table(&shown(&one.title), &section_head(report, one), one.rows.iter().map(|row| section_row(report, one, row).into_iter().map(cell).collect())))
                (more(one.more))
            }
        }
    } }
}

fn exceptions(content: &Content) -> Markup {
    let rows = content.exceptions_ending.iter().map(|one| ending(one).map(cell).to_vec());
    html! { @if !content.exceptions_ending.is_empty() {
        h2 { (ENDING) }
        (table(ENDING, &ENDING_HEAD, rows))
        (more(content.exceptions_ending_more))
    } }
}

fn calls(report: &WeeklyReport) -> Markup {
    let (calls, before) = (&report.content.calls, &report.content.against_last_week.total);
    let said = format!("{} calls by the hour of the week, {} of them failed", calls.total.calls, calls.total.failures);
    let rows = |all: &[Series]| -> Vec<Vec<Markup>> { all.iter().map(|one| series(report, one)).collect() };
    html! {
        h2 { "Calls per host per agent" }
        p {
            (calls.total.calls) " calls of " (calls.agents) " agents to " (calls.hosts) " hosts ("
            (beside(calls.total.calls, Some(before))) " against last week); failed: " (rate(calls.total.failure_rate)) "."
        }
        (charts::hours(&calls.hours, &said))
        p class="legend" { "Each bar is an hour: calls in blue, of them the failed ones in red." }
        (heat_map(report, calls))
        (table("Calls", &SERIES, rows(&calls.series).into_iter()))
        (more(calls.series_more))
        @if !calls.worse.is_empty() {
            h3 { "Failing more than last week (the intervals do not touch)" }
            (table("Failing more", &SERIES, rows(&calls.worse).into_iter()))
        }
    }
}

fn series(report: &WeeklyReport, one: &Series) -> Vec<Markup> {
    vec![
        cell(agent(report, one.org_id.as_ref(), one.agent_id.as_deref())),
        cell(one.dest_host.as_deref().unwrap_or("(unknown)")),
        cell(one.ended.calls),
        cell(beside(one.ended.calls, one.last_week.as_ref())),
        cell(rate(one.ended.failure_rate)),
    ]
}

/// Who calls whom, the busiest first. A pair that is not listed is no pair without calls, unless all are.
fn heat_map(report: &WeeklyReport, listed: &Calls) -> Markup {
    let all = &listed.series;
    let few = (listed.series_more > 0).then(|| all.last().map_or(0, |least| least.ended.calls));
    let mut calls: BTreeMap<(String, &str), i64> = BTreeMap::new();
    let (mut agents, mut hosts): (Vec<String>, Vec<&str>) = (Vec::new(), Vec::new());
    let (mut known_agents, mut known_hosts) = (BTreeSet::new(), BTreeSet::new());
    for one in all {
        let agent = agent(report, one.org_id.as_ref(), one.agent_id.as_deref());
        let host = one.dest_host.as_deref().unwrap_or("(unknown)");
        if known_agents.insert(agent.clone()) {
            agents.push(agent.clone());
        }
        if known_hosts.insert(host) {
            hosts.push(host);
        }
        *calls.entry((agent, host)).or_default() += one.ended.calls;
    }
    agents.truncate(MOST_AGENTS);
    hosts.truncate(MOST_HOSTS);
    let most = calls.values().copied().max().unwrap_or(0);
    let of = |agent: &String, host: &str| calls.get(&(agent.clone(), host)).copied().unwrap_or(0);
    html! {
        div class="wide" tabindex="0" role="region" aria-label="Agents and hosts" {
            table class="heat" {
                caption { "Calls of the busiest agents to the busiest hosts" }
                thead { tr { th scope="col" { "agent" } @for host in &hosts { th scope="col" { (shown(host)) } } } }
                tbody { @for agent in &agents { tr {
                    th scope="row" { (shown(agent)) }
                    @for host in &hosts { td class=(charts::shade(of(agent, host), most)) {
                        @if of(agent, host) > 0 || few.is_none() { (of(agent, host)) }
                    } }
                } } }
            }
        }
        @if let Some(few) = few { p class="legend" { "An empty cell stands for at most " (few) " calls, or none." } }
    }
}

fn new_destinations(report: &WeeklyReport) -> Markup {
    let all = &report.content.new_destinations;
    let rows = all.iter().map(|one| {
        let agent = agent(report, one.org_id.as_ref(), one.agent_id.as_deref());
        vec![cell(agent), cell(&one.dest_host), cell(time(one.first_time)), cell(one.calls)]
    });
    html! {
        h2 { "New destinations" }
        @if all.is_empty() { p { "No agent called a host that it had never called before." } }
        @else { (table("New destinations", &["agent", "host", "first call", "calls"], rows)) }
        (more(report.content.new_destinations_more))
    }
}

fn credentials(report: &WeeklyReport) -> Markup {
    let all = &report.content.credentials;
    let rows = all.iter().map(|one| {
        let provider = agent(report, one.org_id.as_ref(), one.provider.as_deref());
        let refreshed = format!("{} of {}", one.refreshes_failed, one.refreshes);
        let numbers = [one.revocations, one.reauthorisations, one.unauthorized, one.forbidden, one.rate_limited];
        [vec![cell(provider), cell(refreshed)], numbers.map(cell).to_vec()].concat()
    });
    let head = ["provider", "refreshes failed", "revoked", "authorised again", "401", "403", "429"];
    html! {
        h2 { "Refresh, revocation and refusals" }
        @if all.is_empty() { p { "No refresh, no revocation, no call that a provider refused." } }
        @else { (table("By provider", &head, rows)) }
        (more(report.content.credentials_more))
    }
}

fn other_orgs(content: &Content) -> Markup {
    let rows = content.other_orgs.iter().map(|one| {
        vec![
            cell(name(one.org_id.as_ref())),
            cell(name(one.connection_id.as_ref())),
            cell(one.credential_org_id.as_ref().map_or("its own", |org| org.as_str())),
            cell(one.target_org_id.as_ref().map_or("itself", |org| org.as_str())),
            cell(one.events),
        ]
    });
    html! {
        h2 { "Across orgs" }
        @if content.other_orgs.is_empty() { p { "No event names a credential or a target of another org." } }
        @else { (table("Across orgs", &["org", "connection", "credential of", "went to", "events"], rows)) }
        (more(content.other_orgs_more))
    }
}

fn against(report: &WeeklyReport) -> Markup {
    let against = &report.content.against_last_week;
    let names = |what: &str, names: &[Agent], beyond: i64| {
        html! {
            p { (what) ": " @if names.is_empty() { "none" } @for (place, name) in names.iter().enumerate() {
                @if place > 0 { ", " } code { (shown(agent(report, name.org_id.as_ref(), name.agent_id.as_deref()))) }
            } }
            (more(beyond))
        }
    };
    html! {
        h2 { "Against last week" }
        p { (against.total.calls) " calls then; failed: " (rate(against.total.failure_rate)) "." }
        (names("New agents", &against.agents_new, against.agents_new_more))
        (names("Agents that called last week and not this one", &against.agents_gone, against.agents_gone_more))
    }
}

fn suppressed(content: &Content) -> Markup {
    let all = &content.findings.suppressed_because;
    html! { @if !all.is_empty() {
        h2 { "Suppressed, and why" }
        ul { @for one in all {
            li { (shown(&one.title)) " (" code { (one.finding_id) } "): " (shown(one.because.as_deref().unwrap_or("no reason is known"))) }
        } }
    } }
}
