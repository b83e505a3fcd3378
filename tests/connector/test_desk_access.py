"""Who may do what at the desk, over real HTTP: roles, launches, forms, headers, cookies."""

import json
import re
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from audited_night import RULEBOOK, STAGER, night_documents
from desk_night import desk_service, hidden_fields

from connector.app import create_app
from connector.desk import routes
from connector.desk.login_limit import MOST_TRIES, WITHIN_S, LoginLimit
from connector.desk.opened import OpenStudies
from connector.desk.people import DeskRole, Person
from connector.desk.review import Reason
from connector.desk.review_store import ReviewStore
from connector.desk.sessions import IDLE, LONGEST, Sessions
from connector.hooks import HOOK
from connector.mount import Desk
from connector.store import Store
from connector.stored import utc_now

STUDY = "5ca1ab1e-0000-4000-8000-000000000001"
PATIENT = "Patient/7"
EPOCH = f"/studies/{STUDY}/epochs/12"

Client: TypeAlias = Callable[[Person | None], httpx.Client]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("access")
    opened = Store.open(f"sqlite:///{folder / 'somnoaudit.db'}")
    opened.add_study(STUDY, "DocumentReference/12")
    opened.add_worker("worker", "here", "1")
    run = opened.begin(STUDY, 1, "worker")
    opened.note_patient(run, PATIENT)
    hypnogram, evidence, audit = night_documents(140)
    opened.add_audit(STUDY, STAGER, hypnogram, evidence, RULEBOOK, json.dumps(audit), "[]", run, 3)
    opened.reported(STUDY, "DiagnosticReport/9")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def address(store: Store) -> Iterator[str]:
    with desk_service(store, None) as running:
        yield running


@pytest.fixture
def client(store: Store, address: str) -> Iterator[Client]:
    """The service as somebody sees it; None is nobody."""
    clients = []

    def begin(person: Person | None) -> httpx.Client:
        token = Sessions(store.sessions).begin(person) if person else ""
        cookies = {"somnoaudit": token} if token else {}
        clients.append(httpx.Client(base_url=address, cookies=cookies, timeout=60))
        return clients[-1]

    yield begin
    for each in clients:
        each.close()


def person(role: DeskRole, patient: str | None = None) -> Person:
    return Person("Dr. Example", role, patient)


READ = (
    "/",
    f"/studies/{STUDY}",
    f"/studies/{STUDY}/report",
    EPOCH,
    f"{EPOCH}/events",
)
OF_THE_RECORDING = (
    f"/studies/{STUDY}/spectrogram.png",
    f"{EPOCH}/waveform",
    f"{EPOCH}/image.png",
)
DECIDE = f"{EPOCH}/decision"
SIGN = f"/studies/{STUDY}/signature"
ACCEPTING = {"scoring": "1", "seen": "0", "action": "accept"}
"""A decision as the page of any epoch would send it."""


def fields(client: httpx.Client, page: str, **more: str) -> dict[str, str]:
    """A form as its page holds it; for who is shown no form, what they might make up."""
    made_up = {"csrf": "", "scoring": "0", "seen": "0"}
    return made_up | hidden_fields(client.get(page).text) | more


# ── roles ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", READ)
@pytest.mark.parametrize("role", [*DeskRole, None])
def test_all_who_are_logged_in_may_read(client: Client, role: DeskRole | None, path: str) -> None:
    answer = client(role and person(role)).get(path)
    assert answer.status_code == (200 if role else 303)
    if role is None:
        assert answer.headers["Location"] == "/login"


def test_the_report_is_a_tagged_pdf(client: Client) -> None:
    path = f"/studies/{STUDY}/report.pdf"
    assert client(None).get(path).headers["Location"] == "/login"
    answer = client(person(DeskRole.AUDITOR)).get(path)
    assert answer.headers["Content-Type"] == "application/pdf"
    packed = re.findall(rb"FlateDecode.*?stream\n(.*?)\nendstream", answer.content, re.DOTALL)
    content = answer.content + b"".join(map(zlib.decompress, packed))
    # ISO 14289-1: the file says of itself that it is PDF/UA, and has a structure and a language.
    for mark in (b"pdfuaid:part", b"/StructTreeRoot", b"/Lang"):
        assert mark in content


@pytest.mark.parametrize("path", OF_THE_RECORDING)
@pytest.mark.parametrize(("role", "status"), [*((role, 410) for role in DeskRole), (None, 303)])
def test_a_recording_that_is_gone_is_said_to_those_who_may_know(
    client: Client, role: DeskRole | None, status: int, path: str
) -> None:
    assert client(role and person(role)).get(path).status_code == status


@pytest.mark.parametrize(
    ("role", "decides", "signs"),
    [
        (DeskRole.PHYSICIAN, 303, 303),
        (DeskRole.TECHNOLOGIST, 303, 403),
        (DeskRole.AUDITOR, 403, 403),
        (DeskRole.ADMIN, 403, 403),
    ],
)
def test_a_role_decides_and_signs_as_it_may(
    client: Client, store: Store, role: DeskRole, decides: int, signs: int
) -> None:
    who = client(person(role))
    # The right token, whether or not the page shows its form to this role.
    token = Sessions(store.sessions).visitor(who.cookies["somnoaudit"])
    assert token is not None
    decision = fields(who, EPOCH) | {"csrf": token.csrf, "action": "accept"}
    assert who.post(DECIDE, data=decision).status_code == decides
    signature = fields(who, f"/studies/{STUDY}") | {"csrf": token.csrf}
    assert who.post(SIGN, data=signature).status_code == signs
    if signs == 303:
        assert "signed by Dr. Example" in who.get(f"/studies/{STUDY}").text


def test_what_a_technologist_decides_is_a_proposal(client: Client) -> None:
    who = client(person(DeskRole.TECHNOLOGIST))
    epoch = f"/studies/{STUDY}/epochs/57"
    assert who.post(f"{epoch}/decision", data=fields(who, epoch, override="N2")).is_redirect
    page = who.get(epoch).text
    assert "N2 is proposed" in page
    assert "Propose N3" in page


def test_a_note_is_left_and_decides_nothing(client: Client) -> None:
    who = client(person(DeskRole.TECHNOLOGIST))
    epoch = f"/studies/{STUDY}/epochs/70"
    form = fields(who, epoch, action="note", comment="the tape came off")
    assert who.post(f"{epoch}/decision", data=form).headers["Location"] == epoch
    page = who.get(epoch).text
    assert "Noted" in page
    assert "the tape came off" in page
    assert "is proposed" not in page
    assert "1 note" in who.get(f"/studies/{STUDY}").text, "unflagged, it is on the list"


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ({"action": "note"}, "a note wants words"),
        ({"override": "W", "reason": Reason.OTHER.value}, "another reason wants a comment"),
    ],
)
def test_what_lacks_words_is_not_taken(client: Client, lacking: dict[str, str], said: str) -> None:
    who = client(person(DeskRole.PHYSICIAN))
    epoch = f"/studies/{STUDY}/epochs/71"
    answer = who.post(f"{epoch}/decision", data=fields(who, epoch, comment="  ", **lacking))
    assert answer.status_code == 422
    assert said in answer.text
    assert "Decision" in answer.text, "the same page, to go on with"
    assert "decided" not in who.get(epoch).text


def test_an_unscored_epoch_cannot_be_accepted(client: Client) -> None:
    who = client(person(DeskRole.PHYSICIAN))
    epoch = f"/studies/{STUDY}/epochs/20"
    assert "Accept" not in who.get(epoch).text
    answer = who.post(f"{epoch}/decision", data=fields(who, epoch, action="accept"))
    assert answer.status_code == 422
    assert "no stage to accept" in answer.text


def test_who_comes_second_keeps_their_words(client: Client) -> None:
    first, second = client(person(DeskRole.PHYSICIAN)), client(person(DeskRole.PHYSICIAN))
    epoch = f"/studies/{STUDY}/epochs/72"
    form = fields(second, epoch, override="W", comment="a long thought", reason=Reason.CLAIM.value)
    assert first.post(f"{epoch}/decision", data=fields(first, epoch, override="R")).is_redirect
    answer = second.post(f"{epoch}/decision", data=form)
    assert answer.status_code == 409
    assert "a long thought</textarea>" in answer.text
    assert f"<option selected>{Reason.CLAIM.value}" in answer.text


def test_what_was_decided_about_another_scoring_is_not_taken_for_this_one(
    client: Client, store: Store
) -> None:
    study_id = "5c02ed00-0000-4000-8000-000000000003"
    hypnogram, evidence, audit = night_documents(21)
    store.add_study(study_id, "DocumentReference/13")

    def score() -> None:
        store.add_audit(study_id, STAGER, hypnogram, evidence, RULEBOOK, json.dumps(audit), "[]")

    score()
    who = client(person(DeskRole.PHYSICIAN))
    epoch = f"/studies/{study_id}/epochs/12"
    form = fields(who, epoch, action="accept", comment="clear spindles")
    score()
    answer = who.post(f"{epoch}/decision", data=form)
    assert answer.status_code == 409
    assert "scored anew meanwhile" in answer.text
    assert "clear spindles</textarea>" in answer.text
    assert "was accepted" not in who.get(epoch).text
    assert who.post(f"{epoch}/decision", data=fields(who, epoch, action="accept")).is_redirect


def test_a_question_is_on_the_second_readers_list(client: Client) -> None:
    asks, reads = (client(Person(name, DeskRole.PHYSICIAN)) for name in ("Dr. Ada", "Dr. Bo"))
    asked, shown = "/?shown=second+reader", f"/studies/{STUDY}/epochs/130"
    assert STUDY not in reads.get(asked).text
    form = fields(asks, shown, action="second-reader", comment="N2 or R?")
    assert asks.post(f"{shown}/decision", data=form).is_redirect
    assert STUDY in reads.get(asked).text
    assert STUDY not in asks.get(asked).text, "it is for somebody else"
    page = reads.get(shown).text
    assert "A second reader was asked for" in page
    assert "N2 or R?" in page
    assert reads.post(f"{shown}/decision", data=fields(reads, shown, action="accept")).is_redirect
    assert STUDY not in reads.get(asked).text


@pytest.mark.parametrize("path", [DECIDE, SIGN])
def test_nobody_changes_nothing(client: Client, path: str) -> None:
    answer = client(None).post(path, data={"csrf": "", **ACCEPTING})
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/login"


# ── a launch for one patient ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", [p for p in (*READ, *OF_THE_RECORDING) if p != "/"])
@pytest.mark.parametrize("role", list(DeskRole))
def test_a_launch_sees_no_other_patient(client: Client, role: DeskRole, path: str) -> None:
    other = client(person(role, "Patient/8")).get(path)
    unknown = client(person(role, "Patient/8")).get(path.replace(STUDY, "no-such-study"))
    assert other.status_code == unknown.status_code == 404
    assert other.text == unknown.text, "what there is, is not told either"
    own = client(person(role, PATIENT)).get(path)
    assert own.status_code in (200, 410)


@pytest.mark.parametrize("path", [DECIDE, SIGN])
def test_a_launch_changes_no_other_patient(client: Client, store: Store, path: str) -> None:
    who = client(person(DeskRole.PHYSICIAN, "Patient/8"))
    visitor = Sessions(store.sessions).visitor(who.cookies["somnoaudit"])
    assert visitor is not None
    form = {"csrf": visitor.csrf, **ACCEPTING}
    assert who.post(path, data=form).status_code == 404


def test_a_launch_lists_its_own_patient_alone(client: Client, store: Store) -> None:
    store.add_study("of-nobody-yet", "DocumentReference/13")
    assert STUDY in client(person(DeskRole.PHYSICIAN, PATIENT)).get("/").text
    for patient in (PATIENT, "Patient/8"):
        assert "of-nobody-yet" not in client(person(DeskRole.PHYSICIAN, patient)).get("/").text
    assert STUDY not in client(person(DeskRole.PHYSICIAN, "Patient/8")).get("/").text


def test_a_launch_lists_what_is_older_than_all_that_others_see(
    client: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add_study("newest-of-all", "DocumentReference/14")
    monkeypatch.setattr(routes, "MOST_LISTED", 1)
    listed = client(person(DeskRole.PHYSICIAN)).get("/").text
    assert STUDY not in listed
    assert "the 1 studies that arrived last" in listed
    assert STUDY in client(person(DeskRole.PHYSICIAN, PATIENT)).get("/").text


def test_a_cancelled_study_says_that_it_is_and_what_begins_it_again(
    client: Client, store: Store
) -> None:
    store.add_study("cancelled", "DocumentReference/15")
    store.cancel("cancelled")
    page = client(person(DeskRole.PHYSICIAN)).get("/studies/cancelled").text
    assert "Nothing more is done about the study" in page
    assert "somnoaudit studies retry cancelled" in page
    assert "data-live" not in page


# ── every route ───────────────────────────────────────────────────────────────────────────

FOR_ALL = {
    "/",
    "/rulebook",
    "/rulebook/book",
    "/rulebook/{rule}",
    "/shelf",
}
"""Routes that want a login and are about no single study."""

FOR_NOBODY = {
    "/login",
    "/login/local",
    "/login/ehr",
    "/login/done",
    "/launch",
    "/logout",
    "/healthz",
    HOOK,
    f"{HOOK}/{{_resource}}",
    "/static/book.css",
    "/static/book-part.css",
}
"""Routes that are open, or that programs ask with a secret of their own."""


def every_route(store: Store) -> Iterator[tuple[str, str]]:
    desk = Desk(store, OpenStudies(store, lambda _: None), ReviewStore(store.sessions), print)
    for path, methods in create_app(desk, print, "a-secret").openapi()["paths"].items():
        yield from ((method.upper(), path) for method in methods)


def test_what_wants_a_login_is_known_route_by_route(client: Client, store: Store) -> None:
    who = client(None)
    for method, path in every_route(store):
        filled = path.format(study_id=STUDY, number=12, rule="N2.1", _resource="Patient/1")
        answer = who.request(method, filled)
        is_asked = answer.status_code == 303 and answer.headers["Location"] == "/login"
        open_to_all = path in FOR_NOBODY
        assert is_asked is not open_to_all or path == "/logout", (method, path)
        assert open_to_all or path in FOR_ALL or path.startswith("/studies/{study_id}"), path


@pytest.mark.parametrize("role", list(DeskRole))
def test_no_route_of_another_patients_study_answers(
    client: Client, store: Store, role: DeskRole
) -> None:
    who = client(person(role, "Patient/8"))
    visitor = Sessions(store.sessions).visitor(who.cookies["somnoaudit"])
    assert visitor is not None
    form = {"csrf": visitor.csrf, **ACCEPTING}
    of_studies = [each for each in every_route(store) if "{study_id}" in each[1]]
    assert len(of_studies) >= 12
    for method, path in of_studies:
        filled = path.format(study_id=STUDY, number=12)
        data = form if method == "POST" else None
        answer = who.request(method, filled, data=data)
        refused = (403, 404) if role is DeskRole.TECHNOLOGIST else (404,)
        assert answer.status_code in refused, (method, path)


# ── forms, headers, cookies ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", [DECIDE, SIGN])
def test_a_form_without_its_token_is_refused(client: Client, path: str) -> None:
    who, other = client(person(DeskRole.PHYSICIAN)), client(person(DeskRole.PHYSICIAN))
    stolen = fields(other, EPOCH)["csrf"]
    for csrf in ("guessed", stolen):
        form = {"csrf": csrf, **ACCEPTING}
        assert who.post(path, data=form).status_code == 403
    for missing in ({}, {"csrf": ""}):
        form = {**ACCEPTING, **missing}
        assert who.post(path, data=form).status_code == 422


def test_a_misfit_is_a_page_that_repeats_nothing(client: Client) -> None:
    who = client(person(DeskRole.PHYSICIAN))
    form = fields(who, EPOCH, action="accept", comment="about the patient " * 200)
    answer = who.post(DECIDE, data=form)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "about the patient" not in answer.text


def test_other_sites_send_no_login_and_no_logout(client: Client) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    form = {"name": "Dr. Example", "role": "physician"}
    assert client(None).post("/login/local", data=form, headers=elsewhere).status_code == 403
    who = client(person(DeskRole.PHYSICIAN))
    assert who.post("/logout", headers=elsewhere).status_code == 403
    assert who.get("/").status_code == 200


@pytest.mark.parametrize("path", ["/login", *READ, *OF_THE_RECORDING, "/static/epoch.js", "/none"])
def test_every_answer_carries_the_headers(client: Client, path: str) -> None:
    headers = client(person(DeskRole.AUDITOR)).get(path).headers
    assert headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("scheme", "is_secure"), [("http", False), ("https", True)])
def test_the_cookie_is_for_the_service_alone(client: Client, scheme: str, is_secure: bool) -> None:
    # As a proxy on this machine that ends TLS says it.
    proxied = {"X-Forwarded-Proto": scheme}
    form = {"name": "Dr. Example", "role": "auditor"}
    answer = client(None).post("/login/local", data=form, headers=proxied)
    cookie = answer.headers["Set-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert ("secure" in cookie) is is_secure


def test_the_local_login_is_refused_to_other_machines(client: Client) -> None:
    form = {"name": "Dr. Example", "role": "physician"}
    far = {"X-Forwarded-For": "192.0.2.7"}
    assert client(None).post("/login/local", data=form, headers=far).status_code == 403
    assert "On this machine" not in client(None).get("/login", headers=far).text


def test_logging_out_ends_the_session_and_not_the_cookie_alone(client: Client) -> None:
    who = client(person(DeskRole.PHYSICIAN))
    token = who.cookies["somnoaudit"]
    assert who.post("/logout").status_code == 303
    again = httpx.get(f"{who.base_url}", cookies={"somnoaudit": token})
    assert again.headers["Location"] == "/login"


def test_no_address_names_a_patient(client: Client) -> None:
    who = client(person(DeskRole.PHYSICIAN))
    for path in READ:
        links = re.findall(r'(?:href|action|src)="([^"]*)"', who.get(path).text)
        assert not [link for link in links if "Patient" in link or "Example" in link]


# ── time and number ───────────────────────────────────────────────────────────────────────


def test_a_page_that_renews_itself_keeps_nobody_logged_in(store: Store) -> None:
    now = utc_now()
    sessions = Sessions(store.sessions, lambda: now)
    token = sessions.begin(person(DeskRole.PHYSICIAN))
    now += IDLE - timedelta(minutes=1)
    assert sessions.visitor(token, attended=False) is not None
    now += timedelta(minutes=2)
    assert sessions.visitor(token) is None


def test_a_working_day_ends_every_session(store: Store) -> None:
    began = now = utc_now()
    sessions = Sessions(store.sessions, lambda: now)
    token = sessions.begin(person(DeskRole.PHYSICIAN))
    while now - began < LONGEST - IDLE:
        now += IDLE - timedelta(minutes=1)
        assert sessions.visitor(token) is not None
    now = began + LONGEST + timedelta(minutes=1)
    assert sessions.visitor(token) is None


def test_an_address_that_tries_too_often_waits() -> None:
    now = 0.0
    limit = LoginLimit(lambda: now)
    assert [limit.wait_s("192.0.2.1") for _ in range(MOST_TRIES)] == [0.0] * MOST_TRIES
    assert limit.wait_s("192.0.2.1") == WITHIN_S
    assert limit.wait_s("192.0.2.2") == 0.0
    now = WITHIN_S
    assert limit.wait_s("192.0.2.1") == 0.0


def test_too_many_logins_are_answered_with_when_to_come_back(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'somnoaudit.db'}")
    with desk_service(store, None) as address, httpx.Client(base_url=address) as client:
        form = {"name": "Dr. Example", "role": "physician"}
        answers = [client.post("/login/local", data=form) for _ in range(MOST_TRIES + 1)]
    store.close()
    assert {answer.status_code for answer in answers[:-1]} == {303}
    assert answers[-1].status_code == 429
    assert 0 < int(answers[-1].headers["Retry-After"]) <= WITHIN_S
    assert "wait a minute" in answers[-1].text
