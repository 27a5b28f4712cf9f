//! A detector's page, as Markdown, made of its file alone: what the page says is what the engine does.

use crate::definition::{Definition, Dependence, Judged, Scope};

/// The whole page.
pub fn page(definition: &Definition) -> String {
    let mut text = format!("# {}\n\n", definition.title);
    text.push_str(&facts(definition));
    for (title, prose) in [
        ("What it means", &definition.meaning),
        ("When it is wrong", &definition.false_positives),
        ("What to do", &definition.next_step),
    ] {
        text.push_str(&section(title, prose.trim()));
    }
    text.push_str(&section("What it must be able to see", &needs(definition)));
    text.push_str(&section("Which events it looks at", &looks_at(definition)));
    text.push_str(&section("Parameters", &parameters(definition)));
    text.push_str(&section("How it decides", &format!("```sql\n{}\n```", definition.claims.trim())));
    text.push_str(&section("Stories", &stories(definition)));
    text
}

fn section(title: &str, content: &str) -> String {
    if content.is_empty() { String::new() } else { format!("\n## {title}\n\n{content}\n") }
}

fn facts(definition: &Definition) -> String {
    let scope = match definition.scope {
        Scope::Tenant => "each org by itself",
        Scope::Operator => "all orgs together",
    };
    let judged = match definition.judged {
        Judged::Eager => "as soon as the events are committed".to_owned(),
        Judged::Every(length) => format!("when a window of {length} is over"),
    };
    let again = match &definition.dependence {
        Dependence::Org => "everything of the scope".to_owned(),
        Dependence::Series(columns) => format!("what has the same {}", columns.join(", ")),
    };
    let rows = [
        ("id", format!("`{}`", definition.id)),
        ("severity, at most", definition.severity.to_string()),
        ("looks at", scope.to_owned()),
        ("is about", definition.subject.join(", ")),
        ("judged", judged),
        ("a late event changes", again),
        ("history", definition.history.to_string()),
    ];
    let mut table = String::from("| | |\n| --- | --- |\n");
    table.extend(rows.map(|(name, value)| format!("| {name} | {value} |\n")));
    table
}

fn needs(definition: &Definition) -> String {
    let line = |need: &crate::definition::Need| format!("- {} where `{}`", need.columns.join(", "), need.when.trim());
    definition.needs.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn looks_at(definition: &Definition) -> String {
    let line = |looks_at: &crate::definition::LooksAt| {
        format!("Only {} of those with\n\n```sql\n{}\n```", looks_at.columns.join(", "), looks_at.when.trim())
    };
    definition.looks_at.as_ref().map(line).unwrap_or_default()
}

fn parameters(definition: &Definition) -> String {
    let mut table = String::new();
    for (name, parameter) in &definition.parameters {
        if table.is_empty() {
            table.push_str("| name | value | why |\n| --- | --- | --- |");
        }
        let value = serde_json::to_value(&parameter.value).unwrap_or_default();
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let why = parameter.why.split_whitespace().collect::<Vec<_>>().join(" ");
        table.push_str(&format!("\n| {name} | {value} | {why} |"));
    }
    table
}

fn stories(definition: &Definition) -> String {
    let line = |story: &crate::definition::Story| match story.expected_findings().len() {
        0 => format!("- {}: nothing", story.name),
        1 => format!("- {}: one finding", story.name),
        more => format!("- {}: {more} findings", story.name),
    };
    definition.stories.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;

    #[test]
    fn a_page_says_what_the_file_says() {
        let page = page(&Definition::parse("first-host", crate::definition::tests::SMALL).unwrap());
        for part in
            ["# First host", "| id | `first-host` |", "| warm_up | 7d | agents learn for a week |", "```sql\nSELECT"]
        {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("## Stories"), "{page}");
    }

    /// After a change to a file, `CREDWATCH_BLESS=1 cargo test -p credwatch-detectors` writes the pages anew.
    #[test]
    fn the_committed_pages_are_the_derived_ones() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/detectors");
        for (id, content) in Registry::embedded().unwrap().detectors() {
            let path = format!("{folder}/{id}.md");
            let derived = page(&Definition::parse(id.as_str(), content).unwrap());
            if std::env::var_os("CREDWATCH_BLESS").is_some() {
                std::fs::create_dir_all(folder).unwrap();
                std::fs::write(&path, &derived).unwrap();
            }
            assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), derived, "{path}");
        }
    }
}
