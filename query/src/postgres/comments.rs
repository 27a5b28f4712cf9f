//! Comments of tables and columns, where Postgres' clients look for them: in `pg_description`, and by
//! `obj_description` and `col_description`.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, SchemaRef};
use datafusion::catalog::{MemTable, SchemaProvider, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::expr_fn::SimpleScalarUDF;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Signature, TypeSignature, Volatility, create_udf};
use datafusion::prelude::{SessionContext, col};

use super::known::Known;
use crate::information::{column_comment, table_comment};

pub(super) const PG_CLASS: &str = "pg_class";
const PG_DESCRIPTION: &str = "pg_description";

#[derive(Debug, Default)]
struct Comments {
    /// By the OID of the table and the column's place; 0 is the table itself.
    texts: HashMap<(i64, i64), String>,
    /// The OID of `pg_class`: what is described are relations.
    relations: i64,
}

/// The catalogue with descriptions in it.
#[derive(Debug)]
pub(super) struct WithComments {
    inner: Arc<dyn SchemaProvider>,
    known: Known,
}

impl WithComments {
    pub(super) fn new(inner: Arc<dyn SchemaProvider>, known: Known) -> Self {
        Self { inner, known }
    }

    /// OIDs are given by the catalogue, so it is asked for them.
    async fn comments(&self) -> Result<Comments> {
        let Some(relations) = self.inner.table(PG_CLASS).await? else { return Ok(Comments::default()) };
        let rows = SessionContext::new().read_table(relations)?.select(vec![col("oid"), col("relname")])?;
        let mut comments = Comments::default();
        for batch in rows.collect().await? {
            let (oids, names) = (cast(batch.column(0), &DataType::Int64)?, cast(batch.column(1), &DataType::Utf8)?);
            let names = names.as_string::<i32>();
            for (oid, name) in oids.as_primitive::<Int64Type>().iter().zip(names.iter()) {
                let (Some(oid), Some(name)) = (oid, name) else { continue };
                if name == PG_CLASS {
                    comments.relations = oid;
                }
                comments.texts.extend(self.of_table(oid, name));
            }
        }
        Ok(comments)
    }

    fn of_table(&self, oid: i64, name: &str) -> Vec<((i64, i64), String)> {
        let Some(table) = self.known.tables().into_iter().find(|table| table.name == name) else { return Vec::new() };
        let columns = (1..).zip(table.schema.fields());
        let columns = columns.filter_map(|(place, field)| Some(((oid, place), column_comment(field.name())?)));
        table_comment(name).map(|text| ((oid, 0), text)).into_iter().chain(columns).collect()
    }

    fn described(&self, schema: &SchemaRef, comments: &Comments) -> Result<Arc<dyn TableProvider>> {
        let mut rows: Vec<_> = comments.texts.iter().collect();
        rows.sort();
        let numbers = |numbers: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(numbers)) };
        let columns = schema.fields().iter().map(|field| {
            let values: ArrayRef = match field.name().as_str() {
                "objoid" => numbers(rows.iter().map(|((oid, _), _)| *oid).collect()),
                "objsubid" => numbers(rows.iter().map(|((_, place), _)| *place).collect()),
                "classoid" => numbers(vec![comments.relations; rows.len()]),
                _ => Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, text)| text))),
            };
            cast(&values, field.data_type())
        });
        let batch = RecordBatch::try_new(Arc::clone(schema), columns.collect::<std::result::Result<_, _>>()?)?;
        Ok(Arc::new(MemTable::try_new(Arc::clone(schema), vec![vec![batch]])?))
    }
}

#[async_trait]
impl SchemaProvider for WithComments {
    fn table_names(&self) -> Vec<String> {
        self.inner.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        // The library gives OIDs in the order in which things are asked for. This asks for all of them at once, whatever a
        // client begins with, so that they are the same on each of its connections.
        let comments = self.comments().await?;
        self.known.say(comments.texts.clone());
        match self.inner.table(name).await? {
            Some(table) if name == PG_DESCRIPTION => Ok(Some(self.described(&table.schema(), &comments)?)),
            other => Ok(other),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.inner.table_exist(name)
    }
}

/// `col_description(oid, place)` and `obj_description(oid, 'pg_class')`.
pub(super) fn functions(known: &Known) -> [ScalarUDF; 2] {
    let of_column = known.clone();
    let column = move |arguments: &[ColumnarValue]| {
        let [oids, places] = numbers(arguments)?;
        let pairs = oids.as_primitive::<Int64Type>().iter().zip(places.as_primitive::<Int64Type>().iter());
        Ok(texts(pairs.map(|(oid, place)| of_column.comment(oid?, place?))))
    };
    let of_table = known.clone();
    let table = move |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let oids = arrays[0].as_primitive::<Int64Type>();
        Ok(texts(oids.iter().map(|oid| of_table.comment(oid?, 0))))
    };
    let (number, text) = (DataType::Int64, DataType::Utf8);
    let one_or_two =
        vec![TypeSignature::Exact(vec![number.clone()]), TypeSignature::Exact(vec![number.clone(), text.clone()])];
    let signature = Signature::one_of(one_or_two, Volatility::Volatile);
    [
        create_udf(
            "col_description",
            vec![number.clone(), number],
            text.clone(),
            Volatility::Volatile,
            Arc::new(column),
        ),
        SimpleScalarUDF::new_with_signature("obj_description", signature, text, Arc::new(table)).into(),
    ]
}

fn numbers(arguments: &[ColumnarValue]) -> Result<[ArrayRef; 2]> {
    let arrays = ColumnarValue::values_to_arrays(arguments)?;
    Ok([Arc::clone(&arrays[0]), Arc::clone(&arrays[1])])
}

fn texts(values: impl Iterator<Item = Option<String>>) -> ColumnarValue {
    ColumnarValue::Array(Arc::new(values.collect::<StringArray>()))
}
