"""Plays those who are told: Slack, PagerDuty, a signed webhook, and mail servers, each as its own documentation says.

`people.py FOLDER CERTIFICATE KEY`: prints its ports (HTTP, SMTP with STARTTLS and a login, SMTP over TLS) and serves until it is
killed. What it was told stands in FOLDER/<kind>.ndjson, a JSON object a line, in the order of taking. While FOLDER/away exists
it takes nothing. None of the project's code is involved: signatures are checked by the library `standardwebhooks`, mail is
taken by `aiosmtpd` and read by Python's own library."""
import asyncio
import email
import email.policy
import http.server
import json
import os
import ssl
import sys
import threading

from aiosmtpd.smtp import SMTP, AuthResult
from standardwebhooks.webhooks import Webhook

folder, certificate, key = sys.argv[1:4]
lock = threading.Lock()
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def is_away():
    return os.path.exists(os.path.join(folder, "away"))


def keep(kind, what):
    with lock, open(os.path.join(folder, kind + ".ndjson"), "a") as file:
        file.write(json.dumps(what) + "\n")
        file.flush()
        os.fsync(file.fileno())


class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, status, text, headers=()):
        body = text.encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if is_away():
            return self.say(503, "away", [("retry-after", "1")])
        said = json.loads(body)
        if self.path == "/services/T0/B0/secret":
            return self.slack(said)
        if self.path == "/v2/enqueue":
            return self.pagerduty(said)
        if self.path == "/v2/change/enqueue":
            return self.change(said)
        if self.path == "/hook":
            Webhook(SECRET).verify(body, dict(self.headers.items()))
            keep("webhook", {"id": self.headers["webhook-id"], **said})
            return self.say(204, "")
        self.say(404, "no such place")

    def slack(self, said):
        if not isinstance(said.get("text"), str) or not said["text"] or len(said["text"]) > 40_000:
            return self.say(400, "no_text")
        keep("slack", said)
        self.say(200, "ok")

    def change(self, said):
        if said.get("routing_key") != "0123456789abcdef0123456789abcdef":
            return self.say(400, "invalid routing key")
        assert "event_action" not in said and 0 < len(said["payload"]["summary"]) <= 1024
        keep("pagerduty-change", said)
        self.say(202, '{"status":"success"}')

    def pagerduty(self, said):
        if said.get("routing_key") != "0123456789abcdef0123456789abcdef":
            return self.say(400, "invalid routing key")
        assert said["event_action"] in ("trigger", "resolve") and 0 < len(said["dedup_key"]) <= 255
        if said["event_action"] == "trigger":
            payload = said["payload"]
            assert 0 < len(payload["summary"]) <= 1024 and payload["source"]
            assert payload["severity"] in ("critical", "error", "warning", "info")
        keep("pagerduty", said)
        self.say(202, json.dumps({"status": "success", "dedup_key": said["dedup_key"]}))


class Post:
    """Takes mail and keeps what a person would see of it."""

    def __init__(self, kind):
        self.kind = kind

    async def handle_DATA(self, _server, session, envelope):
        if is_away():
            return "451 4.3.0 away"
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = {part.get_content_type(): part.get_content() for part in letter.walk() if not part.is_multipart()}
        keep(self.kind, {
            "id": letter["Message-ID"], "thread": letter["In-Reply-To"], "subject": letter["Subject"], "from": letter["From"],
            "to": envelope.rcpt_tos, "bcc": letter["Bcc"], "parts": parts, "tls": session.ssl is not None,
            "user": session.auth_data.decode() if session.auth_data else None,
        })
        return "250 taken"

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such person"
        envelope.rcpt_tos.append(address)
        return "250 fine"


def login(_server, _session, _envelope, _mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"watch", b"pass:word"), auth_data=data.login)


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate, key)
    return made


async def listen():
    loop = asyncio.get_running_loop()
    starttls = await loop.create_server(
        lambda: SMTP(Post("mail"), tls_context=context(), require_starttls=True, auth_required=True, authenticator=login), "127.0.0.1", 0)
    tls = await loop.create_server(lambda: SMTP(Post("smtps")), "127.0.0.1", 0, ssl=context())
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    ports = [one.sockets[0].getsockname()[1] for one in (starttls, tls)]
    print(web.server_address[1], *ports, flush=True)
    await asyncio.gather(starttls.serve_forever(), tls.serve_forever())


asyncio.run(listen())
