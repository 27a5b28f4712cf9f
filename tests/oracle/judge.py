"""Counts what a table of records holds, with deltalake and DuckDB alone: no code of the project is involved."""
import json
import sys

import duckdb
from deltalake import DeltaTable

table = DeltaTable(sys.argv[1])
records = table.to_pyarrow_dataset()  # DuckDB reads it by its name
connection = duckdb.connect()
rows = connection.execute("""
    SELECT count(*), count(*) FILTER (disposition = 'accepted'), count(*) FILTER (disposition = 'rejected'),
           count(*) FILTER (disposition = 'duplicate'), min(seq), max(seq), count(DISTINCT seq)
    FROM records""").fetchone()
position = "kafka_topic, kafka_topic_id, kafka_partition, kafka_offset"
count = lambda select: connection.execute(f"SELECT count(*) FROM ({select})").fetchone()[0]
if rows[0] != rows[6]:
    sys.exit(f"{rows[0]} rows have only {rows[6]} different seq")
print(json.dumps({
    "rows": rows[0], "accepted": rows[1], "rejected": rows[2], "duplicates": rows[3],
    "positions": count(f"SELECT DISTINCT {position}, kafka_index FROM records"),
    "offsets": count(f"SELECT DISTINCT {position} FROM records"),
    "identities": count("SELECT DISTINCT source, org_id, event_id, content_hash FROM records WHERE disposition = 'accepted'"),
    "lowest_seq": rows[4], "highest_seq": rows[5],
    "logged_seq": table.transaction_version("seq"),
}))
