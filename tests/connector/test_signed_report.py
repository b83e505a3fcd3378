"""A signature's way into a real FHIR server: final, amended, and never over others' edits."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from hospital import Laboratory
from pydantic import TypeAdapter

from auditor.vocabulary import (
    Audit,
    ChannelReport,
    EpochAudit,
    EpochEvidence,
    Evidence,
    Flag,
    FlagCode,
    Hypnogram,
    Role,
    RulebookIdentity,
    ScoredEpoch,
    Severity,
    Stage,
    StagerIdentity,
)
from connector import mount
from connector.app import create_app, serve
from connector.demo_ehr import DemoEhr
from connector.desk.opened import OpenStudies
from connector.desk.outbox import Outbox
from connector.desk.people import DeskRole, Person
from connector.desk.review import Action, Review, Signature
from connector.desk.review_store import NewDecision, ReviewStore
from connector.desk.sessions import Sessions
from connector.documents import audit_json
from connector.fhir import FhirClient, Resource
from connector.figures import sleep_figures
from connector.kept import keep_evidence, keep_hypnogram
from connector.report import REPORT, Entry, build_report
from connector.store import Store
from connector.study import StudyOrder, find_studies
from connector.write_back import write_report

STAGES = tuple(Stage(s) for s in ("W", "N1", "N2", "N2", "N3", "R", "W"))
PHYSICIAN = Person("Dr. Ada Example", DeskRole.PHYSICIAN, None, "Practitioner/3")
NOW = datetime(2026, 1, 2, 8, 0, tzinfo=UTC)


class Clock:
    """Goes on by a minute whenever it is asked."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


class NotNoting(ReviewStore):
    """As in a process that ends before it can note what it wrote."""

    def note_written(self, hypnogram_id: int, number: int, lacks: str = "") -> None:
        pass


@dataclass
class Desk:
    """A reported study with its desk, as the service puts them together."""

    fhir: FhirClient
    store: Store
    reviews: ReviewStore
    studies: OpenStudies
    order: StudyOrder
    told: list[Signature]

    @property
    def review(self) -> Review:
        opened = self.studies.open(self.order.id)
        assert opened is not None
        return self.reviews.review(opened.hypnogram_id, STAGES, opened.flagged)

    def override(self, epoch: int, stage: Stage) -> None:
        latest = self.review.latest.get(epoch)
        new = NewDecision(
            epoch,
            Action.OVERRIDE,
            stage,
            PHYSICIAN,
            seen=latest.id if latest else 0,
        )
        self.reviews.decide(self.review, new)

    def sign(self) -> Signature:
        return self.reviews.sign(self.review, PHYSICIAN, self.review.content_sha256)

    def outbox(self, fhir: FhirClient | None = None, reviews: ReviewStore | None = None) -> Outbox:
        return Outbox(
            self.store,
            reviews or self.reviews,
            self.studies,
            fhir or self.fhir,
            lambda _study, signature: self.told.append(signature),
        )

    def report(self) -> Resource:
        (report,) = self.fhir.search("DiagnosticReport", {"based-on": self.order.order})
        return report

    def observations(self) -> list[Resource]:
        return list(self.fhir.search("Observation", {"based-on": self.order.order}))

    def provenances(self) -> list[Resource]:
        target = f"DiagnosticReport/{self.report()['id']}"
        return [p for p in self.fhir.search("Provenance", {"target": target}) if "signature" in p]


@pytest.fixture
def desk(ehr: DemoEhr, tmp_path: Path) -> Iterator[Desk]:
    with FhirClient(ehr.base_url) as fhir:
        placed = Laboratory().place(fhir)
        (order,) = find_studies(fhir, placed.document)
        store = Store.open(f"sqlite:///{tmp_path / 'somnoaudit.db'}")
        store.add_study(order.id, order.document)
        entries = _keep(store, order)
        written = write_report(fhir, entries)
        store.reported(order.id, written[REPORT])
        reviews = ReviewStore(store.sessions, Clock())
        yield Desk(fhir, store, reviews, OpenStudies(store, lambda _: None), order, [])
        store.close()


def _keep(store: Store, order: StudyOrder) -> tuple[Entry, ...]:
    stager, rulebook = StagerIdentity("yasa", "0.7.0"), RulebookIdentity("3.0", "cd" * 32)
    hypnogram = Hypnogram(stager, tuple(ScoredEpoch(i, s) for i, s in enumerate(STAGES)))
    flag = Flag(FlagCode.STAGE_NOT_PERMITTED, Severity.HIGH, "no rule leads to N1 here")
    epochs = tuple(
        EpochAudit(i, s, (), (), (s,), (flag,) if i == 1 else (), 0.9 if i == 1 else 0.0)
        for i, s in enumerate(STAGES)
    )
    audit = Audit(stager, rulebook, epochs)
    channels = {Role.CENTRAL: ChannelReport("C4-M1", "good")}
    measured = tuple(EpochEvidence(i, {}, {}) for i in range(len(STAGES)))
    evidence = Evidence("night.edf", None, channels, {}, (), measured)
    figures = sleep_figures(hypnogram)
    entries = build_report(order, hypnogram, audit, figures, NOW)
    store.add_audit(
        order.id,
        stager,
        keep_hypnogram(hypnogram),
        keep_evidence(evidence),
        rulebook,
        json.dumps(audit_json(audit, evidence, figures.document())),
        TypeAdapter(tuple[Entry, ...]).dump_json(entries).decode(),
        n_flagged=1,
    )
    return entries


def _value(observations: list[Resource], code: str) -> Resource:
    (found,) = (o for o in observations if any(c["code"] == code for c in o["code"]["coding"]))
    return found


def test_a_signature_makes_the_report_final(desk: Desk) -> None:
    assert desk.report()["status"] == "preliminary"
    desk.override(1, Stage.W)
    signature = desk.sign()
    desk.outbox().write_all()

    report = desk.report()
    assert report["status"] == "final"
    assert report["resultsInterpreter"] == [
        {"reference": "Practitioner/3", "display": "Dr. Ada Example"}
    ]
    assert "AI-generated" in report["conclusion"]
    assert "1 of 7 epochs were given another stage" in report["conclusion"]
    pdf, html = report["presentedForm"]
    content = base64.b64decode(pdf["data"])
    assert content.startswith(b"%PDF-")
    assert pdf["hash"] == base64.b64encode(hashlib.sha1(content).digest()).decode()
    assert "Dr. Ada Example" in base64.b64decode(html["data"]).decode()

    observations = desk.observations()
    assert {o["status"] for o in observations} == {"final"}
    assert _value(observations, "total-sleep-time")["valueQuantity"]["value"] == 2.0
    assert _value(observations, "n1-time")["valueQuantity"]["value"] == 0.0
    assert _value(observations, "hypnogram")["valueSampledData"]["data"].split()[1] == "0"

    (provenance,) = desk.provenances()
    assert {code["code"] for code in provenance["signature"][0]["type"]} == {
        "1.2.840.10065.1.12.1.5",
        "1.2.840.10065.1.12.1.13",
    }
    signed = base64.b64decode(provenance["signature"][0]["data"]).decode()
    assert signature.content_sha256 in signed
    (task,) = desk.fhir.search("Task", {"based-on": desk.order.order})
    assert task["status"] == "completed"
    assert [s.number for s in desk.told] == [1]
    assert desk.review.signatures[0].written


def test_a_later_change_amends_it(desk: Desk) -> None:
    desk.sign()
    desk.outbox().write_all()
    desk.override(4, Stage.N2)
    assert desk.report()["status"] == "final"
    desk.sign()
    desk.outbox().write_all()
    assert desk.report()["status"] == "amended"
    assert {o["status"] for o in desk.observations()} == {"amended"}
    assert _value(desk.observations(), "n3-time")["valueQuantity"]["value"] == 0.0
    assert len(desk.provenances()) == 2


def test_what_is_decided_after_the_signature_is_not_in_what_was_signed(desk: Desk) -> None:
    desk.override(1, Stage.W)
    desk.sign()
    desk.override(4, Stage.N2)  # before the EHR hears of the signature
    desk.outbox().write_all()
    assert "1 of 7 epochs" in desk.report()["conclusion"]
    assert _value(desk.observations(), "n3-time")["valueQuantity"]["value"] == 0.5


def test_written_twice_it_is_the_same(desk: Desk) -> None:
    desk.sign()
    desk.outbox(reviews=NotNoting(desk.store.sessions)).write_all()
    version = desk.report()["meta"]["versionId"]
    assert not desk.review.signatures[0].written
    desk.outbox().write_all()
    assert desk.review.signatures[0].written
    assert desk.report()["meta"]["versionId"] == version
    assert len(desk.provenances()) == 1


def test_an_edit_made_in_the_ehr_is_not_overwritten(desk: Desk) -> None:
    report = desk.report()
    desk.fhir.update(report | {"conclusion": "Rewritten in the EHR."})
    desk.sign()
    desk.outbox().write_all()
    assert desk.report()["conclusion"] == "Rewritten in the EHR."
    assert desk.report()["status"] == "preliminary"
    assert desk.provenances() == []
    signature = desk.review.signatures[0]
    assert not signature.written
    assert "conclusion was changed in the EHR by others" in signature.problem


def test_the_page_says_what_others_changed_until_it_is_settled(desk: Desk) -> None:
    report = desk.report()
    desk.fhir.update(report | {"conclusion": "Rewritten in the EHR."})
    desk.sign()
    desk.outbox().write_all()
    assert "conclusion was changed in the EHR by others" in _page(desk)
    desk.fhir.update(desk.report() | {"conclusion": report["conclusion"]})
    desk.outbox().write_all()
    assert "does not have it yet" not in _page(desk)
    assert desk.report()["status"] == "final"


def test_an_amendment_waits_for_what_keeps_the_signature_back(desk: Desk) -> None:
    report = desk.report()
    desk.fhir.update(report | {"conclusion": "Rewritten in the EHR."})
    desk.sign()
    desk.override(4, Stage.N2)
    desk.sign()
    desk.outbox().write_all()
    problems = {signature.problem for signature in desk.review.signatures}
    assert len(problems) == 1
    assert "conclusion was changed in the EHR by others" in problems.pop()
    desk.fhir.update(desk.report() | {"conclusion": report["conclusion"]})
    desk.outbox().write_all()
    assert [signature.written for signature in desk.review.signatures] == [True, True]
    assert desk.report()["status"] == "amended"


def _page(desk: Desk) -> str:
    """The night's page as its physician sees it."""
    made = mount.Desk(desk.store, desk.studies, desk.reviews, lambda: None)
    token = Sessions(desk.store.sessions).begin(PHYSICIAN)
    with serve(create_app(made, lambda _hint: None, "a-secret"), "127.0.0.1", 0) as address:
        study = f"{address}/studies/{desk.order.id}"
        return httpx.get(study, cookies={"somnoaudit": token}, timeout=60).text


def _without_documents(request: httpx.Request) -> None:
    """As by a server, or a gateway before it, that takes a report and drops its documents."""
    if request.method == "PATCH" and "/DiagnosticReport/" in request.url.path:
        kept = [op for op in json.loads(request.content) if op["path"] != "/presentedForm"]
        body = json.dumps(kept).encode()
        request.stream = httpx.ByteStream(body)
        request.headers["Content-Length"] = str(len(body))


def test_a_document_that_the_ehr_does_not_keep_is_said_and_keeps_nothing_back(desk: Desk) -> None:
    desk.sign()
    hooks = {"request": [_without_documents]}
    with FhirClient(desk.fhir.base_url, hooks=hooks) as fhir:
        desk.outbox(fhir).write_all()
        version = desk.report()["meta"]["versionId"]
        desk.outbox(fhir).write_all()
    assert (desk.report()["status"], desk.report()["meta"]["versionId"]) == ("final", version)
    assert "presentedForm" not in desk.report()
    assert len(desk.provenances()) == 1
    signature = desk.review.signatures[0]
    assert signature.written
    assert "did not keep the PDF" in signature.problem
    assert [told.problem for told in desk.told] == [signature.problem]
    assert "did not keep the PDF" in _page(desk)
    desk.override(4, Stage.N2)
    desk.sign()
    desk.outbox().write_all()
    assert [each.problem for each in desk.review.signatures] == [signature.problem, ""]
    assert desk.report()["presentedForm"][0]["contentType"] == "application/pdf"
    assert "did not keep the PDF" not in _page(desk)


@pytest.mark.usefixtures("no_backoff")
def test_an_ehr_that_is_away_is_asked_again(desk: Desk) -> None:
    desk.sign()
    with FhirClient("http://127.0.0.1:9/fhir") as nobody:
        desk.outbox(nobody).write_all()
    assert not desk.review.signatures[0].written
    assert desk.review.signatures[0].problem
    desk.outbox().write_all()
    assert desk.review.signatures[0].written
    assert desk.report()["status"] == "final"


def test_the_outbox_writes_what_was_left_from_before(desk: Desk) -> None:
    desk.sign()
    there = threading.Event()
    outbox = Outbox(desk.store, desk.reviews, desk.studies, desk.fhir, lambda *_: there.set())
    with outbox:
        assert there.wait(60)
    assert desk.review.signatures[0].written


def test_a_new_signature_is_written_at_once(desk: Desk) -> None:
    there = threading.Event()
    outbox = Outbox(desk.store, desk.reviews, desk.studies, desk.fhir, lambda *_: there.set())
    with outbox:
        desk.sign()
        outbox.wake()
        assert there.wait(25)  # sooner than it would have looked by itself
    assert desk.report()["status"] == "final"
