//! What a detector brings to reports: the columns of its section, and, where chance alone raises findings, how many.

use credwatch_schemas::weekly_report::Column;
use serde::Deserialize;

use super::{Definition, ParameterValue};

/// How a report lists the findings of a detector.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    pub title: String,
    /// Columns of the subject, names of what is compared, and of [`OF_FINDING`].
    pub columns: Vec<String>,
}

/// A detector that tests: which parameters say how many findings chance raises, and what tells how improbable one is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statistical {
    /// The parameter with the findings that chance may raise for an agent in a day.
    pub budget: String,
    /// The parameter with the part of that budget which is spent where nothing is wrong.
    pub spent: String,
    /// What is compared, in the unit `probability`: observed is that of what was seen, threshold what it had to stay below.
    pub chance: String,
}

/// What every finding has, with the title and the unit of its column.
const OF_FINDING: [(&str, &str, &str); 4] = [
    ("raised_time", "raised", "time"),
    ("first_time", "first event", "time"),
    ("last_time", "last event", "time"),
    ("event_count", "events", "events"),
];

/// The unit of a probability.
const PROBABILITY: &str = "probability";

/// Beside the subject and what is compared, where a file declares no section.
const DEFAULT: [&str; 2] = ["first_time", "event_count"];

impl Definition {
    pub(crate) fn section_title(&self) -> &str {
        self.section.as_ref().map_or(&self.title, |section| &section.title)
    }

    pub(crate) fn section_columns(&self) -> Vec<Column> {
        let all = || self.subject.iter().chain(self.compared.keys()).map(String::as_str).chain(DEFAULT);
        let names: Vec<&str> = match &self.section {
            Some(section) => section.columns.iter().map(String::as_str).collect(),
            None => all().collect(),
        };
        names.into_iter().filter_map(|name| self.column(name)).collect()
    }

    /// A column that a section may have.
    fn column(&self, name: &str) -> Option<Column> {
        let column = |title: &str, unit: Option<&str>| Column {
            name: name.to_owned(),
            title: title.to_owned(),
            unit: unit.map(str::to_owned),
        };
        if let Some((_, title, unit)) = OF_FINDING.into_iter().find(|(known, ..)| *known == name) {
            return Some(column(title, Some(unit)));
        }
        if let Some(compared) = self.compared.get(name) {
            return Some(column(&compared.title, Some(&compared.unit)));
        }
        self.subject.iter().any(|subject| subject == name).then(|| column(name, None))
    }

    /// So many findings chance raises for an agent in a day.
    pub(crate) fn by_chance(&self) -> Option<f64> {
        let statistical = self.statistical.as_ref()?;
        Some(self.number(&statistical.budget)? * self.number(&statistical.spent)?)
    }

    fn number(&self, parameter: &str) -> Option<f64> {
        match self.parameters.get(parameter)?.typed()? {
            ParameterValue::Number(number) => Some(number),
            ParameterValue::Integer(_) | ParameterValue::Text(_) => None,
        }
    }
}

/// Each refusal names the key.
pub(super) fn check(definition: &Definition) -> Result<(), String> {
    let is_taken = |name: &&String| OF_FINDING.into_iter().any(|(taken, ..)| taken == *name);
    if let Some(taken) = definition.compared.keys().find(is_taken) {
        return Err(format!("compared.{taken}: every finding has one already"));
    }
    if let Some(section) = &definition.section {
        if section.title.trim().is_empty() || section.columns.is_empty() {
            return Err("section: needs a title and at least one column".to_owned());
        }
        let is_twice = |name: &&String| section.columns.iter().filter(|other| other == name).count() > 1;
        if let Some(twice) = section.columns.iter().find(is_twice) {
            return Err(format!("section: \"{twice}\" stands twice"));
        }
        if let Some(unknown) = section.columns.iter().find(|name| definition.column(name).is_none()) {
            return Err(format!(
                "section: \"{unknown}\" is neither of the subject, nor compared, nor {}",
                of_finding()
            ));
        }
    }
    let Some(statistical) = &definition.statistical else { return Ok(()) };
    for parameter in [&statistical.budget, &statistical.spent] {
        if definition.number(parameter).is_none_or(|number| number < 0.0) {
            return Err(format!("statistical: \"{parameter}\" is not a number among the parameters, zero or more"));
        }
    }
    match definition.compared.get(&statistical.chance).is_some_and(|compared| compared.unit == PROBABILITY) {
        true => Ok(()),
        false => Err(format!("statistical: \"{}\" is not compared in the unit {PROBABILITY}", statistical.chance)),
    }
}

fn of_finding() -> String {
    OF_FINDING.map(|(name, ..)| name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::tests::SMALL;
    use super::*;

    const STATISTICAL: &str = "
section: {title: Hosts, columns: [dest_host, calls, first_time]}
statistical: {budget: allowed, spent: spent, chance: luck}
parameters:
  allowed: {value: 0.5, unit: number, why: w}
  spent: {value: 0.2, unit: number, why: w}";

    fn parse(with: &str) -> Result<Definition, String> {
        let content = SMALL.replacen("\nparameters:", with, 1);
        let content = content.replacen("\ncompared:", "\ncompared:\n  luck: {title: bad luck, unit: probability}", 1);
        Definition::parse("first-host", &content).map_err(|error| error.to_string())
    }

    fn names(definition: &Definition) -> Vec<String> {
        definition.section_columns().into_iter().map(|column| column.name).collect()
    }

    #[test]
    fn a_file_declares_its_section_or_has_one_of_everything_that_its_findings_show() {
        let declared = parse(STATISTICAL).unwrap();
        assert_eq!(
            (declared.section_title(), names(&declared).join(" ").as_str()),
            ("Hosts", "dest_host calls first_time")
        );
        let silent = Definition::parse("first-host", SMALL).unwrap();
        assert_eq!(silent.section_title(), "First host");
        assert_eq!(names(&silent), ["dest_host", "calls", "first_time", "event_count"]);
    }

    #[test]
    fn chance_raises_the_part_of_the_budget_that_is_spent() {
        assert_eq!(parse(STATISTICAL).unwrap().by_chance(), Some(0.1));
        assert_eq!(Definition::parse("first-host", SMALL).unwrap().by_chance(), None);
    }

    #[test]
    fn what_a_section_cannot_show_is_refused_with_its_name() {
        for (from, to, named) in [
            ("[dest_host, calls", "[dest_host, agent_id", "agent_id"),
            ("title: Hosts", "title: ''", "title"),
            ("budget: allowed", "budget: warm_up", "warm_up"),
            ("spent: spent", "spent: nothing", "nothing"),
            ("chance: luck", "chance: calls", "calls"),
            ("[dest_host, calls, first_time]", "[dest_host, dest_host]", "twice"),
        ] {
            let said = parse(&STATISTICAL.replacen(from, to, 1)).unwrap_err();
            assert!(said.contains(named), "{to}: {said}");
        }
    }
}
