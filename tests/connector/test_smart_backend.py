"""SMART backend services: against a real server that lets in nobody else, and scripted ones."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
import stamina
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from fastapi import FastAPI
from guarded_ehr import GuardedEhr, guarded_ehr
from hospital import CONTENT, Laboratory
from jwt.algorithms import ECAlgorithm
from scripted import Answer, Request, ScriptedServer
from written import NOW, REASON, entries_of

from connector.app import serve
from connector.client_keys import SigningKey, public_jwk_set, read_keys
from connector.ehr_settings import SCOPES
from connector.fhir import BadAnswer, FhirClient, Forbidden, ServerDown, Unauthorized
from connector.jwks import JWKS, jwks_router
from connector.smart_backend import SmartBackend
from connector.study import find_studies, pull
from connector.write_back import write_failure, write_report

StartServer = Callable[[], ScriptedServer]

RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP384R1())


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes = b"") -> str:
    sealed = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed).decode()


(RS384,) = read_keys(pem_of(RSA_KEY))
(ES384,) = read_keys(pem_of(EC_KEY))
WRITES = "system/*.cruds"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedEhr]:
    clients = [
        {"client_id": key.algorithm, "jwks": public_jwk_set((key,)), "scopes": WRITES}
        for key in (RS384, ES384)
    ]
    with guarded_ehr(tmp_path_factory.mktemp("guarded"), clients, token_lifetime_s=2) as running:
        yield running


# ── against a real server ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", [RS384, ES384], ids=lambda key: key.algorithm)
def test_a_study_is_read_from_a_server_that_asks_for_authorization(
    guarded: GuardedEhr, key: SigningKey, tmp_path: Path
) -> None:
    laboratory = SmartBackend(guarded.base_url, key.algorithm, key, WRITES)
    with FhirClient(guarded.base_url, laboratory) as fhir:
        placed = Laboratory().place(fhir)
    reader = SmartBackend(guarded.base_url, key.algorithm, key, SCOPES)
    with FhirClient(guarded.base_url, reader) as fhir:
        assert [order.document for order in find_studies(fhir, placed.document)] == [
            placed.document
        ]
        assert pull(fhir, placed.document, tmp_path).recording.read_bytes() == CONTENT


def test_the_scopes_that_are_asked_for_are_enough_to_report(guarded: GuardedEhr) -> None:
    with FhirClient(
        guarded.base_url, SmartBackend(guarded.base_url, "ES384", ES384, WRITES)
    ) as fhir:
        placed = Laboratory().place(fhir)
    asked = SmartBackend(guarded.base_url, "ES384", ES384, SCOPES)
    with FhirClient(guarded.base_url, asked) as fhir:
        (order,) = find_studies(fhir, placed.document)
        told = write_failure(fhir, order.id, order.document, REASON, NOW)
        assert write_report(fhir, entries_of(order))["report"].startswith("DiagnosticReport/")
        assert fhir.read(*told.split("/"))["status"] == "completed"


def test_long_work_outlives_its_token(guarded: GuardedEhr) -> None:
    """The server's tokens live for 2 s, and each page is asked for with one that holds."""
    auth = SmartBackend(guarded.base_url, "ES384", ES384, WRITES)
    with FhirClient(guarded.base_url, auth) as fhir:
        created = {fhir.create({"resourceType": "Patient"})["id"] for _ in range(3)}
        first = token_of(auth)
        found = set()
        for patient in fhir.search("Patient", {"_id": ",".join(created), "_count": "1"}):
            found.add(patient["id"])
            until(first_expires := expiry_of(first))
        assert found == created
        assert expiry_of(token_of(auth)) > first_expires


def test_a_token_that_runs_out_is_renewed_before_it_does(guarded: GuardedEhr) -> None:
    auth = SmartBackend(guarded.base_url, "ES384", ES384, WRITES)
    with FhirClient(guarded.base_url, auth) as fhir:
        fhir.create({"resourceType": "Patient"})
        first = token_of(auth)
        until(expiry_of(first) - 0.2)
        fhir.create({"resourceType": "Patient"})
        assert token_of(auth) != first


def test_a_wrong_key_is_told(guarded: GuardedEhr) -> None:
    (other,) = read_keys(pem_of(ec.generate_private_key(ec.SECP384R1())))
    auth = SmartBackend(guarded.base_url, "ES384", other, WRITES)
    with FhirClient(guarded.base_url, auth) as fhir, pytest.raises(Unauthorized) as caught:
        fhir.read("Patient", "1")
    assert "POST token: answered 401 (invalid_client); check the credentials" in str(caught.value)


def test_what_the_scopes_leave_out_is_forbidden(guarded: GuardedEhr) -> None:
    auth = SmartBackend(guarded.base_url, "RS384", RS384, "system/Patient.r")
    with FhirClient(guarded.base_url, auth) as fhir, pytest.raises(Forbidden):
        fhir.create({"resourceType": "Patient"})


def test_the_server_finds_our_keys_where_we_publish_them(tmp_path: Path) -> None:
    app = FastAPI()
    app.include_router(jwks_router((ES384, RS384)))
    with serve(app, "127.0.0.1", 0) as ours:
        client = {"client_id": "somnoaudit", "jwks_url": ours + JWKS, "scopes": WRITES}
        with guarded_ehr(tmp_path, [client], token_lifetime_s=60) as ehr:
            auth = SmartBackend(ehr.base_url, "somnoaudit", ES384, WRITES)
            with FhirClient(ehr.base_url, auth) as fhir:
                assert fhir.create({"resourceType": "Patient"})["id"]


def token_of(auth: SmartBackend) -> str:
    token = auth._token
    assert token is not None
    return token.value


def expiry_of(token: str) -> float:
    expiry: float = jwt.decode(token, options={"verify_signature": False})["exp"]
    return expiry


def until(timestamp_s: float) -> None:
    time.sleep(max(0.0, timestamp_s - time.time()))


# ── against scripted servers ──────────────────────────────────────────────────────────────


class Authorizing:
    """A FHIR server of one Patient with a token endpoint; its tokens are t1, t2, …"""

    def __init__(self, server: ScriptedServer, **changes: Any) -> None:
        self.server = server
        self.granted = 0
        self.assertions: list[dict[str, Any]] = []
        self.changes = changes
        server.script = self.answer

    def answer(self, request: Request) -> Answer:
        if request.path == "/fhir/.well-known/smart-configuration":
            assert "Authorization" not in request.headers
            algorithms = {"token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"]}
            found = {"token_endpoint": f"{self.server.origin}/token", **algorithms, **self.changes}
            return as_json(found)
        if request.path == "/token":
            return self.grant(request)
        if request.headers.get("Authorization") not in self.accepted():
            return Answer(401)
        return as_json({"resourceType": "Patient", "id": "1"})

    def accepted(self) -> list[str]:
        return [f"Bearer t{self.granted}"]

    def grant(self, request: Request) -> Answer:
        form = parse_qs(request.body.decode())
        assert form["grant_type"] == ["client_credentials"]
        (assertion,) = form["client_assertion"]
        public = jwt.PyJWK(dict(ES384.public_jwk))
        claims = jwt.decode(
            assertion,
            public,
            ["ES384"],
            audience=f"{self.server.origin}/token",
            options={"verify_exp": False, "verify_iat": False},
        )
        assert jwt.get_unverified_header(assertion)["kid"] == ES384.key_id
        self.assertions.append(claims)
        self.granted += 1
        return as_json(
            {"access_token": f"t{self.granted}", "token_type": "Bearer", "expires_in": 300}
        )


def as_json(document: object, status: int = 200, **headers: str) -> Answer:
    return Answer(status, json.dumps(document).encode(), headers)


def client_of(server: ScriptedServer, **changes: Any) -> FhirClient:
    auth = SmartBackend(server.base_url, "somnoaudit", ES384, "system/Patient.r", **changes)
    return FhirClient(server.base_url, auth)


def test_an_assertion_lives_for_at_most_five_minutes_and_is_used_once(
    scripted_server: StartServer,
) -> None:
    ehr = Authorizing(scripted_server())
    for _ in range(3):
        with client_of(ehr.server) as fhir:
            fhir.read("Patient", "1")
    now = time.time()
    for claims in ehr.assertions:
        assert claims["iss"] == claims["sub"] == "somnoaudit"
        assert 0 < claims["exp"] - claims["iat"] <= 300
        assert now < claims["exp"] <= now + 300
    assert len({claims["jti"] for claims in ehr.assertions}) == 3


def test_a_token_is_asked_for_once_and_given_up_when_the_server_gives_it_up(
    scripted_server: StartServer,
) -> None:
    ehr = Authorizing(scripted_server())
    with client_of(ehr.server) as fhir:
        fhir.read("Patient", "1")
        fhir.read("Patient", "1")
        assert ehr.granted == 1
        ehr.accepted = lambda: ["Bearer t2"]  # type: ignore[method-assign]
        fhir.read("Patient", "1")
    assert ehr.granted == 2


def test_a_server_that_takes_no_token_is_not_asked_for_ever(scripted_server: StartServer) -> None:
    ehr = Authorizing(scripted_server())
    ehr.accepted = list  # type: ignore[method-assign,assignment]
    with client_of(ehr.server) as fhir, pytest.raises(Unauthorized, match="GET Patient"):
        fhir.read("Patient", "1")
    assert ehr.granted == 2


@pytest.mark.parametrize("minutes", [-60, -4, 4, 60])
def test_clocks_may_differ(scripted_server: StartServer, minutes: int) -> None:
    """The server holds the assertion against its own clock, as strictly as SMART has it."""
    ehr = Authorizing(scripted_server())
    grant = ehr.grant

    def strictly(request: Request) -> Answer:
        there = datetime.now(UTC) + timedelta(minutes=minutes)
        answer = grant(request)
        claims = ehr.assertions[-1]
        if claims["iat"] <= there.timestamp() and 0 < claims["exp"] - there.timestamp() <= 300:
            return answer
        date = format_datetime(there, usegmt=True)
        return as_json({"error": "invalid_client"}, 401, Date=date)

    ehr.grant = strictly  # type: ignore[method-assign]
    with client_of(ehr.server) as fhir:
        assert fhir.read("Patient", "1")["id"] == "1"
    assert ehr.granted == 2


@pytest.mark.usefixtures("no_backoff")
def test_a_token_endpoint_that_is_away_for_a_moment_is_asked_again(
    scripted_server: StartServer,
) -> None:
    ehr = Authorizing(scripted_server())
    waiting = [Answer(503), Answer(body=b"{}", cut_after=1), None]
    grant = ehr.grant
    ehr.grant = lambda request: waiting.pop(0) or grant(request)  # type: ignore[method-assign]
    with client_of(ehr.server) as fhir:
        assert fhir.read("Patient", "1")["id"] == "1"
    assert waiting == []


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ({"token_endpoint": None}, "names no token endpoint"),
        ({"token_endpoint": "ftp://elsewhere/token"}, "not https"),
        ({"token_endpoint": "https://user:word@elsewhere/token"}, "not https"),
        (
            {"token_endpoint_auth_signing_alg_values_supported": ["RS256", "<b>"]},
            "takes no ES384, only RS256",
        ),
    ],
)
def test_a_configuration_of_no_use_is_told(
    scripted_server: StartServer, configuration: dict[str, Any], said: str
) -> None:
    ehr = Authorizing(scripted_server(), **configuration)
    with client_of(ehr.server) as fhir, pytest.raises((BadAnswer, Unauthorized), match=said):
        fhir.read("Patient", "1")
    assert ehr.granted == 0


@pytest.mark.parametrize(
    "answer",
    [
        as_json({}),
        as_json({"access_token": "a\nb", "token_type": "bearer"}),
        as_json({"access_token": "a", "token_type": "mac"}),
        Answer(body=b"<html>"),
        Answer(302, headers={"Location": "http://127.0.0.1:9/thief"}),
    ],
)
def test_an_answer_that_is_no_token_is_told(scripted_server: StartServer, answer: Answer) -> None:
    ehr = Authorizing(scripted_server())
    ehr.grant = lambda _: answer  # type: ignore[method-assign]
    with client_of(ehr.server) as fhir, pytest.raises(BadAnswer, match="POST token"):
        fhir.read("Patient", "1")


def test_a_token_endpoint_may_be_given(scripted_server: StartServer) -> None:
    ehr = Authorizing(scripted_server())
    with client_of(ehr.server, token_url=f"{ehr.server.origin}/token") as fhir:
        fhir.read("Patient", "1")
    assert [request.path for request in ehr.server.requests] == ["/token", "/fhir/Patient/1"]


def test_a_server_that_is_away_is_told_and_no_secret_with_it() -> None:
    auth = SmartBackend("http://127.0.0.1:9/fhir", "somnoaudit", ES384, "system/Patient.r")
    with (
        stamina.set_testing(True, attempts=1),
        FhirClient("http://127.0.0.1:9/fhir", auth) as fhir,
        pytest.raises(ServerDown, match="GET smart-configuration: no connection"),
    ):
        fhir.read("Patient", "1")


# ── keys ──────────────────────────────────────────────────────────────────────────────────


def test_the_algorithm_follows_from_the_key() -> None:
    assert (RS384.algorithm, ES384.algorithm) == ("RS384", "ES384")


def test_what_is_published_holds_nothing_private() -> None:
    for jwk in public_jwk_set((RS384, ES384))["keys"]:
        assert jwk.keys() & {"d", "p", "q", "dp", "dq", "qi"} == set()
        assert {"kty", "kid", "alg", "use"} <= jwk.keys()


def test_several_keys_are_read_in_their_order() -> None:
    assert read_keys(pem_of(EC_KEY) + pem_of(RSA_KEY)) == (ES384, RS384)


def test_a_jwk_keeps_its_id() -> None:
    private = ECAlgorithm.to_jwk(EC_KEY, as_dict=True)
    for document in ({**private, "kid": "2026"}, {"keys": [{**private, "kid": "2026"}]}):
        (key,) = read_keys(json.dumps(document))
        assert (key.key_id, key.algorithm) == ("2026", "ES384")
    (unnamed,) = read_keys(json.dumps(private))
    assert unnamed.key_id == ES384.key_id


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "give a private key"),
        ("{}", "that is whole"),
        ('{"keys": []}', "give a private key"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "that is whole"),
        (pem_of(RSA_KEY, b"word"), "without a password"),
        (pem_of(ec.generate_private_key(ec.SECP256R1())), "P-384"),
        (pem_of(rsa.generate_private_key(65537, 1024)), "2048 bits"),
        (json.dumps(dict(ES384.public_jwk)), "P-384"),
    ],
)
def test_a_key_of_no_use_is_told_and_not_quoted(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        read_keys(text)
    assert "AAAA" not in str(caught.value)
