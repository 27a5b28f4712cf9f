//! Values for `$1` or `$name`. They are bound to the plan and never become text of the statement.

use std::collections::BTreeMap;

use datafusion::common::ParamValues;
use datafusion::common::metadata::ScalarAndMetadata;
use datafusion::logical_expr::LogicalPlan;
use datafusion::scalar::ScalarValue;

use crate::error::QueryError;

#[derive(Debug, Clone, PartialEq, Default)]
pub enum Params {
    #[default]
    None,
    /// `$1`, `$2`, ...
    Positional(Vec<ScalarValue>),
    /// `$name`, without the dollar sign.
    Named(BTreeMap<String, ScalarValue>),
}

impl Params {
    /// Puts the values into the plan; a placeholder without a value is an error, a value without a placeholder too.
    pub(crate) fn bind(self, plan: LogicalPlan) -> Result<LogicalPlan, QueryError> {
        let used = plan.get_parameter_names().map_err(|error| QueryError::Parameter(error.strip_backtrace()))?;
        let mut wanted: Vec<&str> = used.iter().map(|name| name.trim_start_matches('$')).collect();
        wanted.sort_unstable();
        if let Some(missing) = wanted.iter().find(|name| !self.has(name)) {
            return Err(QueryError::Parameter(format!("${missing} has no value")));
        }
        if let Some(idle) = self.names().iter().find(|name| !wanted.contains(&name.as_str())) {
            return Err(QueryError::Parameter(format!("${idle} is given but does not stand in the statement")));
        }
        match self.values() {
            None => Ok(plan),
            Some(values) => {
                plan.with_param_values(values).map_err(|error| QueryError::Parameter(error.strip_backtrace()))
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::Positional(values) => name.parse::<usize>().is_ok_and(|place| (1..=values.len()).contains(&place)),
            Self::Named(values) => values.contains_key(name),
        }
    }

    fn names(&self) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::Positional(values) => (1..=values.len()).map(|place| place.to_string()).collect(),
            Self::Named(values) => values.keys().cloned().collect(),
        }
    }

    fn values(self) -> Option<ParamValues> {
        match self {
            Self::None => None,
            Self::Positional(values) => Some(ParamValues::from(values)),
            Self::Named(values) => Some(ParamValues::Map(
                values.into_iter().map(|(name, value)| (name, ScalarAndMetadata::from(value))).collect(),
            )),
        }
    }
}
