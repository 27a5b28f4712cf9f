"""Reads what was exported with readers that share no code with the project: `lines.py cef|otlp`, a row each on stdin.

Prints what they made of the rows, as one JSON array; a row that they cannot read ends it with the reason."""
import json
import sys


def cef(line):
    import pycef

    read = pycef.parse(line)
    if read is None:
        raise ValueError("no CEF")
    return read


def otlp(line):
    from google.protobuf import json_format
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    request = {"resourceLogs": [{"scopeLogs": [{"logRecords": [json.loads(line)]}]}]}
    message = json_format.ParseDict(request, ExportLogsServiceRequest())
    record = message.resource_logs[0].scope_logs[0].log_records[0]
    if not record.time_unix_nano or not record.severity_number or not record.event_name:
        raise ValueError("a record without time, severity or name")
    return json_format.MessageToDict(record)


rows = []
reader = {"cef": cef, "otlp": otlp}[sys.argv[1]]
for number, line in enumerate(sys.stdin, 1):
    try:
        rows.append(reader(line.rstrip("\n")))
    except Exception as error:
        sys.exit(f"line {number}: {error!r}: {line[:300]}")
print(json.dumps(rows))
