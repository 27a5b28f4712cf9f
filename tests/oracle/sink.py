"""Plays the other side of every kind of sink, each as its own documentation says, and keeps what it has taken for good.

`sink.py FOLDER CERTIFICATE KEY`: prints its two ports (HTTP, syslog over TLS) and serves until it is killed. What it was sent stands in
FOLDER/<kind>.ids, an id a line, in the order of taking. While FOLDER/away exists it answers 503. None of the project's code
is involved: signatures are checked by the library `standardwebhooks`, OTLP by opentelemetry's own messages."""
import http.server
import json
import os
import socketserver
import ssl
import sys
import threading

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from standardwebhooks.webhooks import Webhook

folder, certificate, key = sys.argv[1:4]
lock = threading.Lock()
elastic, pending, asked = set(), {}, {}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def keep(kind, ids):
    with open(os.path.join(folder, kind + ".ids"), "a") as file:
        file.writelines(one + "\n" for one in ids)
        file.flush()
        os.fsync(file.fileno())


class Other(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, status, body, headers=()):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if os.path.exists(os.path.join(folder, "away")):
            return self.say(503, {"text": "away"}, [("retry-after", "1")])
        path = self.path.split("?")[0]
        with lock:
            if path == "/services/collector/event":
                return self.splunk(body)
            if path == "/services/collector/ack":
                return self.acknowledge(json.loads(body)["acks"])
            if path.endswith("/_bulk"):
                return self.bulk(body)
            if path == "/v1/logs":
                return self.otlp(body)
            if path == "/hook":
                return self.hook(body)
        self.say(404, {})

    def splunk(self, body):
        if self.headers["authorization"] != "Splunk hec-token" or not self.headers["x-splunk-request-channel"]:
            return self.say(401, {"text": "Invalid token", "code": 4})
        events = [json.loads(line) for line in body.splitlines()]
        number = len(pending) + 1
        pending[number] = [one["event"]["record_id"] for one in events]
        assert all(isinstance(one["time"], float) and one["sourcetype"] for one in events)
        self.say(200, {"text": "Success", "code": 0, "ackId": number})

    def acknowledge(self, numbers):
        # Indexed only by the second time that it is asked.
        answer = {}
        for number in numbers:
            asked[number] = asked.get(number, 0) + 1
            answer[str(number)] = asked[number] > 1
            if asked[number] == 2:
                keep("splunk", pending[number])
        self.say(200, {"acks": answer})

    def bulk(self, body):
        if self.headers["authorization"] != "Basic ZWxhc3RpYzpwYXNz":
            return self.say(401, {})
        lines = [json.loads(line) for line in body.splitlines()]
        items, new = [], []
        for action, document in zip(lines[::2], lines[1::2]):
            name = action["create"]["_id"]
            assert "@timestamp" in document
            items.append({"create": {"_id": name, "status": 409 if name in elastic else 201}})
            if name not in elastic:
                new.append(name)
            elastic.add(name)
        keep("elastic", new)
        self.say(200, {"errors": len(new) < len(items), "items": items})

    def otlp(self, body):
        message = json_format.Parse(body, ExportLogsServiceRequest())
        records = [record for one in message.resource_logs for scope in one.scope_logs for record in scope.log_records]
        ids = [pair.value.string_value for record in records for pair in record.attributes if pair.key == "credwatch.record_id"]
        assert len(ids) == len(records)
        keep("otlp", ids)
        self.say(200, {})

    def hook(self, body):
        data = Webhook(SECRET).verify(body, dict(self.headers.items()))
        keep("webhook", [one["record_id"] for one in data["data"]])
        self.say(204, {})


class Syslog(socketserver.StreamRequestHandler):
    def handle(self):
        while length := self.number():
            message = self.rfile.read(length).decode()
            header, _, text = message.partition(" - CEF:")
            assert header.startswith("<110>1 ") and text, message
            keep("syslog", [text.split("cwRecordId=")[1].split(" ")[0]])

    def number(self):
        digits = b""
        while (one := self.rfile.read(1)) not in (b"", b" "):
            digits += one
        return int(digits) if digits else 0


class Threads(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def get_request(self):
        connection, address = super().get_request()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context.wrap_socket(connection, server_side=True), address


web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other)
syslog = Threads(("127.0.0.1", 0), Syslog)
threading.Thread(target=syslog.serve_forever, daemon=True).start()
print(web.server_address[1], syslog.server_address[1], flush=True)
web.serve_forever()
