//! Files of one table version, as a rule all active ones, as a DataFusion table.
//!
//! It is a plain Parquet scan over files that the log names: partition values are columns, files that cannot match are
//! never opened, row counts and bounds come from the log, and the order of the rows inside each file is declared.
//! Everything else (row groups, pages, bloom filters, late materialisation) is DataFusion's own.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use credwatch_schemas::records::SORT_ORDER;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, Result, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::object_store::ObjectMeta;
use datafusion::object_store::path::Path;
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use crate::data_file::DataFile;
use crate::file_statistics::{file_statistics, prune};
use crate::footers::Footers;

/// Above this many files in one scan their bounds cost more memory than they save work.
const MOST_FILES_WITH_STATISTICS: usize = 512;

/// So many bytes of a file are read at once in search of its footer; most small files fit in.
const FOOTER_BYTES: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct FilesProvider {
    folder: PathBuf,
    /// Columns of the files, then the partition columns.
    schema: SchemaRef,
    partition_columns: usize,
    sorted: bool,
    files: Vec<Arc<DataFile>>,
    footers: Footers,
}

impl FilesProvider {
    pub(crate) fn new(
        folder: PathBuf,
        schema: SchemaRef,
        partition_columns: usize,
        sorted: bool,
        files: Vec<Arc<DataFile>>,
        footers: Footers,
    ) -> Self {
        Self { folder, schema, partition_columns, sorted, files, footers }
    }

    fn table_schema(&self) -> TableSchema {
        let (in_files, in_path) = self.schema.fields().split_at(self.schema.fields().len() - self.partition_columns);
        TableSchema::builder(Arc::new(Schema::new(in_files.to_vec())))
            .with_table_partition_cols(in_path.to_vec())
            .build()
    }

    fn matching(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<Arc<DataFile>>> {
        let Some(filter) = conjunction(filters.iter().cloned()) else { return Ok(self.files.clone()) };
        let qualified = DFSchema::try_from(Arc::clone(&self.schema))?;
        let predicate = state.create_physical_expr(filter, &qualified)?;
        prune(predicate, &self.schema, &self.files)
    }

    fn partitioned(&self, file: &DataFile, with_statistics: bool) -> Result<PartitionedFile> {
        let location = Path::from_absolute_path(self.folder.join(file.path.as_ref()))?;
        let last_modified = chrono::DateTime::from_timestamp_millis(file.modified_ms).unwrap_or_default();
        let meta = ObjectMeta { location, last_modified, size: file.bytes, e_tag: None, version: None };
        let in_files = self.schema.fields().len() - self.partition_columns;
        let mut values = Vec::with_capacity(self.partition_columns);
        for field in &self.schema.fields()[in_files..] {
            values.push(match file.partition_value(field.name()) {
                Some(text) => ScalarValue::try_from_string(text.to_owned(), field.data_type())?,
                None => ScalarValue::try_from(field.data_type())?,
            });
        }
        let partitioned = PartitionedFile::new_from_meta(meta).with_partition_values(values);
        if !with_statistics {
            return Ok(partitioned);
        }
        Ok(partitioned.with_statistics(Arc::new(file_statistics(file, &self.schema.fields()[..in_files])?)))
    }

    fn ordering(&self) -> Result<Vec<LexOrdering>> {
        if !self.sorted {
            return Ok(Vec::new());
        }
        let options = SortOptions { descending: false, nulls_first: false };
        let sort = |name: &&str| Ok(PhysicalSortExpr::new(col(name, &self.schema)?, options));
        let columns: Vec<PhysicalSortExpr> = SORT_ORDER.iter().map(sort).collect::<Result<_>>()?;
        Ok(LexOrdering::new(columns).into_iter().collect())
    }

    fn totals(&self, files: &[Arc<DataFile>]) -> Statistics {
        let mut totals = Statistics::new_unknown(&self.schema);
        let rows: Option<u64> = files.iter().map(|file| file.rows).sum();
        if let Some(rows) = rows.and_then(|rows| usize::try_from(rows).ok()) {
            totals.num_rows = Precision::Exact(rows);
        }
        totals
    }
}

#[async_trait]
impl TableProvider for FilesProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Files that cannot match are left out, rows are not: the plan keeps its filter and pushes it into the scan.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = self.matching(state, filters)?;
        if files.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema.project(columns)?),
                None => Arc::clone(&self.schema),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let with_statistics = files.len() <= MOST_FILES_WITH_STATISTICS;
        let named: Vec<PartitionedFile> =
            files.iter().map(|file| self.partitioned(file, with_statistics)).collect::<Result<_>>()?;
        let source = ParquetSource::new(self.table_schema())
            .with_parquet_file_reader_factory(self.footers.readers(state.runtime_env())?)
            .with_metadata_size_hint(FOOTER_BYTES)
            .with_pushdown_filters(true)
            .with_reorder_filters(true)
            .with_enable_page_index(true)
            .with_bloom_filter_on_read(true);
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
            .with_file_groups(FileGroup::new(named).split_files(state.config().target_partitions()))
            .with_statistics(self.totals(&files))
            .with_output_ordering(self.ordering()?)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
