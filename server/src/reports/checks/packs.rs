//! Whose questions there are, and the statement behind each. One file is one question: its first line asks it, its second says
//! what cannot be seen, and the rest gives each thing a verdict: `for`, `against` or `unseen`.

use credwatch_schemas::checklist::Framework;

/// A question, under the name that its framework has for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) name: &'static str,
    file: &'static str,
    /// Which step a question about steps means, and how it is asked.
    step: Option<(&'static str, &'static str)>,
}

macro_rules! asked {
    ($($name:literal: $file:literal $(of $step:expr)?),* $(,)?) => {
        &[$(Asked {
            name: $name,
            file: include_str!(concat!("sql/", $file, ".sql")),
            step: [$(Some($step),)? None][0],
        }),*]
    };
}

const ORG_BOUND: (&str, &str) = ("tenant_resolution", "Is the org bound to the credential before the handler runs?");
const SCOPE_CHECKED: (&str, &str) =
    ("scope_check", "Is the scope checked against the grant before the call is executed?");

pub(super) fn questions(of: Framework) -> &'static [Asked] {
    match of {
        Framework::Readiness => asked! {
            "A1": "own_connection", "A2": "no_raw_tokens", "A3": "isolated_vault",
            "B1": "step_first" of ORG_BOUND, "B2": "connection_unchanged", "B3": "step_first" of SCOPE_CHECKED,
            "C1": "proactive_refresh", "C2": "refresh_lock", "C3": "revocation_halts",
            "D1": "four_fields", "D2": "siem_export", "D3": "scope_changes",
        },
        Framework::Soc2 => asked! {
            "CC6.1 validity": "valid_and_in_scope", "CC6.1 record": "four_fields", "CC6.1 change": "scope_changes",
        },
        Framework::Gdpr => asked! {
            "Art. 6 attribution": "user_and_identity", "Art. 6 consent": "consent_linked", "Art. 17 erasure": "erasure",
        },
        Framework::Hipaa => asked! {
            "164.312(d) identity": "four_fields", "164.312(a) own credential": "own_connection",
            "164.312(c) integrity": "immutable", "164.316(b) retention": "six_years",
        },
        Framework::Iso27001 => asked! {
            "A.9.4 scope check": "step_first" of SCOPE_CHECKED, "A.9.4 validity": "valid_and_in_scope", "A.9.2 over-grants": "no_over_grants",
        },
    }
}

impl Asked {
    pub(super) fn question(&self) -> &'static str {
        self.step.map_or_else(|| self.line(0), |(_, question)| question)
    }

    pub(super) fn unseen_because(&self) -> &'static str {
        self.line(1)
    }

    /// The value of `$step`.
    pub(super) fn step(&self) -> Option<&'static str> {
        self.step.map(|(step, _)| step)
    }

    /// The statement, with `$from` and `$to` where it names them.
    pub(super) fn statement(&self) -> &'static str {
        let after = |text: &'static str| text.split_once('\n').map_or("", |(_, rest)| rest);
        after(after(self.file)).trim_end()
    }

    fn line(&self, number: usize) -> &'static str {
        self.file.lines().nth(number).unwrap_or_default().trim_start_matches("-- ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_asks_something_says_what_it_cannot_see_and_decides() {
        for framework in Framework::ALL {
            for one in questions(*framework) {
                assert_eq!(one.step().is_some(), one.statement().contains("$step"), "{}", one.name);
                assert!(one.question().ends_with('?'), "{}: {}", one.name, one.question());
                assert!(!one.unseen_because().is_empty() && !one.unseen_because().contains("SELECT"), "{}", one.name);
                assert!(
                    one.statement().starts_with("SELECT") && one.statement().contains("AS verdict"),
                    "{}",
                    one.name
                );
            }
        }
        assert_eq!(questions(Framework::Readiness).len(), 12);
    }
}
