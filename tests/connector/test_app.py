"""The web side, over real HTTP on loopback: what comes in at the hook, what pages say."""

import json
import re
import socket
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import httpx
import pytest
from audited_night import RULEBOOK, SPINDLE, STAGER, audited_night, night_documents

from auditor.errors import ServerFailed
from connector.app import create_app, serve
from connector.desk.opened import OpenStudies
from connector.desk.review_store import ReviewStore
from connector.mount import Desk
from connector.pages import write_report
from connector.store import Store
from connector.tables import State
from connector.workflow import NotRunning

SECRET = "a-secret-of-the-tests"
AUTHORIZED = {"Authorization": f"Bearer {SECRET}"}
DOCUMENT = {"resourceType": "DocumentReference", "id": "12"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'somnoaudit.db'}")
    yield opened
    opened.close()


@pytest.fixture
def taken() -> list[str | None]:
    return []


@pytest.fixture
def web(store: Store, taken: list[str | None]) -> Iterator[httpx.Client]:
    app = create_app(_desk(store), taken.append, SECRET)
    with serve(app, "127.0.0.1", 0) as address, httpx.Client(base_url=address) as client:
        log_in(client)
        yield client


def _desk(store: Store) -> Desk:
    return Desk(
        store,
        OpenStudies(store, lambda _study: None),
        ReviewStore(store.sessions),
        signed=lambda: None,
        local_login=True,
    )


def log_in(client: httpx.Client, role: str = "physician") -> None:
    answer = client.post("/login/local", data={"name": "Dr. Example", "role": role})
    assert answer.status_code == 303


def test_the_service_says_that_it_is_there(web: httpx.Client) -> None:
    assert web.get("/healthz").json() == {"status": "ok"}


# ── the hook ──────────────────────────────────────────────────────────────────────────────


def test_notifications_are_taken_as_servers_send_them(
    web: httpx.Client, taken: list[str | None]
) -> None:
    answers = [
        web.post("/hooks/fhir", headers=AUTHORIZED),
        web.post("/hooks/fhir", headers=AUTHORIZED, json=DOCUMENT),
        web.put("/hooks/fhir/DocumentReference/12", headers=AUTHORIZED, json=DOCUMENT),
    ]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert all(answer.content == b"" for answer in answers)
    assert taken == [None, "DocumentReference/12", "DocumentReference/12"]


def test_a_stranger_is_turned_away(web: httpx.Client, taken: list[str | None]) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": SECRET},
        {"Authorization": f"Bearer {SECRET}x"},
        {"Authorization": "Bearer ÿ".encode("latin-1")},
    ):
        answer = web.post("/hooks/fhir", headers=headers, content=b"not even JSON")
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.text == "The secret is missing or wrong.\n"
    assert taken == []


def test_a_malformed_notification_is_refused_with_a_sentence(
    web: httpx.Client, taken: list[str | None]
) -> None:
    answer = web.post("/hooks/fhir", headers=AUTHORIZED, content=b"{]")
    assert answer.status_code == 400
    assert answer.text == "The body is not a FHIR notification in JSON.\n"
    assert taken == []


def test_a_notification_without_end_is_cut_off(web: httpx.Client) -> None:
    pieces = (b" " * 65536 for _ in range(17))
    assert web.post("/hooks/fhir", headers=AUTHORIZED, content=pieces).status_code == 413


# ── the pages ─────────────────────────────────────────────────────────────────────────────


def _add_audited(store: Store, study_id: str) -> None:
    store.add_study(study_id, "DocumentReference/12")
    hypnogram, evidence, audit = night_documents()
    store.add_audit(
        study_id, STAGER, hypnogram, evidence, RULEBOOK, json.dumps(audit), "[]", n_flagged=3
    )
    store.reported(study_id, "DiagnosticReport/9")


def test_the_list_links_to_each_study(web: httpx.Client, store: Store) -> None:
    assert "No study has arrived yet" in web.get("/").text
    _add_audited(store, "s1")
    store.add_study("s2", "DocumentReference/13")
    store.fail("s2", "The recording holds no EEG channel.")
    page = web.get("/").text
    assert '<a href="/studies/s1" data-row>s1</a>' in page
    assert "DiagnosticReport/9" in page
    assert "The recording holds no EEG channel." in page
    assert "data-live" not in page  # nothing is going on, so nothing to look again for


def test_a_report_shows_figures_and_the_flagged_epochs_in_review_order(tmp_path: Path) -> None:
    write_report(audited_night(), tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "AI-generated; not reviewed or signed by a physician." in page
    assert "3 of 960 epochs" in page
    positions = [page.index(f'<tr id="epoch-{number}"') for number in (12, 57, 130)]
    assert positions == sorted(positions)
    assert "22:53:30" in page  # epoch 12 of a recording that starts at 22:47:30
    assert "a sleep spindle &lt;at&gt; 14 s &amp; more" in page
    assert SPINDLE not in page
    assert "more” (present)" in page
    assert "No sleep spindle is there: the likeliest candidate has probability 0.03." in page
    assert "the signal contradicts what is claimed" in page
    assert "slow wave share: measured 0.12, needed ≥ 0.2" in page
    assert "slow wave activity present, as the stage implies" in page
    assert "no channel is labelled O1, O2 or Oz" in page
    assert "rulebook 2026.1" in page


def test_the_hypnogram_is_a_drawing_of_every_epoch(web: httpx.Client, store: Store) -> None:
    _add_audited(store, "s1")
    page = web.get("/studies/s1").text
    drawing = ET.fromstring(page[page.index("<svg") : page.index("</svg>") + len("</svg>")])
    bars = [e for e in drawing.iter("rect") if e.get("class", "").startswith("stage ")]
    runs = [stage for stage, _ in groupby(epoch["stage"] for epoch in audited_night()["epochs"])]
    assert [bar.get("class") for bar in bars] == [f"stage {s}" for s in runs if s != "?"]
    width = sum(float(bar.get("width", "")) for bar in bars)
    assert width == pytest.approx(966 * 959 / 960, abs=0.3)  # one epoch is not scored
    assert [a.get("href") for a in drawing.iter("a")] == [
        f"/studies/s1/epochs/{number}" for number in (12, 57, 130)
    ]
    times = [e.text for e in drawing.iter("text") if e.get("class") == "time"]
    assert times[:2] == ["23:00", "00:00"]
    assert drawing.get("aria-label") == "Hypnogram of 960 epochs, 3 of them flagged for review"


def test_a_study_that_is_being_worked_on_is_looked_at_again(
    web: httpx.Client, store: Store
) -> None:
    store.add_study("s1", "DocumentReference/12")
    store.advance("s1", State.SCORING)
    page = web.get("/studies/s1").text
    assert '<script type="module" src="/static/live.js">' in page
    assert "data-live" in page
    assert "scoring" in page


def test_a_failed_study_says_why(web: httpx.Client, store: Store) -> None:
    store.add_study("s1", "DocumentReference/12")
    store.fail("s1", "night.edf: holds no <EEG> channel")
    page = web.get("/studies/s1").text
    assert "night.edf: holds no &lt;EEG&gt; channel" in page


def test_an_unknown_study_is_a_page_that_says_so(web: httpx.Client) -> None:
    answer = web.get("/studies/no-such")
    assert answer.status_code == 404
    assert "There is no study of this name." in answer.text
    assert web.get("/no-such-page").status_code == 404


def test_pages_take_nothing_from_elsewhere_and_stay_nowhere(
    web: httpx.Client, store: Store
) -> None:
    _add_audited(store, "s1")
    for path in ("/", "/studies/s1", "/studies/none", "/static/page.css"):
        answer = web.get(path)
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        for forbidden in ("http://", "https://", "<script>", "<style", "style=", "url("):
            assert forbidden not in answer.text, path
        for script in re.findall(r"<script\b[^>]*>", answer.text):
            assert 'src="/static/' in script


def test_a_report_is_written_as_a_page_of_its_own(tmp_path: Path) -> None:
    audit = audited_night(40)
    write_report(audit, tmp_path / "new" / "folder")
    page = (tmp_path / "new" / "folder" / "report.html").read_text()
    assert "<style>" in page
    assert 'href="/' not in page
    assert "No sleep spindle is there" in page
    assert json.loads((tmp_path / "new" / "folder" / "audit.json").read_text()) == audit


@pytest.mark.parametrize("n_epochs", [0, 1, 4])
def test_short_recordings_have_pages_too(n_epochs: int, tmp_path: Path) -> None:
    audit = audited_night(30)
    audit["epochs"] = audit["epochs"][:n_epochs]
    audit["summary"]["review_order"] = []
    audit["recording"]["start"] = None
    write_report(audit, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert f"Hypnogram of {n_epochs} epochs" in page
    assert "No epoch is flagged." in page


# ── serving ───────────────────────────────────────────────────────────────────────────────


def test_a_taken_port_is_said(store: Store, taken: list[str | None]) -> None:
    app = create_app(_desk(store), taken.append, SECRET)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ServerFailed, match=f"port {port}: "), serve(app, "127.0.0.1", port):
            pass


def test_a_host_that_is_none_is_said(store: Store, taken: list[str | None]) -> None:
    app = create_app(_desk(store), taken.append, SECRET)
    for host in ("no-such-host.invalid", "ä" * 70):
        with pytest.raises(ServerFailed, match="cannot listen on"), serve(app, host, 0):
            pass


def test_a_client_that_never_ends_does_not_keep_the_service_from_stopping(
    store: Store, taken: list[str | None]
) -> None:
    stop, stopped = threading.Event(), threading.Event()
    address: list[str] = []

    def run() -> None:
        with serve(create_app(_desk(store), taken.append, SECRET), "127.0.0.1", 0) as own:
            address.append(own)
            up.set()
            stop.wait()
        stopped.set()

    up = threading.Event()
    threading.Thread(target=run, daemon=True).start()
    assert up.wait(30)
    with _unfinished_notification(address[0]):
        httpx.get(f"{address[0]}/healthz")  # by now the unfinished one is being read
        stop.set()
        assert stopped.wait(30)


def test_a_notification_that_breaks_off_is_no_defect(
    capfd: pytest.CaptureFixture[str], web: httpx.Client, taken: list[str | None]
) -> None:
    _unfinished_notification(str(web.base_url)).close()
    # The service's one thread takes this one after the end of the other.
    assert web.post("/hooks/fhir", headers=AUTHORIZED).status_code == 202
    assert taken == [None]
    assert capfd.readouterr().err == ""


def _unfinished_notification(address: str) -> socket.socket:
    url = httpx.URL(address)
    client = socket.create_connection((url.host, url.port or 80))
    head = f"POST /hooks/fhir HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\n"
    client.sendall(f"{head}Content-Length: 1000\r\n\r\n{{".encode())
    return client


def test_a_service_whose_worker_does_not_run_asks_for_patience(store: Store) -> None:
    def refuse(_hint: str | None) -> None:
        raise NotRunning

    with serve(create_app(_desk(store), refuse, SECRET), "127.0.0.1", 0) as address:
        answer = httpx.post(f"{address}/hooks/fhir", headers=AUTHORIZED)
        assert httpx.get(f"{address}/healthz").is_success
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


def test_a_stopped_service_is_gone(store: Store, taken: list[str | None]) -> None:
    with serve(create_app(_desk(store), taken.append, SECRET), "127.0.0.1", 0) as address:
        assert httpx.get(f"{address}/healthz").is_success
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/healthz")
