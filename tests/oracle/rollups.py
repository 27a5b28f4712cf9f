"""Counts again what rollups kept, from the records, with deltalake and DuckDB alone: no code of the project is involved."""
import json
import sys

import duckdb
from deltalake import DeltaTable

lake = sys.argv[1]
records = DeltaTable(f"{lake}/records").to_pyarrow_dataset()  # DuckDB reads both by their names
connection = duckdb.connect()
sums = []
for rollup in json.load(sys.stdin):
    kept_rows = DeltaTable(f"{lake}/{rollup['table']}").to_pyarrow_dataset()
    for name, sql in rollup["sums"].items():
        kept = connection.execute(f"SELECT coalesce(sum({name}), 0)::BIGINT FROM kept_rows").fetchone()[0]
        counted = connection.execute(
            f"SELECT coalesce({sql}, 0)::BIGINT FROM records WHERE disposition = 'accepted' AND ({rollup['when']})").fetchone()[0]
        sums.append({"table": rollup["table"], "name": name, "kept": kept, "counted": counted})
print(json.dumps(sums))
