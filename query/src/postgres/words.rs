//! Questions to the catalogue in words that the engine can plan.
//!
//! Most of the work is the library's. What is left are questions about things that no table here has (keys, sequences),
//! which the engine cannot plan: they are what they would come to.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName,
    ObjectNamePart, Query, SelectItem, SetExpr, Statement, TableFactor, Value, ValueWithSpan, visit_expressions_mut,
    visit_relations, visit_relations_mut,
};
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;

use super::{PG_CATALOG, phrases, stopping};

static REWRITER: LazyLock<PostgresCompatibilityParser> = LazyLock::new(PostgresCompatibilityParser::new);

/// No table has options of storage, and the library's catalogue no column for them.
const OPTIONS: &str = "reloptions";

/// Tables of the catalogue that are about nothing here: no column has a sequence, a default, or a collation of its own.
const ABOUT_NOTHING: [&str; 3] = ["pg_sequence", "pg_attrdef", "pg_collation"];

/// Where keys and indexes would be listed, and how clients take apart which columns they are made of: no table has one.
const KEYS: [&str; 2] = ["pg_index", "pg_constraint"];
const OF_KEYS: [&str; 3] = ["unnest", "generate_subscripts", EXPAND];
const EXPAND: &str = "_pg_expandarray";
/// Columns that would hold which columns a key is made of, and how clients look into them.
const COLUMNS_OF_KEYS: [&str; 3] = ["conkey", "confkey", "indkey"];
const LOOK: [&str; 3] = ["array_has", "array_contains", "array_position"];

/// The statements of a text in the engine's own words, where they are written in Postgres', and the relations that each
/// names.
pub(crate) fn rewritten(sql: &str) -> Option<Vec<(String, Vec<String>)>> {
    let mut statements = REWRITER.parse(&phrases::said_otherwise(sql)).ok()?;
    for statement in &mut statements {
        say_what_is_known(statement);
        name_in_full(statement);
    }
    Some(statements.iter().map(|statement| (statement.to_string(), relations(statement))).collect())
}

fn relations(statement: &Statement) -> Vec<String> {
    let mut names = Vec::new();
    let done: ControlFlow<()> = visit_relations(statement, |name| {
        names.extend(name.0.last().and_then(|part| part.as_ident()).map(|ident| ident.value.to_lowercase()));
        ControlFlow::Continue(())
    });
    debug_assert!(done.is_continue());
    names
}

fn say_what_is_known(statement: &mut Statement) {
    let text = statement.to_string();
    let asks_for_keys = KEYS.iter().any(|table| text.contains(table));
    let expands_keys = text.contains(EXPAND);
    let done: ControlFlow<()> = visit_expressions_mut(statement, |expression| {
        let known = match expression {
            Expr::Subquery(query) => known(query),
            Expr::Function(function) if asks_for_keys && OF_KEYS.contains(&last(&function.name).as_str()) => {
                Some(Value::Number("0".to_owned(), false))
            }
            Expr::Function(function) if asks_for_keys && looks_into_keys(function) => Some(Value::Boolean(false)),
            Expr::Function(function) if stopping::NAMES.contains(&last(&function.name).as_str()) => {
                say_that_it_is_a_number(function);
                None
            }
            Expr::CompoundFieldAccess { .. } if expands_keys => Some(Value::Number("0".to_owned(), false)),
            Expr::Cast { expr: inner, data_type, .. } if is_name(data_type) => {
                *expression = (**inner).clone();
                None
            }
            Expr::CompoundIdentifier(parts) if parts.last().is_some_and(|part| part.value == OPTIONS) => {
                Some(Value::Null)
            }
            _ => None,
        };
        if let Some(known) = known {
            *expression = Expr::value(known);
        }
        ControlFlow::Continue(())
    });
    debug_assert!(done.is_continue());
}

fn looks_into_keys(function: &Function) -> bool {
    let arguments = function.args.to_string();
    LOOK.contains(&last(&function.name).as_str()) && COLUMNS_OF_KEYS.iter().any(|column| arguments.contains(column))
}

/// Drivers ask what they are to bind, and the engine tells it of what is cast and not of what a function takes.
fn say_that_it_is_a_number(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    for argument in &mut list.args {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) = argument else { continue };
        if matches!(value, Expr::Value(ValueWithSpan { value: Value::Placeholder(_), .. })) {
            let (kind, expr, data_type) = (CastKind::Cast, Box::new(value.clone()), DataType::Int(None));
            *value = Expr::Cast { kind, expr, data_type, array: false, format: None };
        }
    }
}

/// Postgres' type of names is text here.
fn is_name(kind: &DataType) -> bool {
    matches!(kind, DataType::Custom(name, _) if last(name).eq_ignore_ascii_case("name"))
}

/// Tables of the catalogue are found without their schema in Postgres. `pg_get_keywords()` and the like are functions.
fn name_in_full(statement: &mut Statement) {
    let done: ControlFlow<()> = visit_relations_mut(statement, |name| {
        if name.0.len() == 1 && last(name).starts_with("pg_") && !last(name).starts_with("pg_get_") {
            name.0.insert(0, ObjectNamePart::Identifier(Ident::new(PG_CATALOG)));
        }
        ControlFlow::Continue(())
    });
    debug_assert!(done.is_continue());
}

fn known(query: &Query) -> Option<Value> {
    let SetExpr::Select(select) = &*query.body else { return None };
    let TableFactor::Table { name, .. } = &select.from.first()?.relation else { return None };
    match last(name).as_str() {
        table if ABOUT_NOTHING.contains(&table) => Some(Value::Null),
        "pg_type" if is_of(select.projection.first()?, "typcollation") => Some(Value::Number("0".to_owned(), false)),
        _ => None,
    }
}

fn last(name: &ObjectName) -> String {
    name.0.last().map(ToString::to_string).unwrap_or_default()
}

fn is_of(item: &SelectItem, column: &str) -> bool {
    let (SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. }) = item else {
        return false;
    };
    match expression {
        Expr::CompoundIdentifier(parts) => parts.last().is_some_and(|part| part.value == column),
        Expr::Identifier(name) => name.value == column,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_column_has_is_null_and_the_rest_stays() {
        let asked = "SELECT attname, CASE WHEN attidentity <> '' THEN (SELECT seqstart FROM pg_catalog.pg_sequence WHERE seqrelid = attrelid) END FROM pg_catalog.pg_attribute";
        let said = rewritten(asked).unwrap().remove(0).0;
        assert!(said.contains("THEN NULL") && said.contains("attidentity"), "{said}");
        let asked = "SELECT (SELECT count(*) FROM pg_class) FROM pg_attribute";
        assert!(rewritten(asked).unwrap()[0].0.contains("count(*)"));
    }

    #[test]
    fn the_number_of_a_connection_is_one_also_where_it_is_bound() {
        let said = rewritten("SELECT pg_catalog.pg_terminate_backend($1)").unwrap().remove(0).0;
        assert_eq!(said, "SELECT pg_terminate_backend(CAST($1 AS INT))");
    }

    #[test]
    fn what_cannot_be_read_stays_as_it_is() {
        assert_eq!(rewritten("selec pg_"), None);
    }
}
