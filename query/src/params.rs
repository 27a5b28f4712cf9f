//! Values for `$1` or `$name`. They are bound to the plan and never become text of the statement.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::common::ParamValues;
use datafusion::common::metadata::ScalarAndMetadata;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::scalar::ScalarValue;

use crate::error::QueryError;
use crate::statement::Words;

#[derive(Debug, Clone, PartialEq, Default)]
pub enum Params {
    #[default]
    None,
    /// `$1`, `$2`, ...
    Positional(Vec<ScalarValue>),
    /// `$name`, without the dollar sign.
    Named(BTreeMap<String, ScalarValue>),
}

/// For each of `$1`, `$2`, ... what its value is compared with or cast to, as far as the plan shows it.
pub(crate) fn places(plan: &LogicalPlan) -> Result<Vec<Option<FieldRef>>, QueryError> {
    let unclear = |error: DataFusionError| QueryError::Parameter(error.strip_backtrace());
    let mut fields: BTreeMap<usize, Option<FieldRef>> = BTreeMap::new();
    let found: BTreeMap<String, Option<FieldRef>> = plan.get_parameter_fields().map_err(unclear)?.into_iter().collect();
    for (name, field) in found {
        let place = name.trim_start_matches('$').parse().ok().filter(|place| (1..=MOST_PLACES).contains(place));
        let place = place.ok_or_else(|| QueryError::Parameter(format!("{name} has no place: they are $1, $2, ...")))?;
        fields.insert(place, field);
    }
    for (place, field) in casts(plan).map_err(unclear)? {
        if let Some(known @ None) = fields.get_mut(&place) {
            *known = Some(field);
        }
    }
    let last = fields.last_key_value().map_or(0, |(place, _)| *place);
    Ok((1..=last).map(|place| fields.remove(&place).flatten()).collect())
}

/// Placeholders that are cast: `$1::bigint`.
fn casts(plan: &LogicalPlan) -> Result<Vec<(usize, FieldRef)>, DataFusionError> {
    let mut casts = Vec::new();
    let mut look = |expression: &Expr| {
        expression.apply(|part| {
            if let Expr::Cast(cast) = part
                && let Expr::Placeholder(placeholder) = &*cast.expr
                && let Ok(place) = placeholder.id.trim_start_matches('$').parse()
            {
                casts.push((place, Arc::clone(&cast.field)));
            }
            Ok(TreeNodeRecursion::Continue)
        })
    };
    plan.apply_with_subqueries(|node| node.apply_expressions(&mut look))?;
    Ok(casts)
}

/// As many as the wire can number.
const MOST_PLACES: usize = u16::MAX as usize;

impl Params {
    /// Texts for `$1`, `$2`, ...
    pub fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Positional(texts.into_iter().map(|text| ScalarValue::Utf8(Some(text.to_owned()))).collect())
    }

    /// The values of one row for `$1`, `$2`, ..., in the order of its columns.
    pub fn of_row(row: &RecordBatch) -> Result<Self, QueryError> {
        if row.num_rows() != 1 {
            return Err(QueryError::Parameter(format!(
                "a statement takes one row of values and not {}",
                row.num_rows()
            )));
        }
        let schema = row.schema();
        let values = row.columns().iter().zip(schema.fields()).map(|(column, field)| {
            if field.data_type().is_nested() {
                return Err(QueryError::Parameter(format!("{} is no single value", field.name())));
            }
            ScalarValue::try_from_array(column, 0).map_err(|error| QueryError::Parameter(error.strip_backtrace()))
        });
        Ok(Self::Positional(values.collect::<Result<_, _>>()?))
    }

    /// Puts the values into the plan; a placeholder without a value is an error, a value without a placeholder too, unless
    /// the statement was said in other words, which may have left one out.
    pub(crate) fn bind(self, plan: LogicalPlan, words: Words) -> Result<LogicalPlan, QueryError> {
        let used = plan.get_parameter_names().map_err(|error| QueryError::Parameter(error.strip_backtrace()))?;
        let mut wanted: Vec<&str> = used.iter().map(|name| name.trim_start_matches('$')).collect();
        wanted.sort_unstable();
        if let Some(missing) = wanted.iter().find(|name| !self.has(name)) {
            return Err(QueryError::Parameter(format!("${missing} has no value")));
        }
        let idle = self.names().into_iter().find(|name| !wanted.contains(&name.as_str()));
        if let Some(idle) = idle.filter(|_| words == Words::Own) {
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
