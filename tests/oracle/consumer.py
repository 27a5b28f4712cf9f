"""A straightforward consumer to be measured against: confluent-kafka, json.loads, one append to Delta per 50,000 events."""
import json
import resource
import sys
import time

import pyarrow
from confluent_kafka import Consumer
from deltalake import write_deltalake

brokers, topic, wanted, table = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
begin = time.monotonic()
consumer = Consumer({"bootstrap.servers": brokers, "group.id": "python", "auto.offset.reset": "earliest", "enable.auto.commit": False})
consumer.subscribe([topic])
schema, rows, seen = None, [], 0


def flush():
    global schema, rows
    batch = pyarrow.Table.from_pylist(rows, schema=schema)
    schema = batch.schema
    write_deltalake(table, batch, mode="append", schema_mode="merge" if seen > len(rows) else None)
    consumer.commit(asynchronous=False)
    rows = []


while seen < wanted:
    for message in consumer.consume(num_messages=10_000, timeout=5):
        event = json.loads(message.value())
        rows.append({key: value if isinstance(value, (str, int, float, bool, type(None))) else json.dumps(value) for key, value in event.items()})
        seen += 1
    if len(rows) >= 50_000 or seen >= wanted:
        flush()
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "events": seen, "wall": time.monotonic() - begin, "cpu": used.ru_utime + used.ru_stime, "peak_mib": used.ru_maxrss / 1024,
}))
