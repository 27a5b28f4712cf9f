//! Rows on their way into Arrow columns, in the schema `UNDATED`.
//!
//! A row touches only the columns that it fills: a column that lags behind is filled up with nulls when it is next
//! written to, or when the rows are taken. Most events set a third of the fields.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Float64Builder, Int32Builder, Int64Builder, ListArray,
    MapArray, RecordBatch, StringBuilder, StructArray, TimestampMicrosecondBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, FieldRef};
use arrow::error::ArrowError;
use credwatch_schemas::event::{FIELDS, Shape, step_fields, text_map};
use credwatch_schemas::position::Partition;
use credwatch_schemas::records::{Disposition, UNDATED};
use credwatch_schemas::reject::Reason;
use credwatch_schemas::time::Micros;

use crate::draft::Draft;
use crate::field::{ATTRIBUTES, EVENT_ID, ORG_ID, SOURCE, TIME};
use crate::rejection::Known;
use crate::typed::{StepValue, Value};

/// What a row costs in memory besides its texts: a few bytes in each column.
const BYTES_PER_ROW: usize = 64 + 5 * FIELDS.len();

/// Where a row stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) partition: &'a Partition,
    pub(crate) offset: i64,
    pub(crate) index: i32,
}

/// What is stored of a record that did not become an event.
#[derive(Debug)]
pub(crate) struct Reject<'a> {
    pub(crate) arrival: Micros,
    pub(crate) content_hash: Option<i64>,
    pub(crate) reason: Reason,
    pub(crate) detail: &'a str,
    pub(crate) raw: Option<&'a [u8]>,
    pub(crate) known: &'a Known,
    pub(crate) attributes: &'a [(Cow<'a, str>, Cow<'a, str>)],
}

#[derive(Debug)]
pub(crate) struct Columns {
    rows: usize,
    bytes: usize,
    disposition: StringBuilder,
    date: Date32Builder,
    topic: StringBuilder,
    topic_id: StringBuilder,
    partition: Int32Builder,
    offset: Int64Builder,
    index: Int32Builder,
    content_hash: Int64Builder,
    reason: StringBuilder,
    detail: StringBuilder,
    raw: BinaryBuilder,
    /// In the order of `FIELDS`.
    fields: Vec<Column>,
}

impl Columns {
    pub(crate) fn new() -> Self {
        Self {
            rows: 0,
            bytes: 0,
            disposition: StringBuilder::new(),
            date: Date32Builder::new(),
            topic: StringBuilder::new(),
            topic_id: StringBuilder::new(),
            partition: Int32Builder::new(),
            offset: Int64Builder::new(),
            index: Int32Builder::new(),
            content_hash: Int64Builder::new(),
            reason: StringBuilder::new(),
            detail: StringBuilder::new(),
            raw: BinaryBuilder::new(),
            fields: FIELDS.iter().map(|field| Column::of(field.shape)).collect(),
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// About as many bytes as the rows hold in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A draft that passed all checks; its day is that of its time.
    pub(crate) fn push_event(&mut self, place: Place<'_>, time: Micros, content_hash: i64, draft: &Draft<'_>) {
        self.begin_row(place, Disposition::Accepted, time);
        self.content_hash.append_value(content_hash);
        self.reason.append_null();
        self.detail.append_null();
        self.raw.append_null();
        for (index, value) in draft.values() {
            self.bytes += self.fields[*index].append(self.rows, value);
        }
        self.append_attributes(draft.attributes());
        self.rows += 1;
    }

    fn append_attributes(&mut self, attributes: &[(Cow<'_, str>, Cow<'_, str>)]) {
        if let (Column::Map(map), false) = (&mut self.fields[ATTRIBUTES], attributes.is_empty()) {
            self.bytes += map.append(self.rows, attributes);
        }
    }

    /// Its day is that of its arrival: its time may be anything.
    pub(crate) fn push_reject(&mut self, place: Place<'_>, reject: &Reject<'_>) {
        self.begin_row(place, Disposition::Rejected, reject.arrival);
        self.content_hash.append_option(reject.content_hash);
        self.reason.append_value(reject.reason.as_str());
        self.detail.append_value(reject.detail);
        self.raw.append_option(reject.raw);
        self.bytes += reject.detail.len() + reject.raw.map_or(0, <[u8]>::len);
        let Known { time, org_id, source, event_id } = reject.known;
        let texts = [(ORG_ID, org_id), (SOURCE, source), (EVENT_ID, event_id)];
        for (index, text) in texts.into_iter().filter_map(|(index, text)| Some((index, text.as_deref()?))) {
            self.bytes += self.fields[index].append(self.rows, &Value::Text(text.into()));
        }
        if let Some(time) = time {
            self.bytes += self.fields[TIME].append(self.rows, &Value::Time(*time));
        }
        self.append_attributes(reject.attributes);
        self.rows += 1;
    }

    fn begin_row(&mut self, place: Place<'_>, disposition: Disposition, day: Micros) {
        self.disposition.append_value(disposition.as_str());
        self.date.append_value(day.utc_day());
        self.topic.append_value(&place.partition.topic);
        self.topic_id.append_value(&place.partition.topic_id);
        self.partition.append_value(place.partition.partition);
        self.offset.append_value(place.offset);
        self.index.append_value(place.index);
        self.bytes += BYTES_PER_ROW + place.partition.topic.len() + place.partition.topic_id.len();
    }

    /// All rows; none are left.
    pub(crate) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(self.disposition.finish()),
            Arc::new(self.date.finish()),
            Arc::new(self.topic.finish()),
            Arc::new(self.topic_id.finish()),
            Arc::new(self.partition.finish()),
            Arc::new(self.offset.finish()),
            Arc::new(self.index.finish()),
            Arc::new(self.content_hash.finish()),
            Arc::new(self.reason.finish()),
            Arc::new(self.detail.finish()),
            Arc::new(self.raw.finish()),
        ];
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        for column in &mut self.fields {
            arrays.push(column.finish(rows)?);
        }
        RecordBatch::try_new(UNDATED.clone(), arrays)
    }
}

/// One field of the event.
#[derive(Debug)]
enum Column {
    Text(StringBuilder),
    Int64(Int64Builder),
    Int32(Int32Builder),
    Float64(Float64Builder),
    Bool(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
    Texts(Texts),
    Steps(Box<Steps>),
    Map(Map),
}

/// Fills a builder of scalars up with nulls to `$rows` rows.
macro_rules! pad {
    ($builder:expr, $rows:expr) => {{
        use arrow::array::ArrayBuilder;
        let missing = $rows - $builder.len();
        if missing > 0 {
            $builder.append_nulls(missing);
        }
    }};
}

impl Column {
    fn of(shape: Shape) -> Self {
        match shape {
            Shape::Text => Self::Text(StringBuilder::new()),
            Shape::Int64 => Self::Int64(Int64Builder::new()),
            Shape::Int32 => Self::Int32(Int32Builder::new()),
            Shape::Float64 => Self::Float64(Float64Builder::new()),
            Shape::Bool => Self::Bool(BooleanBuilder::new()),
            Shape::Time => Self::Time(times()),
            Shape::TextList => Self::Texts(Texts::default()),
            Shape::Steps => Self::Steps(Box::default()),
            Shape::TextMap => Self::Map(Map::default()),
        }
    }

    /// Appends the value of row `row`; returns the bytes that it takes beyond its fixed width. A value of another
    /// type, which no reader makes, leaves the cell null.
    fn append(&mut self, row: usize, value: &Value<'_>) -> usize {
        self.pad(row);
        match (self, value) {
            (Self::Text(texts), Value::Text(text)) => {
                texts.append_value(text);
                return text.len();
            }
            (Self::Int64(numbers), Value::Int64(number)) => numbers.append_value(*number),
            (Self::Int32(numbers), Value::Int32(number)) => numbers.append_value(*number),
            (Self::Float64(numbers), Value::Float64(number)) => numbers.append_value(*number),
            (Self::Bool(bools), Value::Bool(value)) => bools.append_value(*value),
            (Self::Time(times), Value::Time(time)) => times.append_value(time.0),
            (Self::Texts(lists), Value::Texts(texts)) => return lists.append(texts),
            (Self::Steps(lists), Value::Steps(steps)) => return lists.append(steps),
            _ => {}
        }
        0
    }

    fn pad(&mut self, rows: usize) {
        match self {
            Self::Text(builder) => pad!(builder, rows),
            Self::Int64(builder) => pad!(builder, rows),
            Self::Int32(builder) => pad!(builder, rows),
            Self::Float64(builder) => pad!(builder, rows),
            Self::Bool(builder) => pad!(builder, rows),
            Self::Time(builder) => pad!(builder, rows),
            Self::Texts(lists) => lists.spans.pad(rows),
            Self::Steps(lists) => lists.spans.pad(rows),
            Self::Map(map) => map.spans.pad(rows),
        }
    }

    fn finish(&mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        self.pad(rows);
        Ok(match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Int64(builder) => Arc::new(builder.finish()),
            Self::Int32(builder) => Arc::new(builder.finish()),
            Self::Float64(builder) => Arc::new(builder.finish()),
            Self::Bool(builder) => Arc::new(builder.finish()),
            Self::Time(builder) => Arc::new(builder.finish()),
            Self::Texts(lists) => lists.finish()?,
            Self::Steps(lists) => lists.finish()?,
            Self::Map(map) => map.finish()?,
        })
    }
}

fn times() -> TimestampMicrosecondBuilder {
    TimestampMicrosecondBuilder::new().with_timezone("UTC")
}

/// Which of the children belong to which row of a list or map.
#[derive(Debug, Default)]
struct Spans {
    /// The number of children up to the end of each row.
    ends: Vec<i32>,
    present: Vec<bool>,
}

impl Spans {
    fn pad(&mut self, rows: usize) {
        let end = self.ends.last().copied().unwrap_or(0);
        self.ends.resize(rows, end);
        self.present.resize(rows, false);
    }

    fn add(&mut self, children: usize) {
        let end = self.ends.last().copied().unwrap_or(0);
        self.ends.push(end.saturating_add(i32::try_from(children).unwrap_or(i32::MAX)));
        self.present.push(true);
    }

    fn finish(&mut self) -> (OffsetBuffer<i32>, Option<NullBuffer>) {
        let mut offsets = vec![0];
        offsets.append(&mut self.ends);
        let nulls = NullBuffer::from(std::mem::take(&mut self.present));
        (OffsetBuffer::new(ScalarBuffer::from(offsets)), Some(nulls).filter(|nulls| nulls.null_count() > 0))
    }
}

#[derive(Debug, Default)]
struct Texts {
    spans: Spans,
    texts: StringBuilder,
}

impl Texts {
    fn append<T: AsRef<str>>(&mut self, texts: &[Option<T>]) -> usize {
        let mut bytes = 0;
        for text in texts {
            let text = text.as_ref().map(AsRef::as_ref);
            self.texts.append_option(text);
            bytes += 4 + text.map_or(0, str::len);
        }
        self.spans.add(texts.len());
        bytes
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let (offsets, nulls) = self.spans.finish();
        let element = inner(Shape::TextList)?;
        Ok(Arc::new(ListArray::try_new(element, offsets, Arc::new(self.texts.finish()), nulls)?))
    }
}

#[derive(Debug)]
struct Steps {
    spans: Spans,
    names: StringBuilder,
    times: TimestampMicrosecondBuilder,
    outcomes: StringBuilder,
    connections: StringBuilder,
    orgs: StringBuilder,
}

impl Default for Steps {
    fn default() -> Self {
        let [names, outcomes, connections, orgs] = [(); 4].map(|()| StringBuilder::new());
        Self { spans: Spans::default(), names, times: times(), outcomes, connections, orgs }
    }
}

impl Steps {
    fn append(&mut self, steps: &[StepValue<'_>]) -> usize {
        let mut bytes = 0;
        for step in steps {
            let StepValue { name, time, outcome, connection_id, org_id } = step;
            let texts = [
                (&mut self.names, name),
                (&mut self.outcomes, outcome),
                (&mut self.connections, connection_id),
                (&mut self.orgs, org_id),
            ];
            for (builder, text) in texts {
                builder.append_option(text.as_deref());
                bytes += 4 + text.as_deref().map_or(0, str::len);
            }
            self.times.append_option(time.map(|time| time.0));
            bytes += 8;
        }
        self.spans.add(steps.len());
        bytes
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let (offsets, nulls) = self.spans.finish();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.names.finish()),
            Arc::new(self.times.finish()),
            Arc::new(self.outcomes.finish()),
            Arc::new(self.connections.finish()),
            Arc::new(self.orgs.finish()),
        ];
        let steps = StructArray::try_new(step_fields(), columns, None)?;
        Ok(Arc::new(ListArray::try_new(inner(Shape::Steps)?, offsets, Arc::new(steps), nulls)?))
    }
}

#[derive(Debug, Default)]
struct Map {
    spans: Spans,
    keys: StringBuilder,
    values: StringBuilder,
}

impl Map {
    fn append<T: AsRef<str>>(&mut self, row: usize, pairs: &[(T, T)]) -> usize {
        self.spans.pad(row);
        let mut bytes = 0;
        for (key, value) in pairs {
            let (key, value) = (key.as_ref(), value.as_ref());
            self.keys.append_value(key);
            self.values.append_value(value);
            bytes += 8 + key.len() + value.len();
        }
        self.spans.add(pairs.len());
        bytes
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let (offsets, nulls) = self.spans.finish();
        let entry = inner(Shape::TextMap)?;
        let DataType::Struct(fields) = entry.data_type().clone() else { return Err(not_nested()) };
        let columns: Vec<ArrayRef> = vec![Arc::new(self.keys.finish()), Arc::new(self.values.finish())];
        let entries = StructArray::try_new(fields, columns, None)?;
        Ok(Arc::new(MapArray::try_new(entry, offsets, entries, nulls, false)?))
    }
}

/// The field inside a list or map, as the schema has it.
fn inner(shape: Shape) -> Result<FieldRef, ArrowError> {
    let outer = if shape == Shape::TextMap { text_map() } else { shape.arrow() };
    match outer {
        DataType::List(field) | DataType::Map(field, _) => Ok(field),
        _ => Err(not_nested()),
    }
}

fn not_nested() -> ArrowError {
    ArrowError::SchemaError("a list or map is expected".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray};

    fn place(partition: &Partition) -> Place<'_> {
        Place { partition, offset: 7, index: 2 }
    }

    fn partition() -> Partition {
        Partition { topic: "audit".into(), topic_id: "t1".into(), partition: 3 }
    }

    /// One value of each shape, in every field.
    fn full_draft() -> Draft<'static> {
        let mut draft = Draft::new();
        for (index, field) in FIELDS.iter().enumerate() {
            match field.shape {
                Shape::Text => draft.set(index, Value::Text(field.name.into())),
                Shape::Int64 => draft.set(index, Value::Int64(64)),
                Shape::Int32 => draft.set(index, Value::Int32(32)),
                Shape::Float64 => draft.set(index, Value::Float64(0.5)),
                Shape::Bool => draft.set(index, Value::Bool(true)),
                Shape::Time => draft.set(index, Value::Time(Micros(5))),
                Shape::TextList => draft.set(index, Value::Texts(vec![Some("a".into()), None])),
                Shape::Steps => {
                    let step = StepValue { name: Some("auth".into()), time: Some(Micros(9)), ..StepValue::default() };
                    draft.set(index, Value::Steps(vec![step]));
                }
                Shape::TextMap => draft.keep("key", crate::json::Json::Text("value".into())),
            }
        }
        draft
    }

    #[test]
    fn every_field_of_an_event_arrives_in_its_column() {
        let (mut columns, partition) = (Columns::new(), partition());
        columns.push_event(place(&partition), Micros(5), 1, &Draft::new());
        columns.push_event(place(&partition), Micros(5), 1, &full_draft());
        columns.push_event(place(&partition), Micros(5), 1, &Draft::new());
        let rows = columns.take().unwrap();
        assert_eq!(rows.schema(), *UNDATED);
        for field in FIELDS {
            let column = &rows[field.name];
            assert_eq!([0, 1, 2].map(|row| column.is_null(row)), [true, false, true], "{}", field.name);
        }
        assert_eq!(rows["user_agent"].as_string::<i32>().value(1), "user_agent");
        assert_eq!(rows["attributes"].as_map().value(1).column(1).as_string::<i32>().value(0), "value");
        assert_eq!(rows["scopes_granted"].as_list::<i32>().value(1).len(), 2);
        assert_eq!(rows["steps"].as_list::<i32>().value(1).as_struct().column(0).as_string::<i32>().value(0), "auth");
    }

    #[test]
    fn columns_can_be_taken_again_and_again() {
        let (mut columns, partition) = (Columns::new(), partition());
        for _ in 0..2 {
            assert_eq!(columns.take().unwrap().num_rows(), 0);
            columns.push_event(place(&partition), Micros(5), 1, &full_draft());
            assert!(columns.bytes() > BYTES_PER_ROW);
            assert_eq!(columns.take().unwrap().num_rows(), 1);
            assert_eq!((columns.rows(), columns.bytes()), (0, 0));
        }
    }

    #[test]
    fn a_reject_keeps_what_is_known() {
        let (mut columns, partition) = (Columns::new(), partition());
        let known = Known { time: Some(Micros(5)), org_id: Some("o".into()), source: None, event_id: Some("e".into()) };
        let reject = Reject {
            arrival: Micros(0),
            content_hash: None,
            reason: Reason::NoKind,
            detail: "it has no kind",
            raw: Some(b"{}"),
            known: &known,
            attributes: &[],
        };
        columns.push_reject(place(&partition), &reject);
        let rows = columns.take().unwrap();
        let text =
            |name: &str| rows[name].as_string::<i32>().is_valid(0).then(|| rows[name].as_string::<i32>().value(0));
        assert_eq!(["org_id", "source", "event_id", "reason"].map(text), [Some("o"), None, Some("e"), Some("no_kind")]);
        assert_eq!(rows["raw"].as_binary::<i32>().value(0), b"{}");
    }
}
