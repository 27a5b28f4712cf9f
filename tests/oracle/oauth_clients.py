"""A client of OAuth that nobody here wrote (authlib) gets tokens in its three ways and uses them.

`oauth_clients.py BASE KEY_ID PRIVATE_PEM_FILE SIGNED_ID`, the key on stdin. Prints the principals that it was, as JSON."""
import json
import os
import sys

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT

# The server under test is on this machine.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
base, key_id, pem, signed_id = sys.argv[1:5]
secret = sys.stdin.readline().strip()
endpoint = requests.get(f"{base}/.well-known/oauth-authorization-server", timeout=10).json()["token_endpoint"]
who = []
for method in ["client_secret_basic", "client_secret_post"]:
    session = OAuth2Session(key_id, secret, token_endpoint_auth_method=method)
    session.fetch_token(endpoint, grant_type="client_credentials")
    who.append(session.get(f"{base}/v1/whoami", timeout=10).json()["principal"])
session = OAuth2Session(signed_id, open(pem).read(), token_endpoint_auth_method="private_key_jwt")
session.register_client_auth_method(PrivateKeyJWT(endpoint))
session.fetch_token(endpoint, grant_type="client_credentials")
who.append(session.get(f"{base}/v1/whoami", timeout=10).json()["principal"])
print(json.dumps(who))
