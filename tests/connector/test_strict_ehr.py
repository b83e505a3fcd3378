"""The whole write-back against a second, stricter FHIR server."""

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from hospital import CONTENT, Laboratory
from strict_ehr import strict_ehr
from written import NOW, REASON, entries_of, failed_tasks_of, reports_of, written_of

from connector.fhir import FhirClient
from connector.study import StudyOrder, find_studies, pull
from connector.write_back import write_failure, write_report


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with strict_ehr() as url:
        yield url


@pytest.fixture
def strict(base_url: str) -> Iterator[FhirClient]:
    with FhirClient(base_url) as client:
        yield client


@pytest.fixture
def order(strict: FhirClient) -> StudyOrder:
    (found,) = find_studies(strict, Laboratory().place(strict).document)
    return found


def test_a_study_is_brought_here_whole(strict: FhirClient, tmp_path: Path) -> None:
    placed = Laboratory().place(strict)
    assert pull(strict, placed.document, tmp_path).recording.read_bytes() == CONTENT


def test_two_writers_at_once_write_one_report_though_transactions_are_capped(
    base_url: str, strict: FhirClient, order: StudyOrder, caplog: pytest.LogCaptureFixture
) -> None:
    """The server takes no long transaction with conditions in it: this shows the way without."""
    caplog.set_level(logging.INFO, "somnoaudit")

    def write(_: int) -> dict[str, str]:
        with FhirClient(base_url) as client:
            return write_report(client, entries_of(order))

    with ThreadPoolExecutor(2) as writers:
        first, second = writers.map(write, range(2))
    assert first == second
    assert any("one by one" in said for said in caplog.messages)
    written = written_of(strict, order)
    assert "urn:uuid" not in json.dumps([r.get("result", r.get("focus")) for r in written])
    assert len(reports_of(strict, order)) == 1
    assert len(written) == len(entries_of(order)) - 1  # the device is many studies'


def test_a_failure_is_told(strict: FhirClient, order: StudyOrder) -> None:
    told = write_failure(strict, order.id, order.document, REASON, NOW)
    task = strict.read(*told.split("/"))
    assert (task["status"], task["statusReason"]["text"]) == ("failed", REASON)
    assert task["for"]["reference"] == order.patient
    assert write_failure(strict, order.id, order.document, "another reason", NOW) == told
    assert failed_tasks_of(strict, order)[0]["statusReason"]["text"] == "another reason"


def test_conditions_hold(strict: FhirClient) -> None:
    mrn = {"system": "urn:example:mrn", "value": str(uuid4())}
    patient = {"resourceType": "Patient", "identifier": [mrn]}
    by_mrn = {"identifier": f"{mrn['system']}|{mrn['value']}"}
    stored, is_new = strict.created(patient, by_mrn)
    assert is_new
    again, is_new = strict.created(patient, by_mrn)
    assert (again["id"], is_new) == (stored["id"], False)
