//! A checklist, version 1: questions that somebody asks of an agent's credentials, each answered from the log with yes, no, or
//! that it cannot be seen, and with the statement that shows why.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::OrgId;
use crate::time::Micros;
use crate::words::words;

/// The version of this form.
pub const VERSION: i64 = 1;

words! {
    /// What the log says to a question.
    Answer { Yes = "yes", No = "no", NotObservable = "not_observable", }
    /// Whose questions.
    Framework { Readiness = "readiness", Soc2 = "soc2", Gdpr = "gdpr", Hipaa = "hipaa", Iso27001 = "iso27001", }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Checklist {
    pub report: Framework,
    /// 1.
    pub version: i64,
    /// Null: everybody, for the operator.
    pub org_id: Option<OrgId>,
    /// Event time, inclusive.
    pub from_time: Micros,
    /// Event time, exclusive.
    pub to_time: Micros,
    /// The highest `seq` of the events that were there.
    pub data_seq: i64,
    pub checks: Vec<Check>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ChecklistCheck)]
pub struct Check {
    /// Such as `A1` or `CC6.1`.
    pub check: String,
    pub question: String,
    /// Yes only where everything could be judged.
    pub answer: Answer,
    /// Things (calls, connections, ...) for which it holds.
    pub holds: i64,
    /// Things for which it does not.
    pub fails: i64,
    /// Things of which the log does not say it.
    pub unseen: i64,
    /// One for which it does not hold.
    pub example: Option<String>,
    /// What cannot be seen.
    pub unseen_because: String,
    /// Shows each thing with its `verdict`, when it is run as it stands.
    pub evidence: String,
}

impl Check {
    /// Nothing is said to be well that was not looked at.
    pub fn answered(holds: i64, fails: i64, unseen: i64) -> Answer {
        match (holds, fails, unseen) {
            (_, fails, _) if fails > 0 => Answer::No,
            (holds, _, 0) if holds > 0 => Answer::Yes,
            _ => Answer::NotObservable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_is_said_only_where_everything_was_seen() {
        assert_eq!(Check::answered(5, 0, 0), Answer::Yes);
        assert_eq!(Check::answered(5, 1, 3), Answer::No);
        assert_eq!(Check::answered(5, 0, 1), Answer::NotObservable);
        assert_eq!(Check::answered(0, 0, 0), Answer::NotObservable);
    }
}
