"""CDS Hooks 2.0 over real HTTP: who may call, what they are shown, what is looked into."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from scripted import Answer, ScriptedServer

from auditor.errors import SettingsRefused
from connector.app import serve
from connector.cds_callers import CallerRefused, Callers, read_callers
from connector.cds_cards import Desk
from connector.cds_hooks import cds_routes
from connector.settings import load_settings
from connector.store import Store
from connector.used_tokens import UsedTokens

URL = "https://somnoaudit.example"
EHR = "https://ehr.example/fhir"
ISSUER = "https://ehr.example"
EC_KEY = ec.generate_private_key(ec.SECP384R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
PSG = {"coding": [{"system": "http://loinc.org", "code": "28633-6"}]}

Token = dict[str, Any]


def _jwks() -> dict[str, Any]:
    keys = [
        {**json.loads(ECAlgorithm.to_jwk(EC_KEY.public_key())), "kid": "ec"},
        {**json.loads(RSAAlgorithm.to_jwk(RSA_KEY.public_key())), "kid": "rsa"},
    ]
    return {"keys": keys}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'somnoaudit.db'}")
    yield opened
    opened.close()


@pytest.fixture
def hints() -> list[str]:
    return []


@pytest.fixture
def web(store: Store, hints: list[str], tmp_path: Path) -> Iterator[httpx.Client]:
    (tmp_path / "keys.json").write_text(json.dumps(_jwks()))
    callers = Callers({ISSUER: str(tmp_path / "keys.json")}, UsedTokens(store.sessions))
    app = FastAPI()
    app.include_router(cds_routes(store, callers, Desk(URL, True), EHR, hints.append))
    with serve(app, "127.0.0.1", 0) as address, httpx.Client(base_url=address) as client:
        yield client


def _claims(path: str = "/cds-services/patient-view", **changes: Any) -> Token:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": f"{URL}{path}",
        "iat": now,
        "exp": now + 300,
        "jti": str(uuid4()),
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def _signed(
    claims: Token, algorithm: str = "ES384", key: Any = EC_KEY, kid: str | None = "ec"
) -> str:
    headers = {"kid": kid} if kid else {}
    return jwt.encode(claims, key, algorithm, headers=headers)


def _call(**changes: Any) -> dict[str, Any]:
    context = {"userId": "Practitioner/3", "patientId": "7"}
    instance = str(uuid4())
    return {"hook": "patient-view", "hookInstance": instance, "context": context, **changes}


def _post(
    web: httpx.Client, body: Any, path: str = "/cds-services/patient-view", token: str = ""
) -> httpx.Response:
    token = token or _signed(_claims(path))
    return web.post(path, json=body, headers={"Authorization": f"Bearer {token}"})


def test_the_services_are_discovered(web: httpx.Client) -> None:
    services = web.get("/cds-services").json()["services"]
    assert {service["hook"] for service in services} == {"patient-view", "order-sign"}
    for service in services:
        assert {"hook", "id", "title", "description"} <= service.keys()


# ── who may call ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("token", [_signed(_claims()), _signed(_claims(), "RS384", RSA_KEY, "rsa")])
def test_an_ehr_of_the_list_may_call(web: httpx.Client, token: str) -> None:
    assert _post(web, _call(), token=token).status_code == 200


def _unsigned() -> str:
    return jwt.encode(_claims(), None, "none", headers={"kid": "ec"})


def _in_s(seconds: int) -> int:
    return int(time.time()) + seconds


BAD_TOKENS = {
    "no token": lambda: "x",
    "not signed": _unsigned,
    "signed with a secret": lambda: _signed(_claims(), "HS384", "s" * 64),
    "signed by another": lambda: _signed(_claims(), key=ec.generate_private_key(ec.SECP384R1())),
    "by a weaker algorithm": lambda: _signed(_claims(), "RS256", RSA_KEY, "rsa"),
    "with a key of another kind": lambda: _signed(_claims(), "RS384", RSA_KEY, "ec"),
    "with a key without name": lambda: _signed(_claims(), kid=None),
    "with an unknown key": lambda: _signed(_claims(), kid="other"),
    "of an unknown issuer": lambda: _signed(_claims(iss="https://other.example")),
    "of no issuer": lambda: _signed(_claims(iss=None)),
    "for another service": lambda: _signed(_claims("/cds-services/order-sign")),
    "for another host": lambda: _signed(_claims(aud="https://other.example")),
    "for a prefix": lambda: _signed(_claims(aud=URL)),
    "past its end": lambda: _signed(_claims(iat=_in_s(-900), exp=_in_s(-600))),
    "from the future": lambda: _signed(_claims(iat=_in_s(900), exp=_in_s(1000))),
    "without end": lambda: _signed(_claims(exp=None)),
    "for too long": lambda: _signed(_claims(exp=_in_s(3600))),
    "without id": lambda: _signed(_claims(jti=None)),
    "with an end that is none": lambda: _signed(_claims(exp=1e300)),
    "with an end in words": lambda: _signed(_claims(exp="tomorrow")),
}


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_nobody_else_may(web: httpx.Client, hints: list[str], name: str) -> None:
    answer = _post(web, _call(), token=BAD_TOKENS[name]())
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert hints == []


def test_a_token_counts_once(web: httpx.Client) -> None:
    token = _signed(_claims())
    assert _post(web, _call(), token=token).status_code == 200
    assert _post(web, _call(), token=token).status_code == 401


def test_a_call_without_authorization_is_turned_away(web: httpx.Client) -> None:
    assert web.post("/cds-services/patient-view", json=_call()).status_code == 401


def test_keys_come_from_the_issuers_address_and_are_kept(
    scripted_server: Callable[[], ScriptedServer], store: Store
) -> None:
    server = scripted_server()
    server.answers(Answer(body=json.dumps(_jwks()).encode()))
    callers = Callers({ISSUER: f"{server.origin}/jwks"}, UsedTokens(store.sessions))
    for _ in range(3):
        callers.check(f"Bearer {_signed(_claims())}", f"{URL}/cds-services/patient-view")
    for _ in range(3):  # made-up keys do not make us ask each time
        with pytest.raises(CallerRefused):
            callers.check(f"Bearer {_signed(_claims(), kid='other')}", URL)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "cannot be read"),
        ("[", "cannot be read"),
        ("", "lists no issuer"),
        ("[a]", "lists no issuer"),
        ("https://e.example: 3", "without its keys"),
        ("https://e.example: none.json", "not there"),
        ("https://e.example: http://e.example/jwks", "by http, not https"),
    ],
)
def test_a_list_of_callers_that_is_none_is_said(
    tmp_path: Path, text: str | None, problem: str
) -> None:
    path = tmp_path / "callers.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsRefused, match=problem):
        read_callers(path)


def test_a_list_names_keys_by_address_or_file(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{}")
    path = tmp_path / "callers.yaml"
    path.write_text("https://a.example: keys.json\nhttps://b.example: https://b.example/jwks\n")
    assert read_callers(path) == {
        "https://a.example": str(tmp_path / "keys.json"),
        "https://b.example": "https://b.example/jwks",
    }


def test_services_need_an_address_that_tokens_can_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match="SOMNOAUDIT_CDS_CLIENTS needs SOMNOAUDIT_PUBLIC_URL"):
        load_settings(fhir_url=EHR, cds_clients=tmp_path / "callers.yaml")


# ── what they are shown ───────────────────────────────────────────────────────────────────


def _study(store: Store, study_id: str, patient: str) -> None:
    store.add_study(study_id, "DocumentReference/12")
    store.add_worker(study_id, "host", "1")
    store.note_patient(store.begin(study_id, 1, study_id), patient)


def test_a_patients_studies_are_shown_and_that_is_told_to_the_trail(
    web: httpx.Client, store: Store, hints: list[str]
) -> None:
    _study(store, "s1", "Patient/7")
    _study(store, "s2", "Patient/7")
    store.fail("s2", "The recording holds no EEG channel.")
    _study(store, "s3", "Patient/8")
    call = _call()
    cards = _post(web, call).json()["cards"]
    assert {card["links"][1]["url"] for card in cards} == {
        f"{URL}/studies/s1", f"{URL}/studies/s2",
    }  # fmt: skip
    for card in cards:
        assert len(card["summary"]) < 140
        assert card["indicator"] in ("info", "warning")
        assert card["source"]["label"] == "somnoaudit"
        launch = card["links"][0]
        assert (launch["type"], launch["url"]) == ("smart", f"{URL}/launch")
        assert json.loads(launch["appContext"])["study"] in ("s1", "s2")
    assert "patient" not in json.dumps(cards).lower()
    shown = store.trail_of("s1")[-1]
    assert (shown.action, shown.actor) == ("page.viewed", "Practitioner/3")
    # The same call again has the same cards: feedback names them.
    assert _post(web, call).json()["cards"] == cards
    assert hints == ["Patient/7"], "looked for once, however often the chart is opened"


def test_an_order_for_a_polysomnography_is_answered(web: httpx.Client, hints: list[str]) -> None:
    path = "/cds-services/order-sign"
    orders = [
        {"resourceType": "ServiceRequest", "id": "3", "code": PSG},
        {"resourceType": "ServiceRequest", "id": "4", "code": {"text": "chest X-ray"}},
        {"resourceType": "MedicationRequest", "id": "5"},
    ]
    bundle = {"resourceType": "Bundle", "entry": [{"resource": order} for order in orders]}
    context = {"userId": "Practitioner/3", "patientId": "7", "draftOrders": bundle}
    (card,) = _post(web, _call(hook="order-sign", context=context), path).json()["cards"]
    assert "when its recording arrives" in card["summary"]
    assert hints == ["ServiceRequest/3"]
    context["draftOrders"] = {"entry": [{"resource": orders[1]}]}
    assert _post(web, _call(hook="order-sign", context=context), path).json() == {"cards": []}


def test_of_another_servers_patients_nothing_is_known(
    web: httpx.Client, store: Store, hints: list[str]
) -> None:
    _study(store, "s1", "Patient/7")
    call = _call(fhirServer="https://other.example/fhir")
    assert _post(web, call).json() == {"cards": []}
    assert hints == []
    assert _post(web, _call(fhirServer=f"{EHR}/")).json()["cards"]


def test_feedback_is_taken_and_its_comments_are_not_kept(web: httpx.Client, store: Store) -> None:
    path = "/cds-services/patient-view/feedback"
    reason = {"userComment": "Jane Doe sleeps well"}
    told = {"card": str(uuid4()), "outcome": "overridden", "overrideReason": reason}
    assert _post(web, {"feedback": [told]}, path).status_code == 200
    assert _post(web, {"feedback": [{**told, "outcome": "ignored"}]}, path).status_code == 400
    assert store.trail_head() is None


@pytest.mark.parametrize(
    "body", [[], {}, {"hook": "patient-view"}, _call(hook="order-sign"), _call(hookInstance="x")]
)
def test_a_body_that_is_no_call_is_refused(web: httpx.Client, body: Any) -> None:
    assert _post(web, body).status_code == 400


def test_a_service_that_there_is_not(web: httpx.Client) -> None:
    assert _post(web, _call(), "/cds-services/tarot").status_code == 404


_NAMES = st.sampled_from(
    ["userId", "patientId", "draftOrders", "entry", "resource", "code", "coding", "id", "system"]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=15,
)


@given(_JSON, st.sampled_from(["patient-view", "order-sign"]), st.booleans())
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50
)
def test_no_call_breaks_a_service(web: httpx.Client, sent: Any, hook: str, bare: bool) -> None:
    body = sent if bare else _call(hook=hook, context=sent)
    answer = _post(web, body, f"/cds-services/{hook}")
    assert answer.status_code in (200, 400)
