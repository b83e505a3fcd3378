"""Notifications in every form that servers send, and in none."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.notifications import Kind, NotANotification, Notification, read_notification

Body = dict[str, Any]


def topic_notification(
    kind: str, *focuses: str | None, total: int = 1, numbers: tuple[int, ...] = ()
) -> Body:
    """As a server with the R5 backport sends it to an R4 subscriber."""
    numbered = [*numbers, *range(1, len(focuses) - len(numbers) + 1)]
    events = [
        {
            "name": "notification-event",
            "part": [
                {"name": "event-number", "valueString": str(number)},
                *([{"name": "focus", "valueReference": {"reference": focus}}] if focus else []),
            ],
        }
        for number, focus in zip(numbered, focuses, strict=True)
    ]
    status = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "subscription", "valueReference": {"reference": "http://e/Subscription/7"}},
            {"name": "status", "valueCode": "active"},
            {"name": "type", "valueCode": kind},
            {"name": "events-since-subscription-start", "valueString": str(total)},
            *events,
        ],
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
                "status": "active",
                "eventsSinceSubscriptionStart": "5",
                "subscription": {"reference": "Subscription/8"},
                "notificationEvent": [
                    {"eventNumber": "5", "focus": {"reference": "DocumentReference/4"}}
                ],
            }
        }
    ],
}


def _read(body: str | Body) -> Notification:
    return read_notification((body if isinstance(body, str) else json.dumps(body)).encode())


@pytest.mark.parametrize(
    ("body", "focuses", "names_nothing"),
    [
        ("", (), True),
        (" \n", (), True),
        ({"resourceType": "DocumentReference", "id": "12"}, ("DocumentReference/12",), False),
        ({"resourceType": "ServiceRequest", "id": "a.b-1"}, ("ServiceRequest/a.b-1",), False),
        ({"resourceType": "Patient", "id": "12"}, (), False),
        ({"resourceType": "DocumentReference"}, (), True),
        (topic_notification("handshake"), (), False),
        (topic_notification("heartbeat"), (), False),
        (topic_notification("event-notification"), (), True),
        (topic_notification("event-notification", None), (), True),
        (
            topic_notification(
                "event-notification",
                "https://ehr.example/fhir/DocumentReference/1",
                "DocumentReference/2/_history/3",
                "DocumentReference/2",
                "Patient/5",
            ),
            ("DocumentReference/1", "DocumentReference/2"),
            False,
        ),
        (R4B, ("DocumentReference/4",), False),
    ],
)
def test_a_notification_points_at_what_to_read(
    body: str | Body, focuses: tuple[str, ...], names_nothing: bool
) -> None:
    read = _read(body)
    assert (read.focuses, read.names_nothing) == (focuses, names_nothing)


def test_a_topics_notification_says_how_many_there_were() -> None:
    read = _read(topic_notification("event-notification", None, total=12, numbers=(12,)))
    assert read.kind is Kind.EVENT
    assert (read.subscription, read.total, read.numbers) == ("Subscription/7", 12, (12,))
    assert read.status == "active"
    later = _read(R4B)
    assert (later.subscription, later.total, later.numbers) == ("Subscription/8", 5, (5,))


@pytest.mark.parametrize("value", ["-1", "", "x", "9" * 30, True, 1.5, None, 2**63, [], "٣"])
def test_a_count_that_is_none_is_left_out(value: object) -> None:
    body = topic_notification("heartbeat")
    body["entry"][0]["resource"]["parameter"][3]["valueString"] = value
    assert _read(body).total is None


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
        read_notification(body)


_NAMES = st.sampled_from(
    [
        "resourceType", "entry", "resource", "parameter", "name", "part", "valueReference", "type",
        "reference", "valueString", "eventNumber", "notificationEvent", "subscription", "status",
    ]
)  # fmt: skip
_VALUES = st.sampled_from(
    ["Bundle", "Parameters", "SubscriptionStatus", "focus", "event-notification", "event-number"]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | _VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=20,
)
_BODIES = _JSON | _JSON.map(
    lambda status: {"resourceType": "Bundle", "entry": [{"resource": status}]}
)


@given(_BODIES)
def test_no_body_does_more_than_be_refused(body: object) -> None:
    try:
        read = read_notification(json.dumps(body).encode())
    except NotANotification:
        return
    assert all("/" in focus for focus in read.focuses)
