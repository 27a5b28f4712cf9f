//! Whether an ORDER BY leaves no two different rows in an order of chance.
//!
//! That cannot be proved in general; it is taken as so when rows that are events are ordered by their identity, or when
//! what is picked out stands among the keys (then ties are between equals).

use credwatch_schemas::records::column;
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::Sort;

/// Columns that tell one event from another.
const IDENTITY: [&str; 2] = [column::EVENT_ID, column::CONTENT_HASH];

/// For rows of `schema`: some keys there are, and all of the identity columns that the rows have are among them.
pub(crate) fn orders_rows(keys: &[Sort], schema: &DFSchema) -> bool {
    let has = |name: &str| schema.fields().iter().any(|field| field.name() == name);
    let by_record_id = keys.iter().any(|key| calls_record_id(&key.expr));
    let by_identity =
        IDENTITY.iter().filter(|name| has(name)).all(|name| keys.iter().any(|key| is_column(&key.expr, name)));
    !keys.is_empty() && (by_record_id || by_identity)
}

/// For picking `picked` out of rows in an order: ties are between equals, or there are none.
pub(crate) fn orders_values(keys: &[Sort], picked: &[Expr]) -> bool {
    let is_key = |expression: &Expr| keys.iter().any(|key| key.expr == *expression);
    // What is computed from keys alone is the same for rows that tie.
    let of_keys =
        |expression: &Expr| expression.column_refs().into_iter().all(|column| is_key(&Expr::Column(column.clone())));
    let among = |expression: &Expr| is_key(expression) || of_keys(expression);
    let by_record_id = keys.iter().any(|key| calls_record_id(&key.expr));
    let by_identity = IDENTITY.iter().all(|name| keys.iter().any(|key| is_column(&key.expr, name)));
    !keys.is_empty() && (by_record_id || by_identity || picked.iter().all(among))
}

pub(crate) fn is_column(expression: &Expr, name: &str) -> bool {
    matches!(expression, Expr::Column(column) if column.name == name)
}

fn calls_record_id(expression: &Expr) -> bool {
    matches!(expression, Expr::ScalarFunction(call) if call.name() == "record_id")
        || matches!(expression, Expr::Column(column) if column.name == "record_id")
}
