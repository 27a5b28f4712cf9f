//! The values that a client binds: one row, in messages that it has put together.
//!
//! Arrow's reader believes what such messages state: how long a buffer is once it is unpacked, how many fields there are,
//! of which type. A stranger to the truth could make it ask for all memory that there is, or stop in the middle. So the
//! messages are looked at first, and what has no business among a statement's values is refused.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::ipc;
use arrow::ipc::reader::read_record_batch;
use arrow_flight::FlightData;
use credwatch_query::Params;
use flatbuffers::VerifierOptions;
use futures::{Stream, TryStreamExt};
use tonic::Status;

use super::refusal::refusal;
use crate::problem::Problem;

/// One with the columns and one with the row; clients may send empty ones beside them.
const MOST_MESSAGES: usize = 8;
const MOST_VALUES: usize = 1_000;

/// Reads the one row that there must be.
pub(super) async fn values(sent: impl Stream<Item = Result<FlightData, Status>>) -> Result<Params, Status> {
    let mut messages = Vec::new();
    futures::pin_mut!(sent);
    while let Some(message) = sent.try_next().await? {
        messages.extend(Some(message).filter(|message| !message.data_header.is_empty()));
        if messages.len() > MOST_MESSAGES {
            return Err(refusal(&bad("it comes in too many messages")));
        }
    }
    let row = row(&messages).map_err(|problem| refusal(&problem))?;
    Params::of_row(&row).map_err(|error| refusal(&error.into()))
}

fn bad(why: &str) -> Problem {
    Problem::bad_request("sql.parameter", format!("the row of values cannot be read: {why}"))
}

fn row(messages: &[FlightData]) -> Result<RecordBatch, Problem> {
    let [columns, row] = messages else {
        return Err(bad("a statement takes one row of values, in one message after that of its columns"));
    };
    let schema = schema(&columns.data_header)?;
    let message = message(&row.data_header)?;
    let batch = message.header_as_record_batch().ok_or_else(|| bad("the second message is no row"))?;
    check(batch, schema.fields().len(), row.data_body.len())?;
    let (body, version) = (Buffer::from(row.data_body.as_ref()), message.version());
    // What is left to go wrong is told as an error, or is a fault of the reader's.
    let read =
        std::panic::AssertUnwindSafe(|| read_record_batch(&body, batch, schema, &HashMap::new(), None, &version));
    match std::panic::catch_unwind(read) {
        Ok(Ok(row)) => Ok(row),
        Ok(Err(error)) => Err(bad(&error.to_string())),
        Err(_) => Err(bad("its parts do not fit together")),
    }
}

fn message(bytes: &[u8]) -> Result<ipc::Message<'_>, Problem> {
    let options = VerifierOptions {
        max_depth: 16,
        max_tables: 8 * MOST_VALUES,
        max_apparent_size: 1 << 20,
        ..Default::default()
    };
    ipc::root_as_message_with_opts(&options, bytes).map_err(|_| bad("a message is broken"))
}

/// Names and types, and nothing else that a schema can carry.
fn schema(bytes: &[u8]) -> Result<SchemaRef, Problem> {
    let message = message(bytes)?;
    let schema = message.header_as_schema().ok_or_else(|| bad("the first message has no columns"))?;
    let fields = schema.fields().ok_or_else(|| bad("there are no columns"))?;
    if fields.len() > MOST_VALUES {
        return Err(bad("there are too many columns"));
    }
    let fields = fields.iter().enumerate().map(|(place, field)| {
        let kind = kind(field).filter(|_| field.dictionary().is_none());
        let kind = kind.ok_or_else(|| bad("a value is not of a plain type"))?;
        Ok(Field::new((place + 1).to_string(), kind, true))
    });
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>, Problem>>()?)))
}

fn kind(field: ipc::Field<'_>) -> Option<DataType> {
    Some(match field.type_type() {
        ipc::Type::Null => DataType::Null,
        ipc::Type::Bool => DataType::Boolean,
        ipc::Type::Utf8 => DataType::Utf8,
        ipc::Type::LargeUtf8 => DataType::LargeUtf8,
        ipc::Type::Int => {
            let int = field.type_as_int()?;
            match (int.is_signed(), int.bitWidth()) {
                (true, 8) => DataType::Int8,
                (true, 16) => DataType::Int16,
                (true, 32) => DataType::Int32,
                (true, 64) => DataType::Int64,
                (false, 8) => DataType::UInt8,
                (false, 16) => DataType::UInt16,
                (false, 32) => DataType::UInt32,
                (false, 64) => DataType::UInt64,
                _ => return None,
            }
        }
        ipc::Type::FloatingPoint => match field.type_as_floating_point()?.precision() {
            ipc::Precision::SINGLE => DataType::Float32,
            ipc::Precision::DOUBLE => DataType::Float64,
            _ => return None,
        },
        ipc::Type::Date => match field.type_as_date()?.unit() {
            ipc::DateUnit::DAY => DataType::Date32,
            _ => return None,
        },
        ipc::Type::Timestamp => {
            let time = field.type_as_timestamp()?;
            let unit = match time.unit() {
                ipc::TimeUnit::SECOND => TimeUnit::Second,
                ipc::TimeUnit::MILLISECOND => TimeUnit::Millisecond,
                ipc::TimeUnit::MICROSECOND => TimeUnit::Microsecond,
                ipc::TimeUnit::NANOSECOND => TimeUnit::Nanosecond,
                _ => return None,
            };
            DataType::Timestamp(unit, time.timezone().map(Into::into))
        }
        _ => return None,
    })
}

/// One row of so many values, unpacked, whose buffers lie within the message.
fn check(batch: ipc::RecordBatch<'_>, columns: usize, bytes: usize) -> Result<(), Problem> {
    if batch.length() != 1 {
        return Err(bad("a statement takes one row of values at a time"));
    }
    if batch.compression().is_some() || batch.variadicBufferCounts().is_some_and(|counts| !counts.is_empty()) {
        return Err(bad("it is compressed"));
    }
    let nodes = batch.nodes().ok_or_else(|| bad("it is empty"))?;
    let is_one = |node: &ipc::FieldNode| node.length() == 1 && (0..=1).contains(&node.null_count());
    if nodes.len() != columns || !nodes.iter().all(is_one) {
        return Err(bad("its values do not fit its columns"));
    }
    let lies_within = |buffer: &ipc::Buffer| {
        let (from, length) = (usize::try_from(buffer.offset()).ok()?, usize::try_from(buffer.length()).ok()?);
        from.checked_add(length).filter(|end| *end <= bytes)
    };
    let buffers = batch.buffers().ok_or_else(|| bad("it is empty"))?;
    match buffers.iter().all(|buffer| lies_within(buffer).is_some()) {
        true => Ok(()),
        false => Err(bad("its buffers lie outside of it")),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        ArrayRef, Decimal128Array, DictionaryArray, Int64Array, ListArray, StringArray, StringViewArray,
    };
    use arrow::datatypes::{Int32Type, Int64Type};
    use arrow::ipc::writer::IpcWriteOptions;
    use arrow_flight::encode::{DictionaryHandling, FlightDataEncoderBuilder};
    use datafusion::scalar::ScalarValue;
    use futures::stream;

    use super::*;

    async fn sent(columns: Vec<ArrayRef>, options: IpcWriteOptions) -> Vec<FlightData> {
        let named = columns.into_iter().zip('a'..).map(|(column, name)| (name.to_string(), column, true));
        let row = RecordBatch::try_from_iter_with_nullable(named).unwrap();
        let encoder = FlightDataEncoderBuilder::new()
            .with_options(options)
            .with_dictionary_handling(DictionaryHandling::Resend)
            .with_schema(row.schema());
        encoder.build(stream::iter([Ok(row)])).try_collect().await.unwrap()
    }

    async fn of(columns: Vec<ArrayRef>) -> Vec<FlightData> {
        sent(columns, IpcWriteOptions::default()).await
    }

    async fn read(messages: Vec<FlightData>) -> Result<Params, Status> {
        values(stream::iter(messages.into_iter().map(Ok))).await
    }

    fn number() -> ArrayRef {
        Arc::new(Int64Array::from(vec![7]))
    }

    #[tokio::test]
    async fn a_row_of_plain_values_is_read() {
        let text: ArrayRef = Arc::new(StringArray::from(vec![Some("it's")]));
        let nothing: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>]));
        let expected =
            vec![ScalarValue::Int64(Some(7)), ScalarValue::Utf8(Some("it's".into())), ScalarValue::Utf8(None)];
        assert_eq!(read(of(vec![number(), text, nothing]).await).await.unwrap(), Params::Positional(expected));
    }

    #[tokio::test]
    async fn what_has_no_business_among_values_is_refused() {
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1)])]);
        let dictionary = DictionaryArray::<Int32Type>::from_iter(["x"]);
        let columns: [ArrayRef; 5] = [
            Arc::new(list),
            Arc::new(dictionary),
            Arc::new(Decimal128Array::from(vec![1])),
            Arc::new(StringViewArray::from(vec!["x"])),
            Arc::new(Int64Array::from(vec![1, 2])),
        ];
        for column in columns {
            let kind = column.data_type().clone();
            assert!(read(of(vec![column]).await).await.is_err(), "{kind}");
        }
        assert!(read(Vec::new()).await.is_err());
        let twice = [of(vec![number()]).await, of(vec![number()]).await].concat();
        assert!(read(twice).await.is_err());
        let endless = of(vec![number()]).await[1].clone();
        assert!(read(vec![endless; 1_000]).await.is_err());
    }

    #[tokio::test]
    async fn nothing_is_unpacked() {
        for kind in [ipc::CompressionType::LZ4_FRAME, ipc::CompressionType::ZSTD] {
            let options = IpcWriteOptions::default().try_with_compression(Some(kind)).unwrap();
            let text: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(10_000)]));
            let refused = read(sent(vec![text], options).await).await.unwrap_err();
            assert!(refused.message().contains("compressed"), "{refused}");
        }
    }

    /// Whatever a client changes, cuts or mixes: an error, and the process goes on.
    #[tokio::test]
    async fn a_message_that_lies_is_an_error_and_nothing_worse() {
        let honest = of(vec![number(), Arc::new(StringArray::from(vec!["some text"]))]).await;
        let other = of(vec![Arc::new(StringArray::from(vec!["x"]))]).await;
        for (place, message) in honest.iter().enumerate() {
            for byte in 0..message.data_header.len() {
                for flip in [0x01, 0x40, 0x80, 0xff] {
                    let mut header = message.data_header.to_vec();
                    header[byte] ^= flip;
                    let mut changed = honest.clone();
                    changed[place].data_header = header.into();
                    drop(read(changed).await);
                }
            }
        }
        let body = honest[1].data_body.clone();
        for length in 0..body.len() {
            let mut cut = honest.clone();
            cut[1].data_body = body.slice(..length);
            drop(read(cut).await);
        }
        assert!(read(vec![other[0].clone(), honest[1].clone()]).await.is_err());
        assert!(read(vec![honest[1].clone(), honest[0].clone()]).await.is_err());
    }
}
