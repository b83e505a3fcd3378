"""Being told of studies: notifications in every form that servers send, on a real server."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import Answer, ScriptedServer

from connector.fhir import FhirClient, Resource, reference_to
from connector.trigger import (
    CRITERIA,
    NotANotification,
    ensure_subscription,
    find_studies,
    hints,
)

SECRET = "a-secret-of-the-tests"
LOINC_PSG = {"system": "http://loinc.org", "code": "28633-6"}
SNOMED_PSG = {"system": "http://snomed.info/sct", "code": "60554003"}
CHEST_X_RAY = {"system": "http://loinc.org", "code": "30745-4"}


def _topic_notification(kind: str, *focuses: str | None) -> Resource:
    """As a server with the R5 backport sends it to an R4 subscriber."""
    events = [
        {
            "name": "notification-event",
            "part": [
                {"name": "event-number", "valueString": "1"},
                *([{"name": "focus", "valueReference": {"reference": focus}}] if focus else []),
            ],
        }
        for focus in focuses
    ]
    status = {
        "resourceType": "Parameters",
        "parameter": [{"name": "type", "valueCode": kind}, *events],
    }
    document = {"resourceType": "DocumentReference", "id": "9", "type": {"text": "any"}}
    entries = [{"resource": status}, {"resource": document}]
    return {"resourceType": "Bundle", "type": "history", "entry": entries}


R4B = {
    "resourceType": "Bundle",
    "type": "history",
    "entry": [
        {
            "resource": {
                "resourceType": "SubscriptionStatus",
                "type": "event-notification",
                "notificationEvent": [{"focus": {"reference": "DocumentReference/4"}}],
            }
        }
    ],
}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", [None]),
        (" \n", [None]),
        ({"resourceType": "DocumentReference", "id": "12"}, ["DocumentReference/12"]),
        ({"resourceType": "ServiceRequest", "id": "a.b-1"}, ["ServiceRequest/a.b-1"]),
        ({"resourceType": "Patient", "id": "12"}, []),
        ({"resourceType": "DocumentReference"}, [None]),
        (_topic_notification("handshake"), []),
        (_topic_notification("heartbeat"), []),
        (_topic_notification("event-notification"), [None]),
        (_topic_notification("event-notification", None), [None]),
        (
            _topic_notification(
                "event-notification",
                "https://ehr.example/fhir/DocumentReference/1",
                "DocumentReference/2/_history/3",
                "DocumentReference/2",
                "Patient/5",
            ),
            ["DocumentReference/1", "DocumentReference/2"],
        ),
        (R4B, ["DocumentReference/4"]),
    ],
)
def test_a_notification_points_at_what_to_read(
    body: str | Resource, expected: list[str | None]
) -> None:
    sent = body if isinstance(body, str) else json.dumps(body)
    assert hints(sent.encode()) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"not JSON",
        b"[]",
        b"{}",
        b'"DocumentReference/1"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"resourceType": "Bundle"}',
        b'{"resourceType": "Bundle", "entry": [{}]}',
        b'{"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Patient"}}]}',
        b'{"resourceType": "Bundle", "entry": {"resource": []}}',
    ],
)
def test_anything_else_is_no_notification(body: bytes) -> None:
    with pytest.raises(NotANotification, match=r"\.$"):
        hints(body)


_NAMES = st.sampled_from(
    ["resourceType", "entry", "resource", "parameter", "name", "part", "valueReference", "type"]
)
_VALUES = st.sampled_from(["Bundle", "Parameters", "focus", "event-notification", "Patient"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | _VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=20,
)


@given(_JSON)
def test_no_body_does_more_than_be_refused(body: object) -> None:
    try:
        found = hints(json.dumps(body).encode())
    except NotANotification:
        return
    assert all(hint is None or "/" in hint for hint in found)


# ── the Subscription ──────────────────────────────────────────────────────────────────────


@pytest.fixture
def endpoint() -> str:
    # Port 9 (discard) takes no notification: these tests look at the Subscription alone.
    return f"http://127.0.0.1:9/{uuid4()}"


def _subscriptions(fhir: FhirClient, endpoint: str) -> list[Resource]:
    return list(fhir.search("Subscription", {"url": endpoint}))


def test_one_subscription_however_often_the_service_starts(fhir: FhirClient, endpoint: str) -> None:
    made = ensure_subscription(fhir, endpoint, SECRET)
    ensure_subscription(fhir, endpoint, SECRET)
    settled = fhir.read("Subscription", made["id"])
    ensure_subscription(fhir, endpoint, SECRET)
    (stored,) = _subscriptions(fhir, endpoint)
    assert stored == settled
    assert stored["status"] == "active"
    assert stored["criteria"] == CRITERIA
    assert "payload" not in stored["channel"]
    assert stored["channel"]["header"] == [f"Authorization: Bearer {SECRET}"]


@pytest.mark.parametrize("change", [{"status": "error"}, {"criteria": "DocumentReference?"}])
def test_a_subscription_that_no_longer_serves_is_renewed(
    fhir: FhirClient, endpoint: str, change: Resource
) -> None:
    stored = ensure_subscription(fhir, endpoint, SECRET)
    fhir.update({**fhir.read("Subscription", stored["id"]), **change})
    ensure_subscription(fhir, endpoint, SECRET)
    (renewed,) = _subscriptions(fhir, endpoint)
    assert renewed["id"] == stored["id"]
    assert renewed["status"] == "active"
    assert renewed["criteria"] == CRITERIA


def test_a_subscription_that_says_nothing_of_itself_is_renewed(
    scripted_server: Callable[[], ScriptedServer],
) -> None:
    server = scripted_server()
    bare = {"resourceType": "Subscription", "id": "1", "meta": "of another kind"}
    found = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": bare}]}
    server.answers(*(Answer(body=json.dumps(body).encode()) for body in (found, bare)))
    with FhirClient(server.base_url) as client:
        ensure_subscription(client, "http://here/hook", SECRET)
    assert [request.method for request in server.requests] == ["GET", "PUT"]


def test_a_new_secret_replaces_the_old(fhir: FhirClient, endpoint: str) -> None:
    ensure_subscription(fhir, endpoint, SECRET)
    ensure_subscription(fhir, endpoint, "another-secret-of-the-tests")
    (stored,) = _subscriptions(fhir, endpoint)
    assert stored["channel"]["header"] == ["Authorization: Bearer another-secret-of-the-tests"]


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
