"""The auditor's shelf: what it counts, what it tells and whom, and that it changes nothing."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from audited_night import RULEBOOK, STAGER, night_documents
from desk_night import hidden_fields
from sqlalchemy import update

from auditor.vocabulary import Stage, Verdict
from connector.app import create_app, serve
from connector.desk.opened import OpenStudies
from connector.desk.people import DeskRole, Person
from connector.desk.review import Action as Choice
from connector.desk.review import Reason
from connector.desk.review_store import DecisionRow, NewDecision, ReviewStore
from connector.desk.sessions import Sessions
from connector.documents import Json
from connector.mount import Desk
from connector.rulebook_book import Rate
from connector.shelf.agreement_figures import (
    ReviewedNight,
    agreement_figures,
)
from connector.shelf.charts import kappa_chart, precision_chart, verdicts_chart
from connector.shelf.finding_index import Finding, FindingIndex
from connector.shelf.night_reader import NightReader
from connector.store import Store
from connector.tables import AuditRow, HypnogramRow
from connector.trail import Action
from connector.trail_bundle import verify_bundle
from connector.trail_key import signing_key

N_EPOCHS = 20
PHYSICIAN = Person("Dr. Ada Example", DeskRole.PHYSICIAN, None, "Practitioner/3")


def document(shift: int = 0) -> Json:
    """An audit of 20 epochs of N2, as far as the shelf reads it.

    Rule N2.1 is cited in every even epoch, and contradicted in each fifth, counted from
    ``shift``, which is flagged; N3.1 is supported in epoch 7, uncited.
    """
    return {"epochs": [_epoch(index, (index - shift) % 5 == 0) for index in range(N_EPOCHS)]}


def _epoch(index: int, fails: bool) -> Json:
    verdict = "contradicted" if fails else "supported"
    rules = [{"id": "N2.1", "cited": index % 2 == 0, "verdict": verdict, "conditions": []}]
    if index == 7:
        rules.append({"id": "N3.1", "cited": False, "verdict": "supported", "conditions": []})
    flags = [{"code": "rule-not-met", "severity": "high", "message": "it does not hold"}]
    return {"epoch": index, "stage": "N2", "rules": rules, "flags": flags if fails else []}


def add_study(store: Store, study_id: str, patient: str, audit: Json, scored: str = "{}") -> None:
    store.add_study(study_id, f"DocumentReference/{study_id}")
    worker = f"worker of {study_id}"
    store.add_worker(worker, "here", "1")
    run = store.begin(study_id, 1, worker)
    store.note_patient(run, patient)
    evidence = night_documents(140)[1]
    store.add_audit(study_id, STAGER, scored, evidence, RULEBOOK, json.dumps(audit), "[]", run, 3)
    store.reported(study_id, "DiagnosticReport/9")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'somnoaudit.db'}")
    yield opened
    opened.close()


@pytest.fixture
def index(store: Store) -> FindingIndex:
    add_study(store, "s1", "Patient/1", document())
    add_study(store, "s2", "Patient/2", document(shift=2))
    made = FindingIndex(store.sessions)
    assert made.catch_up() == 0
    return made


# ── every finding ─────────────────────────────────────────────────────────────────────────


def test_findings_are_counted_by_rule_and_verdict(index: FindingIndex) -> None:
    counts = index.counts()
    assert counts.keys() == {"N2.1", "N3.1"}
    n2 = counts["N2.1"]
    assert (n2.supported, n2.contradicted, n2.not_assessable, n2.cited) == (32, 8, 0, 20)
    assert n2.total == 40
    assert counts["N3.1"].total == 2


def test_an_audit_is_counted_once(index: FindingIndex) -> None:
    assert index.catch_up() == 0
    assert index.counts()["N2.1"].total == 40


def test_what_is_left_unread_is_said(store: Store) -> None:
    for number in range(3):
        add_study(store, f"s{number}", "Patient/1", document())
    index = FindingIndex(store.sessions)
    assert index.catch_up(most=2) == 1
    assert index.counts()["N2.1"].total == 40
    assert index.catch_up(most=2) == 0
    assert index.counts()["N2.1"].total == 60


def test_several_who_read_the_same_audits_at_once_count_them_once(store: Store) -> None:
    for number in range(4):
        add_study(store, f"s{number}", "Patient/1", document())
    together = threading.Barrier(3)

    def read() -> None:
        together.wait()
        FindingIndex(store.sessions).catch_up()

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert FindingIndex(store.sessions).counts()["N2.1"].total == 80


def test_pages_hold_every_finding_once_newest_audit_first(index: FindingIndex) -> None:
    found: list[Finding] = []
    for first in range(0, 42, 7):
        page = index.findings("N2.1", first, 7)
        assert page.total == 40
        found += page.findings
    assert [(each.study_id, each.epoch) for each in found] == [
        (study, epoch) for study in ("s2", "s1") for epoch in range(N_EPOCHS)
    ]
    fails = [each.epoch for each in found[:N_EPOCHS] if each.verdict is Verdict.CONTRADICTED]
    assert fails == [2, 7, 12, 17]
    assert [each.cited for each in found[:3]] == [True, False, True]
    assert {each.rulebook_version for each in found} == {RULEBOOK.version}


def test_findings_are_chosen_by_verdict_and_by_citation(index: FindingIndex) -> None:
    contradicted = index.findings("N2.1", 0, 100, verdict=Verdict.CONTRADICTED)
    assert [each.epoch for each in contradicted.findings] == [2, 7, 12, 17, 0, 5, 10, 15]
    cited = index.findings("N2.1", 0, 100, verdict=Verdict.CONTRADICTED, cited=True)
    assert [each.epoch for each in cited.findings] == [2, 12, 0, 10]
    assert index.findings("N2.1", 0, 100, verdict=Verdict.NOT_ASSESSABLE).total == 0


def test_one_patients_findings_are_of_that_patient_alone(index: FindingIndex) -> None:
    page = index.findings("N2.1", 0, 100, patient="Patient/2")
    assert page.total == 20
    assert {each.study_id for each in page.findings} == {"s2"}
    assert index.counts("Patient/2")["N2.1"].total == 20
    assert index.counts("Patient/3") == {}
    assert sum(n for _, _, n in index.over_time("N2.1", "Patient/2")) == 20


def test_findings_over_time_are_stacked_by_week() -> None:
    sunday = datetime(2026, 3, 1, tzinfo=UTC)
    chart = verdicts_chart(
        [
            (sunday, Verdict.SUPPORTED, 30),
            (sunday, Verdict.CONTRADICTED, 10),
            (sunday + timedelta(days=1), Verdict.SUPPORTED, 40),
        ]
    )
    assert chart is not None
    first, upon, later = chart.blocks
    assert first.x == upon.x != later.x
    assert upon.y + upon.height == pytest.approx(first.y)
    assert first.y + first.height == pytest.approx(chart.frame.bottom)
    assert first.height == pytest.approx(3 * upon.height)
    assert later.y == pytest.approx(upon.y)
    assert "2026-02-23: 30 supported" in first.words
    assert verdicts_chart([]) is None


def test_the_index_works_on_either_database(database_url: str) -> None:
    store = Store.open(database_url)
    add_study(store, "s1", "Patient/1", document())
    index = FindingIndex(store.sessions)
    assert index.catch_up() == 0
    assert index.findings("N2.1", 3, 2, cited=True).findings[0].epoch == 6
    assert len(index.over_time("N2.1")) == 2
    nights = NightReader(store.sessions)
    assert nights.nights() == nights.nights("Patient/1") == ()
    _decide(store, 4, Choice.ACCEPT, Stage.N2)
    assert [night.decided for night in nights.nights("Patient/1")] == [{4: False}]
    assert nights.nights("Patient/2") == ()
    store.close()


# ── agreement ─────────────────────────────────────────────────────────────────────────────

SIGNED_AT = datetime(2026, 3, 4, tzinfo=UTC)
STAGES = (Stage.N2,) * N_EPOCHS


def _decide(store: Store, epoch: int, action: Choice, stage: Stage, proposed: bool = False) -> None:
    """A decision about the store's first scoring."""
    reviews = ReviewStore(store.sessions)
    role = DeskRole.TECHNOLOGIST if proposed else DeskRole.PHYSICIAN
    new = NewDecision(epoch, action, stage, Person("A", role))
    reviews.decide(reviews.review(1, STAGES, (0,)), new)


def night(**more: object) -> ReviewedNight:
    """Five epochs of N2 and five of W, of which a physician made one W."""
    values: dict[str, object] = {
        "scored": (Stage.N2,) * 5 + (Stage.W,) * 5,
        "decided": {0: True, 1: False, 7: False},
        "flags": {"rule-not-met": [0, 1, 2], "low-confidence": [1]},
        "rules": {("N2.1", Verdict.SUPPORTED): [1, 3], ("N2.1", Verdict.CONTRADICTED): [0]},
        "signed": (Stage.W,) + (Stage.N2,) * 4 + (Stage.W,) * 5,
        "signed_at": SIGNED_AT,
    }
    return ReviewedNight(**(values | more))  # type: ignore[arg-type]


def shares(rate: Rate) -> tuple[int, int]:
    return rate.wrong, rate.n


def test_kappa_is_between_what_was_scored_and_what_was_signed() -> None:
    figures = agreement_figures([night()])
    assert figures.kappa == pytest.approx(0.8)
    (week,) = figures.weeks
    assert (week.monday.isoformat(), week.nights) == ("2026-03-02", 1)
    assert week.kappa == pytest.approx(0.8)


def test_an_epoch_that_nobody_scored_is_no_agreement() -> None:
    scored = (Stage.UNSCORED, *night().scored)
    left = agreement_figures([night(scored=scored, signed=(Stage.UNSCORED, *night().signed))])
    assert left.kappa == pytest.approx(0.8)
    filled = agreement_figures([night(scored=scored, signed=(Stage.W, *night().signed))])
    assert filled.kappa is not None
    assert filled.kappa < 0.8


def test_a_flag_is_as_precise_as_it_is_overridden() -> None:
    figures = agreement_figures([night()])
    assert {code: shares(each) for code, each in figures.flags.items()} == {
        "rule-not-met": (1, 2),
        "low-confidence": (0, 1),
    }
    assert shares(figures.unflagged) == (0, 1)
    assert shares(figures.weeks[0].overridden) == (1, 2)


def test_a_rule_is_told_by_whether_it_held() -> None:
    (rule,) = agreement_figures([night()]).rules
    assert shares(rule.where_supported) == (0, 1)
    assert shares(rule.where_contradicted) == (1, 1)


def test_an_unsigned_night_has_decisions_and_no_kappa() -> None:
    figures = agreement_figures([night(signed=(), signed_at=None)])
    assert (figures.nights, figures.decided, figures.kappa, figures.weeks) == (0, 3, None, ())
    assert kappa_chart(figures.weeks) is None
    assert precision_chart(figures.weeks) is None


def test_an_interval_encloses_its_share_in_the_drawing() -> None:
    chart = precision_chart(agreement_figures([night()]).weeks)
    assert chart is not None
    (dot,) = chart.dots
    assert dot.low is not None
    assert dot.high is not None
    assert dot.high < dot.y < dot.low  # upwards is less
    assert "50%, 1 of 2, 1 night" in dot.words


def test_a_kappa_below_chance_stays_in_the_drawing() -> None:
    upside_down = tuple(reversed(night().scored))
    chart = kappa_chart(agreement_figures([night(signed=upside_down)]).weeks)
    assert chart is not None
    assert chart.dots[0].y == pytest.approx(chart.frame.bottom)


@pytest.mark.usefixtures("index")
def test_what_waits_for_a_physician_is_not_decided(store: Store) -> None:
    _decide(store, 0, Choice.OVERRIDE, Stage.N1)
    _decide(store, 5, Choice.OVERRIDE, Stage.N1, proposed=True)
    _decide(store, 10, Choice.SECOND_READER, Stage.N2)
    _decide(store, 11, Choice.ACCEPT, Stage.N2)
    _decide(store, 12, Choice.NOTE, Stage.N2)
    nights = NightReader(store.sessions)
    (known,) = nights.nights()
    assert known.decided == {0: True, 11: False}
    assert known.scored == STAGES
    assert known.rules["N2.1", Verdict.CONTRADICTED] == [0]
    assert known.signed_at is None
    assert nights.nights("Patient/2") == ()


@pytest.mark.usefixtures("index")
def test_a_night_is_read_again_once_something_is_new(store: Store) -> None:
    nights = NightReader(store.sessions)
    _decide(store, 0, Choice.ACCEPT, Stage.N2)
    (first,) = nights.nights()
    assert nights.nights()[0] is first
    _decide(store, 1, Choice.OVERRIDE, Stage.W)
    assert nights.nights()[0].decided == {0: False, 1: True}
    reviews = ReviewStore(store.sessions)
    review = reviews.review(1, STAGES, (0,))
    reviews.sign(review, PHYSICIAN, review.content_sha256)
    assert nights.nights()[0].signed[:3] == (Stage.N2, Stage.W, Stage.N2)
    changed = document(shift=1)
    store.add_audit("s1", STAGER, "{}", b"", RULEBOOK, json.dumps(changed), "[]")
    assert FindingIndex(store.sessions).catch_up() == 0
    assert len(nights.nights()) == 1, "another scoring, which nobody has looked at yet"


# ── the pages ─────────────────────────────────────────────────────────────────────────────

OWN = "5ca1ab1e-0000-4000-8000-000000000001"
OTHER = "0ddba11a-0000-4000-8000-000000000002"
HISTORY = f"/studies/{OWN}/epochs/57/history"
BUNDLE = f"/studies/{OWN}/bundle"
COMMENT = "no slow waves at the front"

Client: TypeAlias = Callable[..., httpx.Client]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, str]]:
    """A service with two patients' studies, of which one is signed with an epoch overridden."""
    folder = tmp_path_factory.mktemp("shelf")
    store = Store.open(f"sqlite:///{folder / 'somnoaudit.db'}")
    hypnogram, _, audit = night_documents(140)
    add_study(store, OWN, "Patient/7", audit, hypnogram)
    add_study(store, OTHER, "Patient/8", audit, hypnogram)
    desk = Desk(
        store,
        OpenStudies(store, lambda _study: None),
        ReviewStore(store.sessions),
        signed=lambda: None,
        signing_key=lambda: signing_key(folder / "key.pem", make=True),
    )
    with serve(create_app(desk, lambda _hint: None, "a-secret"), "127.0.0.1", 0) as address:
        _review(store, address)
        yield store, address
    store.close()


def _review(store: Store, address: str) -> None:
    token = Sessions(store.sessions).begin(PHYSICIAN)
    with httpx.Client(base_url=address, cookies={"somnoaudit": token}, timeout=60) as client:
        form = hidden_fields(client.get(f"/studies/{OWN}/epochs/57").text) | {
            "override": "N2",
            "reason": Reason.CLAIM.value,
            "comment": COMMENT,
        }
        assert client.post(f"/studies/{OWN}/epochs/57/decision", data=form).status_code == 303
        signed = hidden_fields(client.get(f"/studies/{OWN}").text)
        assert client.post(f"/studies/{OWN}/signature", data=signed).status_code == 303


@pytest.fixture
def client(shelf: tuple[Store, str]) -> Iterator[Client]:
    """The service as somebody sees it; None is nobody."""
    store, address = shelf
    clients = []

    def begin(role: DeskRole | None, patient: str | None = None) -> httpx.Client:
        cookies = {}
        if role is not None:
            person = Person("Dr. Example", role, patient)
            cookies["somnoaudit"] = Sessions(store.sessions).begin(person)
        clients.append(httpx.Client(base_url=address, cookies=cookies, timeout=60))
        return clients[-1]

    yield begin
    for each in clients:
        each.close()


OPEN_TO_ALL = ("/rulebook", "/rulebook/book", "/rulebook/N3.1")
OPEN_TO_SOME = ("/shelf", HISTORY, BUNDLE)
MAY_NOT = (DeskRole.TECHNOLOGIST,)


@pytest.mark.parametrize("path", [*OPEN_TO_ALL, *OPEN_TO_SOME])
@pytest.mark.parametrize("role", [*DeskRole, None])
def test_roles_see_what_they_may(client: Client, role: DeskRole | None, path: str) -> None:
    answer = client(role).get(path)
    refused = path in OPEN_TO_SOME and role in MAY_NOT
    assert answer.status_code == (303 if role is None else 403 if refused else 200)


@pytest.mark.parametrize("path", [*OPEN_TO_ALL, *OPEN_TO_SOME])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_on_the_shelf_can_be_changed(client: Client, method: str, path: str) -> None:
    assert client(DeskRole.ADMIN).request(method, path).status_code == 405


@pytest.mark.parametrize("role", [DeskRole.AUDITOR, DeskRole.PHYSICIAN, DeskRole.ADMIN])
def test_a_launch_opens_no_other_patients_history(client: Client, role: DeskRole) -> None:
    launched = client(role, "Patient/8")
    for path in (HISTORY, BUNDLE):
        assert launched.get(path).status_code == 404
        assert launched.get(path.replace(OWN, OTHER)).status_code == 200


def test_a_launch_counts_its_own_patient_alone(client: Client) -> None:
    everyone = client(DeskRole.AUDITOR).get("/rulebook/N3.1").text
    assert OWN in everyone
    assert OTHER in everyone
    launched = client(DeskRole.AUDITOR, "Patient/8").get("/rulebook/N3.1").text
    assert OWN not in launched
    assert OTHER in launched
    assert "1 signed night," in client(DeskRole.AUDITOR).get("/shelf").text
    assert "0 signed nights," in client(DeskRole.AUDITOR, "Patient/8").get("/shelf").text


@pytest.mark.parametrize(
    "path",
    [
        "/rulebook/N9.9",
        f"/studies/{OWN}/epochs/140/history",
        "/studies/none/epochs/1/history",
        "/studies/none/bundle",
    ],
)
def test_what_is_not_there_is_not_found(client: Client, path: str) -> None:
    assert client(DeskRole.AUDITOR).get(path).status_code == 404


def test_a_rules_page_links_to_what_is_there(client: Client) -> None:
    auditor = client(DeskRole.AUDITOR)
    book = auditor.get("/rulebook/book").text
    rules = re.findall('href="/rulebook/([^"]+)"', auditor.get("/rulebook").text)
    assert "N3.1" in rules
    for rule in ("N3.1", "N2.1"):
        page = auditor.get(f"/rulebook/{rule}").text
        anchors = re.findall('href="/rulebook/book#([^"]+)"', page)
        assert anchors
        assert all(f'id="{anchor}"' in book for anchor in anchors)
        assert 'href="#N' not in page
        for other in re.findall('href="/rulebook/([A-Z][^"?]+)"', page):
            assert other in rules
    assert f"/studies/{OWN}/epochs/57" in auditor.get("/rulebook/N3.1").text


def test_no_page_has_a_style_that_the_browser_must_refuse(client: Client) -> None:
    auditor = client(DeskRole.AUDITOR)
    for path in (*OPEN_TO_ALL, "/shelf", HISTORY):
        page = auditor.get(path).text
        assert " style=" not in page
        assert "<style" not in page
        for style in re.findall('rel="stylesheet" href="([^"]+)"', page):
            assert auditor.get(style).headers["Content-Type"].startswith("text/css")


def test_few_nights_are_said_to_be_few(client: Client) -> None:
    assert "These are few nights" in client(DeskRole.AUDITOR).get("/shelf").text
    assert "No night is signed yet" in client(DeskRole.AUDITOR, "Patient/8").get("/shelf").text


def test_what_the_ehr_was_told_of_the_trail_is_counted_and_not_listed(
    client: Client, shelf: tuple[Store, str]
) -> None:
    store, _ = shelf
    written = {"interaction": "create", "status": 201}
    for reference in ("AuditEvent/1", "AuditEvent/2", "Task/3"):
        store.tell(Action.EHR_WRITTEN, OWN, written | {"references": [reference]})
    store.tell(
        Action.EHR_READ, OWN, {"interaction": "read", "references": ["Patient/7"], "status": 200}
    )
    page = client(DeskRole.AUDITOR).get(HISTORY).text
    assert "left out are 1 reads from the EHR and 2 AuditEvents written to it" in page
    assert "Task/3" in page
    assert "AuditEvent/" not in page


def test_the_history_tells_who_decided_what_and_why(client: Client) -> None:
    page = client(DeskRole.AUDITOR).get(HISTORY).text
    assert "N2 was decided in place of N3, because what was claimed is not there" in page
    assert COMMENT in page
    assert "Practitioner/3" in page
    assert "signature 1 under the night: reviewed and approved" in page
    assert STAGER.weights_sha256 is not None
    for sha256 in (STAGER.weights_sha256, RULEBOOK.sha256):
        assert sha256 in page
    assert "DiagnosticReport/9" in page
    assert "Every entry below" in page
    assert COMMENT not in client(DeskRole.AUDITOR).get(HISTORY.replace("57", "58")).text


def test_the_bundle_of_the_page_is_checked_offline(client: Client, tmp_path: Path) -> None:
    answer = client(DeskRole.AUDITOR).get(BUNDLE)
    assert "attachment" in answer.headers["Content-Disposition"]
    file = tmp_path / "bundle.json"
    file.write_bytes(answer.content)
    checked = verify_bundle(file)
    assert (checked.study_id, checked.breaks) == (OWN, ())
    file.write_bytes(answer.content.replace(b"Practitioner/3", b"Practitioner/4"))
    assert verify_bundle(file).breaks


def test_reading_stands_in_the_trail(client: Client, shelf: tuple[Store, str]) -> None:
    store, _ = shelf
    before = len(store.trail_of(OWN))
    auditor = client(DeskRole.AUDITOR)
    auditor.get(HISTORY)
    auditor.get(BUNDLE)
    told = store.trail_of(OWN)[before:]
    assert [entry.action for entry in told] == [Action.VIEWED.value, Action.EXPORTED.value]
    assert {entry.actor for entry in told} == {"auditor:Dr. Example"}


def test_what_was_altered_is_marked(client: Client, shelf: tuple[Store, str]) -> None:
    store, _ = shelf
    others = HISTORY.replace(OWN, OTHER)
    auditor = client(DeskRole.AUDITOR)
    with store.sessions.begin() as session:
        session.execute(update(DecisionRow).values(stage="W"))
        session.execute(
            update(AuditRow)
            .where(
                AuditRow.hypnogram_id == HypnogramRow.id,
                HypnogramRow.study_id == OTHER,
            )
            .values(document='{"epochs": []}')
        )
    try:
        assert "the table of decisions says something else" in auditor.get(HISTORY).text
        page = auditor.get(others).text
        assert "the audit was altered" in page
        assert "Not everything below is as it was written" in page
    finally:
        with store.sessions.begin() as session:
            session.execute(update(DecisionRow).values(stage="N2"))


def test_a_service_without_a_key_exports_nothing(store: Store) -> None:
    hypnogram, _, audit = night_documents(30)
    add_study(store, OWN, "Patient/7", audit, hypnogram)
    reviews = ReviewStore(store.sessions)
    desk = Desk(store, OpenStudies(store, lambda _study: None), reviews, lambda: None)
    token = Sessions(store.sessions).begin(PHYSICIAN)
    with (
        serve(create_app(desk, lambda _hint: None, "a-secret"), "127.0.0.1", 0) as address,
        httpx.Client(base_url=address, cookies={"somnoaudit": token}) as client,
    ):
        assert client.get(BUNDLE).status_code == 503
