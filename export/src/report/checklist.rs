//! A checklist for a terminal, or for whatever shows Markdown; and for a sheet.

use credwatch_schemas::checklist::{Answer, Check, Checklist, Framework};
use credwatch_schemas::ids::OrgId;

use super::csv::cell;
use super::markdown::code;
use super::words::{time, visible};

pub fn checklist_markdown(checklist: &Checklist) -> String {
    let whose = checklist.org_id.as_ref().map_or("all orgs", OrgId::as_str);
    let mut page = format!("# {} of {}\n\n", title(checklist.report), visible(whose));
    page.push_str(&format!("{} to {}\n\n", time(checklist.from_time), time(checklist.to_time)));
    page.push_str("| | answer | holds | fails | unseen | |\n| --- | --- | --- | --- | --- | --- |\n");
    for one in &checklist.checks {
        let cells = [
            &one.check,
            word(one.answer),
            &one.holds.to_string(),
            &one.fails.to_string(),
            &one.unseen.to_string(),
            &one.question,
        ];
        page.push_str(&format!("| {} |\n", cells.map(|cell| visible(cell).replace('|', "\\|")).join(" | ")));
    }
    for one in &checklist.checks {
        page.push_str(&explained(one));
    }
    page
}

fn title(report: Framework) -> &'static str {
    match report {
        Framework::Readiness => "Ready for a second customer?",
        Framework::Soc2 => "SOC 2, CC6.1",
        Framework::Gdpr => "GDPR, Art. 6 and 17",
        Framework::Hipaa => "HIPAA, technical safeguards",
        Framework::Iso27001 => "ISO 27001, A.9",
    }
}

fn word(answer: Answer) -> &'static String {
    static WORDS: std::sync::LazyLock<[String; 3]> =
        std::sync::LazyLock::new(|| ["yes".to_owned(), "NO".to_owned(), "not observable".to_owned()]);
    match answer {
        Answer::Yes => &WORDS[0],
        Answer::No => &WORDS[1],
        Answer::NotObservable => &WORDS[2],
    }
}

fn explained(check: &Check) -> String {
    let mut text = format!("\n## {}: {}\n\n", visible(&check.check), word(check.answer));
    text.push_str(&format!("{}\n\n", check.question));
    if let Some(example) = &check.example {
        text.push_str(&format!("Fails for {}, such as {}.\n\n", check.fails, code(example)));
    }
    if check.unseen > 0 || check.answer == Answer::NotObservable {
        text.push_str(&format!("Not seen ({}): {}.\n\n", check.unseen, check.unseen_because));
    }
    let evidence: String = check.evidence.lines().map(|line| format!("    {line}\n")).collect();
    text + &evidence
}

/// A check a line.
pub fn checklist_csv(checklist: &Checklist) -> String {
    let mut sheet = "check,question,answer,holds,fails,unseen,example,unseen_because,evidence\r\n".to_owned();
    for one in &checklist.checks {
        let (holds, fails, unseen) = (one.holds.to_string(), one.fails.to_string(), one.unseen.to_string());
        let texts: [&str; 9] = [
            &one.check,
            &one.question,
            one.answer.as_str(),
            &holds,
            &fails,
            &unseen,
            one.example.as_deref().unwrap_or(""),
            &one.unseen_because,
            &one.evidence,
        ];
        sheet.push_str(&texts.map(cell).join(","));
        sheet.push_str("\r\n");
    }
    sheet
}
