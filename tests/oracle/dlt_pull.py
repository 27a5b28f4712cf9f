"""Pulls events with dlt, as docs/pull.md shows it, into a DuckDB file in a folder: what came since the last run, from the
server whose address stands on stdin.

Prints the record ids that the table holds, as a JSON list in the order of seq."""
import json
import os
import sys

folder, url = sys.argv[1], sys.stdin.read()
os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", DLT_DATA_DIR=folder)

import dlt
from dlt.sources.rest_api import rest_api_source

source = rest_api_source({
    "client": {"base_url": url},
    "resources": [{
        "name": "events",
        "primary_key": "record_id",
        "write_disposition": "merge",
        "endpoint": {
            "path": "v1/events",
            "data_selector": "items",
            "paginator": {"type": "cursor", "cursor_path": "next_cursor", "cursor_param": "cursor"},
            "params": {"since": "{incremental.start_value}"},
            "incremental": {"cursor_path": "ingest_time", "initial_value": "2020-01-01T00:00:00Z"},
        },
    }],
})
destination = dlt.destinations.duckdb(f"{folder}/pulled.duckdb")
pipeline = dlt.pipeline("siem", pipelines_dir=folder, destination=destination, dataset_name="siem_rows")
pipeline.run(source)
with pipeline.sql_client() as client:
    print(json.dumps([row[0] for row in client.execute_sql("SELECT record_id FROM events ORDER BY seq")]))
