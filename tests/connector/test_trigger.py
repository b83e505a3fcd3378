"""Finding the studies that a hint leads to, and those that nobody has told of."""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stamina
from hospital import Laboratory
from scripted import Answer, ScriptedServer
from test_notifications import topic_notification

from connector.fhir import FhirClient, Resource, ServerBroken, reference_to
from connector.store import Store
from connector.stored import utc_now
from connector.trigger import Sweep, find_studies

LOINC_PSG = {"system": "http://loinc.org", "code": "28633-6"}
SNOMED_PSG = {"system": "http://snomed.info/sct", "code": "60554003"}
CHEST_X_RAY = {"system": "http://loinc.org", "code": "30745-4"}

# ── finding studies ───────────────────────────────────────────────────────────────────────

Put = Callable[..., str]


@pytest.fixture
def put(fhir: FhirClient) -> Put:
    """Files a study in the EHR."""

    def file(order_code: Resource, document_type: Resource = LOINC_PSG) -> str:
        patient = reference_to(fhir.create({"resourceType": "Patient"}))
        order = fhir.create(
            {
                "resourceType": "ServiceRequest",
                "status": "active",
                "intent": "order",
                "code": {"coding": [order_code]},
                "subject": {"reference": patient},
            }
        )
        attachment = {
            "contentType": "application/edf",
            "data": base64.b64encode(b"0").decode(),
        }
        document = fhir.create(
            {
                "resourceType": "DocumentReference",
                "status": "current",
                "type": {"coding": [document_type]},
                "subject": {"reference": patient},
                "content": [{"attachment": attachment}],
                "context": {"related": [{"reference": reference_to(order)}]},
            }
        )
        return reference_to(document)

    return file


def test_a_document_leads_to_its_study(fhir: FhirClient, put: Put) -> None:
    by_loinc, by_snomed = put(LOINC_PSG), put(SNOMED_PSG)
    now = datetime.now(UTC)
    (first,) = find_studies(fhir, by_loinc, now)
    (second,) = find_studies(fhir, by_snomed, now)
    assert first["source"] == by_loinc
    assert first["study_id"] != second["study_id"]
    assert find_studies(fhir, by_loinc, now) == [first]


def test_what_was_not_ordered_as_polysomnography_is_left_alone(fhir: FhirClient, put: Put) -> None:
    assert find_studies(fhir, put(CHEST_X_RAY), datetime.now(UTC)) == []
    assert find_studies(fhir, "DocumentReference/no-such", datetime.now(UTC)) == []


def test_a_notification_that_names_nothing_leads_to_what_is_new(fhir: FhirClient, put: Put) -> None:
    documents = {put(LOINC_PSG), put(SNOMED_PSG, document_type=SNOMED_PSG)}
    now = datetime.now(UTC)
    assert {study["source"] for study in find_studies(fhir, None, now)} >= documents
    assert find_studies(fhir, None, now + timedelta(days=2)) == []


def test_one_hint_names_many(fhir: FhirClient, put: Put) -> None:
    placed = {put(LOINC_PSG) for _ in range(3)}
    order = Laboratory().place(fhir)
    unknown = [f"DocumentReference/no-such-{n}" for n in range(40)]
    hint = ",".join([*placed, *unknown, order.order])
    found = find_studies(fhir, hint, datetime.now(UTC))
    assert {study["source"] for study in found} == {*placed, order.document}


def test_an_urgent_order_is_worked_on_first(fhir: FhirClient) -> None:
    placed = Laboratory(order={"priority": "stat"}).place(fhir)
    (study,) = find_studies(fhir, placed.document, datetime.now(UTC))
    assert study["priority"] == 1


def test_a_patients_recordings_are_found(fhir: FhirClient) -> None:
    document = {"type": {"coding": [LOINC_PSG]}}
    placed = Laboratory(document=document).place(fhir)
    Laboratory(document=document).place(fhir)
    (study,) = find_studies(fhir, placed.patient, datetime.now(UTC))
    assert study["source"] == placed.document


# ── events that were not heard ────────────────────────────────────────────────────────────


@pytest.fixture
def server(scripted_server: Callable[[], ScriptedServer]) -> ScriptedServer:
    return scripted_server()


@pytest.fixture
def scripted(server: ScriptedServer) -> Iterator[FhirClient]:
    with FhirClient(server.base_url) as client, stamina.set_testing(True, attempts=1):
        yield client


def _answer(body: Any) -> Answer:
    return Answer(body=json.dumps(body).encode())


EMPTY = _answer({"resourceType": "Bundle", "type": "searchset", "entry": []})


def test_missed_events_are_asked_for(scripted: FhirClient, server: ScriptedServer) -> None:
    names = ("DocumentReference/1", "DocumentReference/2")
    told = topic_notification("query-event", *names, total=9, numbers=(4, 5))
    server.answers(_answer(told), EMPTY)
    assert find_studies(scripted, "Subscription/7/$events?4-5", utc_now()) == []
    events, documents = (request.path for request in server.requests)
    assert events.endswith("/Subscription/7/$events?eventsSinceNumber=4&eventsUntilNumber=5")
    assert documents.endswith("/DocumentReference?_id=1%2C2")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=404),
        Answer(status=400),
        Answer(status=501),
        Answer(body=b"<html>"),
        _answer({"resourceType": "Bundle", "type": "history", "entry": []}),
        _answer(topic_notification("query-event", "DocumentReference/1", numbers=(4,))),
    ],
)
def test_where_events_are_not_told_again_all_that_is_new_is_looked_at(
    scripted: FhirClient, server: ScriptedServer, answer: Answer
) -> None:
    server.answers(answer, EMPTY)
    assert find_studies(scripted, "Subscription/7/$events?4-5", utc_now()) == []
    assert "_lastUpdated=ge" in server.requests[-1].path


# ── the sweep ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'somnoaudit.db'}")
    yield opened
    opened.close()


def _sources(sweep: Sweep) -> set[str]:
    return {study["source"] for study in sweep()}


def test_a_sweep_finds_each_document_once(fhir: FhirClient, put: Put, store: Store) -> None:
    first = put(LOINC_PSG)
    sweep = Sweep(fhir, store.sessions, utc_now)
    assert first in _sources(sweep)
    second = put(LOINC_PSG)
    assert _sources(sweep) == {second}
    assert _sources(sweep) == set()


def test_a_document_that_changed_is_looked_at_again(
    fhir: FhirClient, put: Put, store: Store
) -> None:
    placed = put(CHEST_X_RAY)
    sweep = Sweep(fhir, store.sessions, utc_now)
    assert placed not in _sources(sweep)
    fhir.update({**fhir.read(*placed.split("/")), "description": "night 1"})
    assert _sources(sweep) == set()
    order = fhir.read(*placed.split("/"))["context"]["related"][0]["reference"]
    fhir.update({**fhir.read(*order.split("/")), "code": {"coding": [LOINC_PSG]}})
    fhir.update({**fhir.read(*placed.split("/")), "description": "night 2"})
    assert _sources(sweep) == {placed}


def test_a_service_that_was_away_for_weeks_finds_what_came_meanwhile(
    fhir: FhirClient, put: Put, store: Store
) -> None:
    before = datetime.now(UTC)
    Sweep(fhir, store.sessions, lambda: before)()
    placed = put(LOINC_PSG)
    weeks_later = before + timedelta(weeks=3)
    assert placed in _sources(Sweep(fhir, store.sessions, lambda: weeks_later))


def _document(number: int, stored: str) -> Resource:
    return {
        "resourceType": "DocumentReference",
        "id": str(number),
        "status": "current",
        "meta": {"lastUpdated": stored, "versionId": "1"},
        "content": [],
        "context": {"related": [{"reference": f"ServiceRequest/{number}"}]},
    }


def _found(*documents: Resource) -> Answer:
    entries = [{"resource": document} for document in documents]
    return _answer({"resourceType": "Bundle", "type": "searchset", "entry": entries})


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _since(server: ScriptedServer) -> str:
    return server.requests[-1].path.partition("_lastUpdated=ge")[2].replace("%3A", ":")


def test_a_sweep_goes_by_the_clock_of_the_ehr(
    scripted: FhirClient, server: ScriptedServer, store: Store
) -> None:
    sweep = Sweep(scripted, store.sessions, lambda: NOW)
    server.answers(_found(_document(1, "2026-03-01T08:00:00.5Z")), Answer(status=404), EMPTY)
    sweep()
    sweep()
    assert _since(server).startswith("2026-03-01T07:00:00")  # an hour before what was last stored


def test_a_document_of_the_future_hides_nothing(
    scripted: FhirClient, server: ScriptedServer, store: Store
) -> None:
    sweep = Sweep(scripted, store.sessions, lambda: NOW)
    server.answers(_found(_document(1, "2999-01-01T00:00:00Z")), Answer(status=404), EMPTY)
    sweep()
    sweep()
    assert _since(server).startswith("2026-03-01T11:00:00")


@pytest.mark.parametrize(
    "stored", ["", "yesterday", "2026-03-01T08:00:00", "0001-01-01T00:00:00+14:00"]
)
def test_a_document_that_does_not_say_when_it_was_stored_is_taken_all_the_same(
    scripted: FhirClient, server: ScriptedServer, store: Store, stored: str
) -> None:
    sweep = Sweep(scripted, store.sessions, lambda: NOW)
    server.answers(_found(_document(1, stored)), Answer(status=404))
    assert sweep() == []


def test_one_document_that_the_ehr_breaks_at_keeps_no_other_waiting(
    scripted: FhirClient, server: ScriptedServer, store: Store
) -> None:
    sweep = Sweep(scripted, store.sessions, lambda: NOW)
    broken, other = _document(1, "2026-03-01T08:00:00Z"), _document(2, "2026-03-01T10:00:00Z")
    server.answers(_found(broken, other), Answer(status=500), Answer(status=404))
    sweep()
    server.answers(_found(broken, other), Answer(status=404))
    sweep()  # asks for the broken one's order alone
    assert server.requests[-1].path.endswith("/ServiceRequest/1")
    search = server.requests[-2].path.replace("%3A", ":")
    assert "_lastUpdated=ge2026-03-01T07:00:00" in search


def test_a_sweep_that_fails_begins_where_it_did(
    scripted: FhirClient, server: ScriptedServer, store: Store
) -> None:
    sweep = Sweep(scripted, store.sessions, lambda: NOW)
    server.answers(_found(_document(1, "2026-03-01T08:00:00Z")), Answer(status=404))
    sweep()
    server.answers(Answer(status=500))
    with pytest.raises(ServerBroken):
        sweep()
    server.answers(EMPTY)
    sweep()
    assert _since(server).startswith("2026-03-01T07:00:00")
