//! Footers of data files, remembered: a file never changes, and reading what lies where in it costs as much as reading
//! the rows of a small one. Every reader of a table shares them, queries and detectors alike.

use std::sync::Arc;

use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::error::Result;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::execution::cache::default_cache::DefaultCache;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;

use crate::table_name::TableName;

/// The footers of one table's files; those that were asked for last, as far as there is room.
#[derive(Clone)]
pub(crate) struct Footers(Arc<FileMetadataCache>);

/// `records` has some seventy columns, and so footers of some 50 kB.
const ROOM_OF_RECORDS: usize = 24 << 20;
const ROOM_OF_OTHERS: usize = 1 << 20;

impl Footers {
    pub(crate) fn of(table: &TableName) -> Self {
        let room = if *table == TableName::Records { ROOM_OF_RECORDS } else { ROOM_OF_OTHERS };
        Self(Arc::new(DefaultCache::new(room)))
    }

    /// What reads files with their help.
    pub(crate) fn readers(&self, runtime: &RuntimeEnv) -> Result<Arc<CachedParquetFileReaderFactory>> {
        let store = runtime.object_store(ObjectStoreUrl::local_filesystem())?;
        Ok(Arc::new(CachedParquetFileReaderFactory::new(store, Arc::clone(&self.0))))
    }
}

impl std::fmt::Debug for Footers {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Footers").field("room", &self.0.cache_limit()).finish_non_exhaustive()
    }
}
