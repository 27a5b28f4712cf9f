"""What DuckDB needs to make one Parquet file of a file of events, on one thread: `convert.py EVENTS.ndjson OUT.parquet`.

Prints events, wall and CPU seconds and the peak of memory. It is the yardstick of the machine: no Kafka, no commit, no identity."""
import json
import resource
import sys
import time

import duckdb

source, out = sys.argv[1:]
connection = duckdb.connect(config={"threads": 1})
begin, cpu = time.perf_counter(), time.process_time()
connection.execute(f"COPY (SELECT * FROM read_json('{source}', sample_size = 2000)) TO '{out}' (FORMAT parquet, COMPRESSION zstd)")
wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
events = connection.execute(f"SELECT count(*) FROM '{out}'").fetchone()[0]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"events": events, "wall": wall, "cpu": cpu, "peak_mib": peak}))
