//! Which grains (orgs, or series of them) there are, each with its earliest event: those of new rows, read from the
//! rows; and all that ever were, read from a ledger, so that looking again at everybody does not cost the whole history.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use credwatch_lake::LakeSnapshot;
use credwatch_schemas::records::column;
use credwatch_schemas::time::Micros;
use datafusion::error::{DataFusionError, Result};
use datafusion::functions_aggregate::expr_fn::min;
use datafusion::logical_expr::{Expr, col};
use datafusion::prelude::{DataFrame, SessionContext};

use crate::definition::{Definition, Ledger};
use crate::dirty::GrainKey;
use crate::rows_of::{Between, Records};
use crate::store::{Store, parts_of};

type Grains = Vec<(GrainKey, Micros)>;

/// Keeps the first row of every grain of the detector.
pub(crate) fn ledger(definition: &Definition) -> Ledger {
    let grain = definition.grain();
    let keys = if grain.is_empty() { vec![column::ORG_ID] } else { grain };
    Ledger { keys: keys.into_iter().map(str::to_owned).collect(), when: "true".to_owned() }
}

/// The grains of rows between two times whose `seq` lies above `after`.
pub(crate) async fn touched(
    context: &SessionContext,
    records: &Records,
    definition: &Definition,
    after: i64,
    between: Between,
) -> Result<Grains> {
    earliest(records.after(context, after, between)?, definition, column::TIME).await
}

/// Every grain.
pub(crate) async fn known(
    context: &SessionContext,
    snapshot: &LakeSnapshot,
    definition: &Definition,
) -> Result<Grains> {
    let Some(parts) = parts_of(snapshot, &Store::Ledger(ledger(definition))) else {
        return Err(DataFusionError::Plan("what it is judged by is not kept yet".to_owned()));
    };
    earliest(context.read_table(parts)?, definition, "first_time").await
}

async fn earliest(rows: DataFrame, definition: &Definition, time: &str) -> Result<Grains> {
    let columns = definition.grain();
    let keys: Vec<Expr> = columns.iter().copied().map(col).collect();
    let mut grains = Grains::new();
    for batch in rows.aggregate(keys, vec![min(col(time)).alias("earliest")])?.collect().await? {
        let earliest = batch["earliest"].as_primitive::<TimestampMicrosecondType>();
        for row in (0..batch.num_rows()).filter(|row| earliest.is_valid(*row)) {
            grains.push((key_of(&batch, &columns, row), Micros(earliest.value(row))));
        }
    }
    Ok(grains)
}

fn key_of(batch: &RecordBatch, columns: &[&str], row: usize) -> GrainKey {
    let value = |column: &&str| {
        let values = batch[*column].as_string_opt::<i32>()?;
        (!values.is_null(row)).then(|| values.value(row).to_owned())
    };
    columns.iter().map(value).collect()
}
