//! How much a statement stands for: a step of a WITH that is named twice is planned twice, and so is all that it names, so
//! that a few lines can stand for more than anybody could plan. Pure.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{ObjectName, Query, Visit, Visitor};

/// Relations of a statement, those of its steps counted each time that a step is named.
pub(crate) fn weight(statement: &Statement) -> u64 {
    match statement {
        Statement::Statement(statement) => {
            let mut scale = Scale { open: vec![1], ..Scale::default() };
            let done: ControlFlow<()> = statement.visit(&mut scale);
            debug_assert!(done.is_continue());
            scale.open.into_iter().fold(0, u64::saturating_add)
        }
        Statement::Explain(explain) => weight(&explain.statement),
        Statement::CopyTo(_) | Statement::CreateExternalTable(_) | Statement::Reset(_) => 1,
    }
}

#[derive(Debug, Default)]
struct Scale {
    /// Of each query that is being read, the outermost first.
    open: Vec<u64>,
    /// What each step weighs, by name.
    steps: HashMap<String, u64>,
    /// The queries that are steps, by where they stand.
    names: HashMap<*const Query, String>,
}

impl Scale {
    fn add(&mut self, weight: u64) {
        if let Some(open) = self.open.last_mut() {
            *open = open.saturating_add(weight);
        }
    }
}

impl Visitor for Scale {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for step in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.names.insert(std::ptr::from_ref(&*step.query), step.alias.name.value.to_lowercase());
        }
        self.open.push(1);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let weight = self.open.pop().unwrap_or(0);
        match self.names.get(&std::ptr::from_ref(query)).cloned() {
            // A name may be given again further in: the heavier one counts.
            Some(name) => {
                let step = self.steps.entry(name).or_default();
                *step = weight.max(*step);
                // It is planned once also where nobody names it.
                self.add(weight);
            }
            None => self.add(weight),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let name = relation.0.last().and_then(|part| part.as_ident()).map(|ident| ident.value.to_lowercase());
        let weight = name.and_then(|name| self.steps.get(&name).copied()).unwrap_or(1);
        self.add(weight);
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::parser::DFParser;

    use super::*;

    fn weight_of(sql: &str) -> u64 {
        weight(&DFParser::parse_sql(sql).unwrap()[0])
    }

    #[test]
    fn a_step_counts_each_time_that_it_is_named() {
        assert!(weight_of("SELECT * FROM a, b") < weight_of("SELECT * FROM a, b, c"));
        let named_once = weight_of("WITH a AS (SELECT 1 FROM t, u) SELECT * FROM a");
        assert!(named_once < weight_of("WITH a AS (SELECT 1 FROM t, u) SELECT * FROM a, a AS b"));
        assert!(weight_of(include_str!("doubling/steps.sql")) > 1 << 40);
    }

    #[test]
    fn a_step_counts_also_where_nobody_names_it_and_further_in() {
        assert!(weight_of(include_str!("doubling/unnamed.sql")) > 1 << 40);
        let within = ["SELECT * FROM (", include_str!("doubling/steps.sql"), ") AS x"].concat();
        assert!(weight_of(&within) > 1 << 40);
    }
}
