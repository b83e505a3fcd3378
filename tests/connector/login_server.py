"""An EHR's authorization server, as far as SMART App Launch needs one, on loopback."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


@dataclass
class LoginServer:
    """What it says can be changed by a test while it runs.

    Attributes:
        base_url: of its FHIR server.
        claims: of the identity token, over those that hold.
        patient: in context; None without.
        context: what a card had the EHR pass on; None without.
        key: that signs; another than the published one once it is replaced.
        asked: the forms that came to the token endpoint.
    """

    base_url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    patient: str | None = None
    context: str | None = None
    key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    asked: list[dict[str, str]] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._published = self.key.public_key()

    def authorize(self, address: str) -> dict[str, str]:
        """What the person's browser brings back from the authorization endpoint."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        code = f"code-{len(self._codes)}"
        self._codes[code] = query
        return {"state": query["state"], "code": code}

    def answer(self, path: str) -> Any:
        if path == "/fhir/.well-known/smart-configuration":
            return {
                "issuer": self.base_url,
                "authorization_endpoint": f"{self.base_url}/authorize",
                "token_endpoint": f"{self.base_url}/token",
                "jwks_uri": f"{self.base_url}/keys",
            }
        if path == "/keys":
            key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._published))
            return {"keys": [key | {"kid": "one", "use": "sig", "alg": "RS256"}]}
        return None

    def token(self, form: dict[str, str]) -> Any:
        self.asked.append(form)
        query = self._codes.pop(form.get("code", ""), None)
        shown = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(shown).rstrip(b"=").decode()
        if query is None or challenge != query["code_challenge"]:
            return None
        now = int(time.time())
        claims = {
            "iss": self.base_url,
            "aud": query["client_id"],
            "sub": "u1",
            "iat": now,
            "exp": now + 300,
            "nonce": query["nonce"],
            "name": "Dr. Ada Example",
            "fhirUser": f"{query['aud']}/Practitioner/3",
        }
        signed = jwt.encode(claims | self.claims, self.key, "RS256", headers={"kid": "one"})
        return {
            "access_token": "unused",
            "id_token": signed,
            "patient": self.patient,
            "appContext": self.context,
        }


@contextmanager
def login_server() -> Iterator[LoginServer]:
    """Runs one while the context lasts."""
    server = LoginServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(server.answer(self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._send(server.token({name: v[0] for name, v in parse_qs(body).items()}))

        def _send(self, document: Any) -> None:
            content = json.dumps(document or {"error": "invalid_request"}).encode()
            self.send_response(200 if document else 400)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Tests print what matters."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.base_url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
