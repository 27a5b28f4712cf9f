"""Asks one URL over TLS as any client would, with a certificate authority of its own and a bearer key.

Prints {"status": ..., "body": ..., "certificate": ...} as JSON, or {"error": ...} when there was no answer. The key
comes on stdin, so that it stands in no list of processes.
"""
import hashlib, http.client, json, ssl, sys
from urllib.parse import urlsplit

url, authority = sys.argv[1:3]
key = sys.stdin.read().strip()
parts = urlsplit(url)
context = ssl.create_default_context(cafile=authority)
try:
    connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=context, timeout=20)
    target = parts.path + ("?" + parts.query if parts.query else "")
    connection.request("GET", target, headers={"Authorization": f"Bearer {key}"} if key else {})
    certificate = hashlib.sha256(connection.sock.getpeercert(binary_form=True)).hexdigest()
    answer = connection.getresponse()
    print(json.dumps({"status": answer.status, "body": answer.read().decode(), "certificate": certificate}))
except (OSError, http.client.HTTPException) as error:
    print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
