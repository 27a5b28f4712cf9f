//! Refuses SQL that could answer differently from run to run, or let one org's rows meet another's.
//!
//! What is refused follows from the statement, the types of its parameters and the columns of its tables, not from any
//! row: what passed once is not planned for it again.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use credwatch_query::{determinism, tenancy};
use credwatch_schemas::event::FIELDS;
use credwatch_schemas::records::column;
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::Result;
use sha2::{Digest, Sha256};

use crate::bind::{self, Bound};
use crate::definition::{Definition, Scope};
use crate::plan::{context, refused};

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

/// Every column that a detector may see of an event.
fn whole_event() -> SchemaRef {
    let fields = FIELDS.iter().map(|field| Field::new(field.name, field.shape.arrow(), true));
    let hash = Field::new(column::CONTENT_HASH, DataType::Int64, true);
    Arc::new(Schema::new(fields.chain([hash]).collect::<Vec<_>>()))
}

/// Two values of one kind become literals of one type.
fn kind(value: &Bound) -> String {
    match value {
        Bound::Value(value) => format!("{:?}", discriminant(value)),
        Bound::Time(time) => format!("time, {}", time.is_some()),
    }
}
