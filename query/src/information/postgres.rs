//! `information_schema.columns` as clients of Postgres expect it: types by Postgres' names, and columns that say what no
//! column here has, such as defaults.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::error::Result;

use super::{list_of_columns as own, same};
use crate::postgres::PG_CATALOG;
use crate::tables::TableInfo;

pub(super) fn list_of_columns(tables: &[TableInfo]) -> Result<RecordBatch> {
    let own = own(tables)?;
    let kinds: Vec<Kind> =
        tables.iter().flat_map(|table| table.schema.fields()).map(|column| kind(column.data_type())).collect();
    let texts =
        |text: fn(&Kind) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values(kinds.iter().map(text))) };
    let nothing: ArrayRef = Arc::new(StringArray::new_null(kinds.len()));
    let more = [
        ("column_default", nothing),
        ("udt_catalog", same(super::CATALOG, kinds.len())),
        ("udt_schema", same(PG_CATALOG, kinds.len())),
        ("udt_name", texts(Kind::short)),
        ("is_identity", same("NO", kinds.len())),
        ("is_generated", same("NEVER", kinds.len())),
    ];
    let (mut fields, mut columns) = (own.schema().fields().to_vec(), own.columns().to_vec());
    if let Ok(place) = own.schema().index_of("data_type") {
        columns[place] = texts(Kind::long);
    }
    for (name, column) in more {
        fields.push(Arc::new(Field::new(name, DataType::Utf8, true)));
        columns.push(column);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// A type by both of its names; `is_list` of those.
#[derive(Debug, Clone, Copy)]
struct Kind {
    long: &'static str,
    short: &'static str,
    is_list: bool,
}

impl Kind {
    fn long(&self) -> String {
        if self.is_list { "ARRAY" } else { self.long }.to_owned()
    }

    fn short(&self) -> String {
        [if self.is_list { "_" } else { "" }, self.short].concat()
    }
}

/// As columns go over the wire: what is nested deeper than a list goes as text.
fn kind(data_type: &DataType) -> Kind {
    let (long, short) = match data_type {
        DataType::List(element) if !element.data_type().is_nested() => {
            return Kind { is_list: true, ..kind(element.data_type()) };
        }
        DataType::Boolean => ("boolean", "bool"),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => ("smallint", "int2"),
        DataType::Int32 | DataType::UInt16 => ("integer", "int4"),
        DataType::Int64 | DataType::UInt32 => ("bigint", "int8"),
        DataType::UInt64 | DataType::Decimal128(..) | DataType::Decimal256(..) => ("numeric", "numeric"),
        DataType::Float16 | DataType::Float32 => ("real", "float4"),
        DataType::Float64 => ("double precision", "float8"),
        DataType::Timestamp(_, Some(_)) => ("timestamp with time zone", "timestamptz"),
        DataType::Timestamp(_, None) => ("timestamp without time zone", "timestamp"),
        DataType::Date32 | DataType::Date64 => ("date", "date"),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => ("bytea", "bytea"),
        _ => ("text", "text"),
    };
    Kind { long, short, is_list: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_the_names_that_clients_know() {
        let of = |data_type: DataType| (kind(&data_type).long(), kind(&data_type).short());
        let names = |long: &str, short: &str| (long.to_owned(), short.to_owned());
        assert_eq!(of(DataType::Int64), names("bigint", "int8"));
        assert_eq!(of(DataType::new_list(DataType::Utf8, true)), names("ARRAY", "_text"));
        let steps = DataType::new_list(DataType::new_list(DataType::Int64, true), true);
        assert_eq!(of(steps), names("text", "text"));
    }
}
