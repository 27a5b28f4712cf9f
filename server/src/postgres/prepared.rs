//! A statement that a client prepares: its text, its columns and its parameters. It is planned anew each time that it is
//! executed, for whoever the client is by then and over what is there by then.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_pg::datatypes::df::deserialize_parameters_with_server_types;
use arrow_pg::datatypes::{PG_OID_ALIAS_KEY, arrow_schema_to_pg_fields, into_pg_type, pg_type_for_alias_kind};
use credwatch_query::{Described, Params};
use datafusion::common::ParamValues;
use pgwire::api::Type;
use pgwire::api::portal::{Format, Portal};
use pgwire::api::results::FieldInfo;
use pgwire::error::PgWireResult;

use super::command::Command;
use super::refusal::error;
use super::rows::on_the_wire;

#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) command: Command,
    schema: SchemaRef,
    parameters: Vec<Parameter>,
}

/// What stands for one of `$1`, `$2`, ...
#[derive(Debug, Clone)]
struct Parameter {
    /// What the engine computes with, where the statement shows it; else what the client sends is taken as it is.
    kind: Option<DataType>,
    /// What the client sends.
    wire: Type,
}

impl Prepared {
    pub(super) fn reading(text: String, described: &Described) -> PgWireResult<Self> {
        let parameters =
            described.parameters.iter().map(|field| parameter(field.as_deref())).collect::<Result<_, _>>()?;
        Ok(Self { command: Command::Read(text), schema: Arc::new(on_the_wire(&described.schema)), parameters })
    }

    pub(super) fn telling(command: Command) -> Self {
        let schema = match &command {
            Command::Show(name) => one_text(name),
            _ => Arc::new(Schema::empty()),
        };
        Self { command, schema, parameters: Vec::new() }
    }

    /// What the client was told of the answer's columns.
    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(super) fn parameter_types(&self) -> Vec<Type> {
        self.parameters.iter().map(|parameter| parameter.wire.clone()).collect()
    }

    pub(super) fn fields(&self, format: &Format) -> PgWireResult<Vec<FieldInfo>> {
        arrow_schema_to_pg_fields(&self.schema, format, None)
    }

    /// The values that the client has bound.
    pub(super) fn values(&self, portal: &Portal<Self>) -> PgWireResult<Params> {
        let kinds: Vec<Option<&DataType>> = self.parameters.iter().map(|parameter| parameter.kind.as_ref()).collect();
        let wires: Vec<Option<&Type>> = self.parameters.iter().map(|parameter| Some(&parameter.wire)).collect();
        if portal.parameter_len() != self.parameters.len() {
            let (given, wanted) = (portal.parameter_len(), self.parameters.len());
            return Err(error("ERROR", "08P01", format!("{given} values were bound, and the statement has {wanted}")));
        }
        let given = portal.statement.parameter_types.iter().map(Option::as_ref);
        if let Some(place) = given.zip(&kinds).position(|(given, kind)| loses(given, *kind)) {
            let place = place + 1;
            return Err(error(
                "ERROR",
                "22023",
                format!("${place} was bound as a type that would lose what it says here"),
            ));
        }
        match deserialize_parameters_with_server_types(portal, &kinds, &wires)? {
            ParamValues::List(values) if values.is_empty() => Ok(Params::None),
            ParamValues::List(values) => Ok(Params::Positional(values.into_iter().map(|value| value.value).collect())),
            ParamValues::Map(_) => Err(error("ERROR", "22023", "parameters are $1, $2, ...")),
        }
    }
}

/// One column of text, of that name.
pub(super) fn one_text(name: &str) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(name, DataType::Utf8, true)]))
}

/// Bound as one of these, a value would be cut or taken for something else, and nobody would be told.
fn loses(given: Option<&Type>, kind: Option<&DataType>) -> bool {
    match (given, kind) {
        (Some(&Type::NUMERIC), Some(kind)) => kind.is_integer() || kind.is_decimal(),
        (Some(&(Type::INT2 | Type::INT4 | Type::INT8)), Some(kind)) => kind.is_temporal(),
        _ => false,
    }
}

/// What shows no type is text, as in Postgres, unless the client says otherwise.
fn parameter(field: Option<&Field>) -> PgWireResult<Parameter> {
    let Some(field) = field.filter(|field| !field.data_type().is_null()) else {
        return Ok(Parameter { kind: None, wire: Type::TEXT });
    };
    let kind = field.data_type().clone();
    let alias = field.metadata().get(PG_OID_ALIAS_KEY).filter(|_| kind == DataType::Int32);
    let wire = match alias.and_then(|alias| pg_type_for_alias_kind(alias)) {
        Some(alias) => alias,
        None => into_pg_type(&kind)?,
    };
    Ok(Parameter { kind: Some(kind), wire })
}
