//! Refuses SQL that could answer differently from run to run, or let one org's rows meet another's.
//!
//! What is refused follows from the statement, the types of its parameters and the columns of its tables, not from any
//! row: what passed once is not planned for it again.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use credwatch_query::{determinism, tenancy};
use credwatch_schemas::event::field;
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::Result;
use sha2::{Digest, Sha256};

use crate::bind::{self, Bound};
use crate::definition::{Definition, Scope};
use crate::plan::{context, refused};
use crate::rows_of::visible;

/// Nothing runs where a statement is only checked.
const CHECK_BYTES: usize = 1 << 20;

/// A statement with everything that decides whether it is refused.
#[derive(Debug)]
pub(crate) struct Statement<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) values: &'a BTreeMap<String, Bound>,
    pub(crate) tables: BTreeMap<String, SchemaRef>,
}

/// Statements that passed: of each known file one for each kind of its parameters.
#[derive(Debug, Default)]
pub(crate) struct Checked(Mutex<BTreeSet<[u8; 32]>>);

impl Checked {
    pub(crate) async fn check(&self, statement: &Statement<'_>) -> Result<()> {
        let fingerprint = statement.fingerprint();
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&fingerprint) {
            return Ok(());
        }
        statement.check().await?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(fingerprint);
        Ok(())
    }
}

impl Statement<'_> {
    /// Planned over empty tables of the same columns: a view's own plan would be judged as part of the statement.
    async fn check(&self) -> Result<()> {
        let plain = context(CHECK_BYTES)?;
        for (name, columns) in &self.tables {
            plain.register_table(name, Arc::new(EmptyTable::new(Arc::clone(columns))))?;
        }
        if let Some(looks_at) = &self.definition.looks_at {
            let events = plain.read_table(Arc::new(EmptyTable::new(whole_event())))?;
            let when = events.parse_sql_expr(&looks_at.when)?;
            determinism::check(events.filter(when)?.logical_plan()).map_err(|error| refused(&error))?;
        }
        let plan = bind::plan(&plain.state(), &self.definition.claims, self.values).await?;
        determinism::check(&plan).map_err(|error| refused(&error))?;
        match self.definition.scope {
            Scope::Tenant => tenancy::check(&plan).map_err(|error| refused(&error)),
            Scope::Operator => Ok(()),
        }
    }

    fn fingerprint(&self) -> [u8; 32] {
        let types: Vec<_> = self.values.iter().map(|(name, value)| (name, kind(value))).collect();
        let Definition { scope, claims, looks_at, .. } = self.definition;
        let decides = (scope, claims, looks_at, types, &self.tables);
        Sha256::digest(format!("{decides:?}")).into()
    }
}

fn whole_event() -> SchemaRef {
    let shape = |name: &str| field(name).map_or(DataType::Int64, |field| field.shape.arrow());
    Arc::new(Schema::new(visible().map(|name| Field::new(name, shape(name), true)).collect::<Vec<_>>()))
}

/// Two values of one kind become literals of one type.
fn kind(value: &Bound) -> String {
    match value {
        Bound::Value(value) => format!("{:?}", discriminant(value)),
        Bound::Time(time) => format!("time, {}", time.is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refusal(when: &str) -> Option<String> {
        let looks_at = format!("judged: eager\nlooks_at: {{when: \"{when}\", columns: [org_id, time]}}");
        let text = crate::definition::tests::SMALL.replace("judged: eager", &looks_at);
        let definition = Definition::parse("first-host", &text.replace("FROM hosts", "FROM events")).unwrap();
        let text = Field::new("dest_host", DataType::Utf8, true);
        let columns = Schema::new(vec![Field::new("org_id", DataType::Utf8, true), text]);
        let tables = BTreeMap::from([("events".to_owned(), Arc::new(columns))]);
        let statement = Statement { definition: &definition, values: &BTreeMap::new(), tables };
        Checked::default().check(&statement).await.err().map(|error| error.to_string())
    }

    #[tokio::test]
    async fn what_is_looked_at_is_decided_by_the_event_alone() {
        assert_eq!(refusal("status IN (401, 403) AND content_hash IS NOT NULL").await, None);
        for (when, named) in [("random() < 0.5", "random"), ("seq > 5", "seq"), ("no_column = 1", "no_column")] {
            let said = refusal(when).await.unwrap_or_default();
            assert!(said.contains(named), "{when}: {said}");
        }
    }
}
