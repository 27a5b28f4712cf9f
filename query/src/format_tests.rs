use super::*;
use credwatch_schemas::records::UNDATED;
use datafusion::arrow::array::new_null_array;
use datafusion::prelude::{DataFrame, SessionContext, lit};

async fn answer(sql: &str) -> (SchemaRef, Vec<RecordBatch>) {
    answer_of(SessionContext::new().sql(sql).await.unwrap()).await
}

async fn answer_of(rows: DataFrame) -> (SchemaRef, Vec<RecordBatch>) {
    let schema = Arc::new(rows.schema().as_arrow().clone());
    (schema, rows.collect().await.unwrap())
}

async fn text(format: OutputFormat, sql: &str) -> String {
    let (schema, batches) = answer(sql).await;
    String::from_utf8(write(format, &schema, &batches).unwrap()).unwrap()
}

const ROW: &str = "SELECT 'a,\"b\"' AS t, CAST(NULL AS BIGINT) AS n, \
    arrow_cast('2026-06-01T09:14:03.221', 'Timestamp(Microsecond, Some(\"UTC\"))') AS at, \
    arrow_cast('2026-06-01T09:14:03.221', 'Timestamp(Nanosecond, None)') AS bare, [1, NULL] AS list, \
    named_struct('x', 1, 'y', 'q\"') AS s";

#[tokio::test]
async fn ndjson_shows_every_column_and_utc() {
    assert_eq!(
        text(OutputFormat::Ndjson, ROW).await,
        "{\"t\":\"a,\\\"b\\\"\",\"n\":null,\"at\":\"2026-06-01T09:14:03.221000Z\",\
         \"bare\":\"2026-06-01T09:14:03.221000Z\",\"list\":[1,null],\"s\":{\"x\":1,\"y\":\"q\\\"\"}}\n"
    );
}

#[tokio::test]
async fn csv_writes_what_is_nested_as_json() {
    assert_eq!(
        text(OutputFormat::Csv, ROW).await,
        "t,n,at,bare,list,s\n\"a,\"\"b\"\"\",,2026-06-01T09:14:03.221000Z,2026-06-01T09:14:03.221000Z,\
         \"[1,null]\",\"{\"\"x\"\":1,\"\"y\"\":\"\"q\\\"\"\"\"}\"\n"
    );
}

#[tokio::test]
async fn an_empty_answer_still_has_its_shape() {
    let none = "SELECT 1 AS a, 'x' AS b WHERE false";
    assert_eq!(text(OutputFormat::Csv, none).await, "a,b\n");
    assert_eq!(text(OutputFormat::Json, none).await, "[]\n");
    assert_eq!(text(OutputFormat::Ndjson, none).await, "");
    assert!(text(OutputFormat::Table, none).await.contains("| a | b |"));
}

#[tokio::test]
async fn a_table_is_never_cut() {
    let long = "x".repeat(5_000);
    let rows = SessionContext::new().read_empty().unwrap().select([lit(&long).alias("t")]).unwrap();
    let (schema, batches) = answer_of(rows).await;
    let table = String::from_utf8(write(OutputFormat::Table, &schema, &batches).unwrap()).unwrap();
    assert!(table.contains(&long));
}

#[test]
fn every_column_of_a_record_can_be_written_in_every_format() {
    let fields: Vec<Field> = UNDATED.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let columns = fields.iter().map(|field| new_null_array(field.data_type(), 2)).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    for format in [OutputFormat::Table, OutputFormat::Csv, OutputFormat::Json, OutputFormat::Ndjson] {
        assert!(!write(format, &UNDATED, std::slice::from_ref(&batch)).unwrap().is_empty());
    }
}
