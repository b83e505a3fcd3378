"""SMART App Launch against a real authorization server on loopback: who is let in, as what."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from login_server import LoginServer, login_server

from connector import cds_cards
from connector.app import create_app, serve
from connector.desk import smart_login
from connector.desk.opened import OpenStudies
from connector.desk.people import DeskRole, Person
from connector.desk.review_store import ReviewStore
from connector.desk.smart_login import LoginRefused, SmartApp
from connector.mount import Desk
from connector.store import Store


@pytest.fixture
def server() -> Iterator[LoginServer]:
    with login_server() as running:
        yield running


@pytest.fixture
def app(server: LoginServer) -> SmartApp:
    return SmartApp(
        issuer=f"{server.base_url}/fhir",
        client_id="somnoaudit-desk",
        client_secret=None,
        redirect_uri="https://desk.example.org/login/done",
        roles={"Practitioner/3": DeskRole.PHYSICIAN},
    )


def log_in(app: SmartApp, server: LoginServer, launch: str | None = None) -> Person:
    address, pending = smart_login.begin(app, launch)
    back = server.authorize(address)
    return smart_login.finish(app, pending, back["state"], back["code"]).person


def test_a_listed_practitioner_is_let_in_with_their_role(
    app: SmartApp, server: LoginServer
) -> None:
    assert log_in(app, server) == Person(
        "Dr. Ada Example", DeskRole.PHYSICIAN, None, "Practitioner/3"
    )


def test_who_is_not_listed_may_propose(app: SmartApp, server: LoginServer) -> None:
    person = log_in(replace(app, roles={}), server)
    assert person.role is DeskRole.TECHNOLOGIST


def test_a_launch_binds_the_patient(app: SmartApp, server: LoginServer) -> None:
    server.patient = "7"
    person = log_in(app, server, "xyz")
    assert person.patient == "Patient/7"
    assert person.may_see("Patient/7")
    assert not person.may_see("Patient/8")
    assert not person.may_see(None)


def test_the_browser_carries_what_smart_asks_for(app: SmartApp) -> None:
    address, pending = smart_login.begin(app, "xyz")
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert query["response_type"] == "code"
    assert query["code_challenge_method"] == "S256"
    assert query["aud"] == app.issuer
    assert query["launch"] == "xyz"
    assert query["scope"].split() == ["openid", "fhirUser", "launch"]
    assert pending.verifier not in address
    assert len(pending.verifier) >= 43  # RFC 7636, section 4.1


def test_a_confidential_client_shows_its_secret_and_not_in_the_form(
    app: SmartApp, server: LoginServer
) -> None:
    log_in(replace(app, client_secret="hush"), server)
    assert "hush" not in str(server.asked)
    assert "client_id" not in server.asked[0]


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-app"},
        {"iss": "https://elsewhere.example.org"},
        {"exp": 1},
        {"nonce": "of another login"},
        {"fhirUser": "Patient/7"},
        {"fhirUser": "https://elsewhere.example.org/fhir/Practitioner/3"},
        {"fhirUser": None},
    ],
    ids=lambda claims: next(iter(claims.items())).__repr__(),
)
def test_an_identity_that_is_not_for_us_is_refused(
    app: SmartApp, server: LoginServer, claims: dict[str, object]
) -> None:
    server.claims = claims
    with pytest.raises(LoginRefused):
        log_in(app, server)


def test_a_token_signed_by_another_key_is_refused(app: SmartApp, server: LoginServer) -> None:
    server.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(LoginRefused, match="does not hold"):
        log_in(app, server)


def test_a_state_of_another_window_is_refused(app: SmartApp, server: LoginServer) -> None:
    address, pending = smart_login.begin(app, None)
    back = server.authorize(address)
    with pytest.raises(LoginRefused, match="another window"):
        smart_login.finish(app, pending, "forged", back["code"])


def test_a_code_works_for_its_own_browser_alone(app: SmartApp, server: LoginServer) -> None:
    address, pending = smart_login.begin(app, None)
    back = server.authorize(address)
    _, other = smart_login.begin(app, None)
    stolen = replace(other, state=pending.state)
    with pytest.raises(LoginRefused, match="did not answer"):
        smart_login.finish(app, stolen, back["state"], back["code"])


def test_an_ehr_that_is_away_is_said_so(app: SmartApp) -> None:
    with pytest.raises(LoginRefused, match="did not answer"):
        smart_login.begin(replace(app, issuer="http://127.0.0.1:9"), None)


# ── from a card to its study ──────────────────────────────────────────────────────────────

OWN, OTHER = "5ca1ab1e-0000-4000-8000-000000000001", "0ddba11a-0000-4000-8000-000000000002"


@pytest.fixture
def desk(app: SmartApp, tmp_path: Path) -> Iterator[str]:
    """The service with a study of Patient/7 and one of Patient/8; gives its address."""
    store = Store.open(f"sqlite:///{tmp_path / 'somnoaudit.db'}")
    for study_id, patient in ((OWN, "Patient/7"), (OTHER, "Patient/8")):
        store.add_study(study_id, "DocumentReference/1")
        store.add_worker(study_id, "here", "1")
        store.note_patient(store.begin(study_id, 1, study_id), patient)
    studies = OpenStudies(store, lambda _study: None)
    made = Desk(store, studies, ReviewStore(store.sessions), lambda: None, smart=app)
    with serve(create_app(made, lambda _hint: None, "a-secret"), "127.0.0.1", 0) as address:
        yield address
    store.close()


def launched(desk: str, app: SmartApp, server: LoginServer) -> httpx.Response:
    """What the browser is answered when it comes back from a launch."""
    with httpx.Client(base_url=desk) as browser:
        sent = browser.get("/launch", params={"iss": app.issuer, "launch": "xyz"})
        back = server.authorize(sent.headers["Location"])
        return browser.get("/login/done", params=back)


def test_a_card_leads_to_its_study(desk: str, app: SmartApp, server: LoginServer) -> None:
    link = cds_cards.Desk("https://desk.example.org", is_smart_app=True).links(OWN)[0]
    server.patient, server.context = "7", link["appContext"]
    answer = launched(desk, app, server)
    assert answer.headers["Location"] == f"/studies/{OWN}"
    page = httpx.get(f"{desk}/studies/{OWN}", cookies=dict(answer.cookies))
    assert page.status_code == 200


@pytest.mark.parametrize(
    "context",
    [
        None,
        "",
        "no JSON",
        '{"page": "of another card"}',
        '{"study": ["1"]}',
        '{"study": "//elsewhere.example.org"}',
        json.dumps({"study": OTHER}),
    ],
)
def test_what_a_launch_may_not_open_is_the_list(
    desk: str, app: SmartApp, server: LoginServer, context: str | None
) -> None:
    server.patient, server.context = "7", context
    assert launched(desk, app, server).headers["Location"] == "/"


def test_another_ehr_launches_nothing(desk: str) -> None:
    asked = {"iss": "https://elsewhere.example.org/fhir", "launch": "xyz"}
    assert httpx.get(f"{desk}/launch", params=asked).status_code == 403


def test_a_way_back_that_was_not_begun_here_ends(
    desk: str, app: SmartApp, server: LoginServer
) -> None:
    address, _ = smart_login.begin(app, "xyz")
    assert httpx.get(f"{desk}/login/done", params=server.authorize(address)).status_code == 403
