"""Studies in a real FHIR server: found, brought here whole, or refused in a sentence."""

import base64
import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hospital import CONTENT, Laboratory, PlacedStudy

from connector.demo_ehr import DemoEhr
from connector.fhir import BadAnswer, FhirClient, NotFound, reference_to
from connector.study import Study, StudyOrder, StudyRefused, find_studies, pull

SNOMED_ORDER = {"coding": [{"system": "http://snomed.info/sct", "code": "60554003"}]}
OTHER_ORDER = {"coding": [{"system": "http://loinc.org", "code": "58410-2"}]}


def test_a_study_is_brought_here_whole(fhir: FhirClient, tmp_path: Path) -> None:
    placed = Laboratory().place(fhir)
    study = pull(fhir, placed.document, tmp_path / "studies" / "one")
    assert study.recording == tmp_path / "studies" / "one" / "recording.edf"
    assert study.recording.read_bytes() == CONTENT
    assert study.order == StudyOrder(
        id=study.order.id,
        document=placed.document,
        order=placed.order,
        patient=placed.patient,
        encounter=None,
        start="2026-01-01T22:30:00+01:00",
        end="2026-01-02T06:30:00+01:00",
    )


def test_a_study_survives_as_json(fhir: FhirClient, tmp_path: Path) -> None:
    study = pull(fhir, Laboratory().place(fhir).document, tmp_path)
    assert Study.of_document(json.loads(json.dumps(study.document()))) == study


@pytest.mark.parametrize(
    "attachment",
    [
        {"url": None, "data": base64.b64encode(CONTENT).decode()},
        {"contentType": "application/octet-stream"},
        {"contentType": None, "title": "Night 1.EDF"},
        {"size": None, "hash": None},
    ],
)
def test_an_attachment_may_come_in_several_ways(
    fhir: FhirClient, tmp_path: Path, attachment: dict[str, Any]
) -> None:
    placed = Laboratory(attachment=attachment).place(fhir)
    assert pull(fhir, placed.document, tmp_path).recording.read_bytes() == CONTENT


def test_a_bdf_keeps_its_suffix(fhir: FhirClient, tmp_path: Path) -> None:
    placed = Laboratory(attachment={"contentType": "application/x-bdf"}).place(fhir)
    assert pull(fhir, placed.document, tmp_path).recording.name == "recording.bdf"


def test_references_may_be_absolute(ehr: DemoEhr, fhir: FhirClient, tmp_path: Path) -> None:
    order = reference_to(
        fhir.create(
            {
                "resourceType": "ServiceRequest",
                "status": "active",
                "intent": "order",
                "code": SNOMED_ORDER,
                "subject": {"reference": reference_to(fhir.create({"resourceType": "Patient"}))},
            }
        )
    )
    subject = fhir.read(*order.split("/"))["subject"]["reference"]
    context = {
        "related": [{"reference": f"{ehr.base_url}/{order}/_history/1"}],
        "encounter": [{"reference": f"{ehr.base_url}/Encounter/e5"}],
    }
    document = {"subject": {"reference": f"{ehr.base_url}/{subject}"}, "context": context}
    placed = Laboratory(document=document).place(fhir)
    found = pull(fhir, placed.document, tmp_path).order
    assert (found.order, found.patient, found.encounter) == (order, subject, "Encounter/e5")


# ── identity ──────────────────────────────────────────────────────────────────────────────


def study_id(fhir: FhirClient, placed: PlacedStudy) -> str:
    (order,) = find_studies(fhir, placed.document)
    return order.id


def test_a_study_has_one_identity_however_it_is_named(fhir: FhirClient, tmp_path: Path) -> None:
    placed = Laboratory().place(fhir)
    pulled = pull(fhir, placed.document, tmp_path).order
    assert list(find_studies(fhir, placed.order)) == [pulled]
    assert list(find_studies(fhir, placed.document)) == [pulled]
    assert UUID(pulled.id).version == 5


def test_a_document_that_moves_to_another_id_stays_the_same_study(fhir: FhirClient) -> None:
    master = {"system": "urn:example:recordings", "value": str(uuid4())}
    first, second = (Laboratory(document={"masterIdentifier": master}).place(fhir) for _ in "12")
    assert study_id(fhir, first) == study_id(fhir, second)


def test_documents_without_an_identifier_are_told_apart(fhir: FhirClient) -> None:
    first, second = (Laboratory(document={"masterIdentifier": None}).place(fhir) for _ in "12")
    assert study_id(fhir, first) == study_id(fhir, first)
    assert study_id(fhir, first) != study_id(fhir, second)


# ── finding ───────────────────────────────────────────────────────────────────────────────


def test_an_order_by_snomed_is_found(fhir: FhirClient) -> None:
    placed = Laboratory(order={"code": SNOMED_ORDER}).place(fhir)
    assert [order.document for order in find_studies(fhir, placed.order)] == [placed.document]


@pytest.mark.parametrize("source", ["DocumentReference/none", "ServiceRequest/none", "Patient/1"])
def test_what_names_no_study_leads_to_nothing(fhir: FhirClient, source: str) -> None:
    assert list(find_studies(fhir, source)) == []


def test_a_document_of_something_else_leads_to_nothing(fhir: FhirClient) -> None:
    placed = Laboratory(order={"code": OTHER_ORDER}).place(fhir)
    assert list(find_studies(fhir, placed.document)) == []


# ── refusals ──────────────────────────────────────────────────────────────────────────────

NO_ATTACHMENT = [{"attachment": {"contentType": "application/pdf", "url": "Binary/1"}}]
NO_PLACE = [{"attachment": {"contentType": "application/edf"}}]


@pytest.mark.parametrize(
    ("laboratory", "said"),
    [
        (Laboratory(document={"status": "superseded"}), "not 'current'"),
        (Laboratory(attachment={"url": None, "data": "größer"}), "data is not base64"),
        (Laboratory(document={"context": None}), "no order for polysomnography"),
        (Laboratory(order={"code": OTHER_ORDER}), "no order for polysomnography"),
        (Laboratory(order={"code": None}), "no order for polysomnography"),
        (Laboratory(order={"status": "revoked"}), "the order is revoked"),
        (
            Laboratory(order={"subject": {"reference": "https://elsewhere.example/Patient/1"}}),
            "no patient of this server",
        ),
        (Laboratory(document={"subject": {"reference": "Patient/other"}}), "another patient"),
        (Laboratory(document={"subject": None}), "another patient"),
        (Laboratory(document={"content": NO_ATTACHMENT}), "no EDF or BDF attachments"),
        (Laboratory(document={"content": NO_PLACE}), "neither url nor data"),
        (
            Laboratory(attachment={"url": None, "data": "QUJD", "size": 4, "hash": None}),
            "3 bytes where the attachment says 4",
        ),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(
    fhir: FhirClient, tmp_path: Path, laboratory: Laboratory, said: str
) -> None:
    placed = laboratory.place(fhir)
    with pytest.raises(StudyRefused, match=said) as caught:
        pull(fhir, placed.document, tmp_path / "study")
    message = str(caught.value)
    assert message.startswith((placed.document, placed.order))
    assert "\n" not in message
    assert "Patient/" not in message
    assert not list(tmp_path.rglob("*.edf*"))


@pytest.mark.parametrize("changes", [{"size": 1}, {"hash": base64.b64encode(b"0" * 20).decode()}])
def test_a_damaged_recording_is_refused(
    fhir: FhirClient, tmp_path: Path, changes: dict[str, Any]
) -> None:
    placed = Laboratory(attachment=changes).place(fhir)
    with pytest.raises(BadAnswer):
        pull(fhir, placed.document, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_patient_who_is_gone_is_told(fhir: FhirClient, tmp_path: Path) -> None:
    gone = {"subject": {"reference": "Patient/gone"}}
    placed = Laboratory(order=gone, document=gone).place(fhir)
    with pytest.raises(NotFound, match="GET Patient"):
        pull(fhir, placed.document, tmp_path)


@pytest.mark.parametrize("source", ["DocumentReference", "DocumentReference/", "Document/../x"])
def test_what_is_no_reference_is_told(fhir: FhirClient, tmp_path: Path, source: str) -> None:
    with pytest.raises(StudyRefused, match="no reference"):
        pull(fhir, source, tmp_path)
