"""Our Subscription in the EHR: made once, kept alive, counted."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
import stamina
from scripted import Answer, ScriptedServer
from sqlalchemy.orm import Session, sessionmaker
from test_notifications import topic_notification

from connector.event_numbers import EventNumbers
from connector.fhir import FhirClient, Resource, ServerDown, Unauthorized
from connector.notifications import read_notification
from connector.subscriptions import (
    CRITERIA,
    OurSubscription,
    Topic,
    ensure_subscription,
    wanted_subscription,
)

SECRET = "a-secret-of-the-tests"
TOPIC = Topic("http://ehr.example/topics/recordings", "DocumentReference?status=current")


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


def test_a_new_secret_replaces_the_old(fhir: FhirClient, endpoint: str) -> None:
    ensure_subscription(fhir, endpoint, SECRET)
    ensure_subscription(fhir, endpoint, "another-secret-of-the-tests")
    (stored,) = _subscriptions(fhir, endpoint)
    assert stored["channel"]["header"] == ["Authorization: Bearer another-secret-of-the-tests"]


# ── on servers of all kinds ───────────────────────────────────────────────────────────────


@pytest.fixture
def server(scripted_server: Callable[[], ScriptedServer]) -> ScriptedServer:
    return scripted_server()


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[FhirClient]:
    with FhirClient(server.base_url) as client, stamina.set_testing(True, attempts=1):
        yield client


def _json(*bodies: Any) -> list[Answer]:
    return [Answer(body=json.dumps(body).encode()) for body in bodies]


def _searchset(*resources: Resource) -> Resource:
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries}


@pytest.fixture
def numbers(sessions: sessionmaker[Session]) -> EventNumbers:
    return EventNumbers(sessions)


def _ours(
    client: FhirClient, numbers: EventNumbers, topic: Topic | None = None
) -> tuple[OurSubscription, list[str]]:
    hinted: list[str] = []
    ours = OurSubscription(client, "http://here/hook", SECRET, topic, numbers, hinted.append)
    return ours, hinted


def _stored(topic: Topic | None = None, status: str = "active") -> Resource:
    return wanted_subscription("http://here/hook", SECRET, topic) | {"id": "7", "status": status}


def test_a_subscription_that_says_nothing_of_itself_is_renewed(
    client: FhirClient, server: ScriptedServer
) -> None:
    bare = {"resourceType": "Subscription", "id": "1", "meta": "of another kind"}
    server.answers(*_json(_searchset(bare), bare))
    ensure_subscription(client, "http://here/hook", SECRET)
    assert [request.method for request in server.requests] == ["GET", "PUT"]


@pytest.mark.parametrize("status", [400, 403, 404, 405, 422, 501])
def test_an_ehr_without_subscriptions_is_swept_alone(
    client: FhirClient,
    server: ScriptedServer,
    numbers: EventNumbers,
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.answers(Answer(status=status))
    ours, _ = _ours(client, numbers)
    ours.ensure()
    assert "new studies wait for a sweep" in caplog.text


@pytest.mark.parametrize(("status", "error"), [(401, Unauthorized), (503, ServerDown)])
def test_an_ehr_that_cannot_be_asked_is_said(
    client: FhirClient,
    server: ScriptedServer,
    numbers: EventNumbers,
    status: int,
    error: type[Exception],
) -> None:
    server.answers(Answer(status=status))
    ours, _ = _ours(client, numbers)
    with pytest.raises(error):
        ours.ensure()


@pytest.mark.parametrize("status", ["error", "off"])
def test_a_subscription_that_the_ehr_ended_is_asked_for_again(
    client: FhirClient, server: ScriptedServer, numbers: EventNumbers, status: str
) -> None:
    ended = _stored(status=status)
    server.answers(*_json(_searchset(_stored()), ended, _searchset(ended), _stored()))
    ours, _ = _ours(client, numbers)
    ours.ensure()
    ours.check()
    assert [request.method for request in server.requests] == ["GET", "GET", "GET", "PUT"]
    assert json.loads(server.requests[-1].body)["status"] == "requested"


def test_a_subscription_that_was_deleted_is_made_again(
    client: FhirClient, server: ScriptedServer, numbers: EventNumbers
) -> None:
    server.answers(
        *_json(_searchset(_stored())), Answer(status=410), *_json(_searchset(), _stored())
    )
    ours, _ = _ours(client, numbers)
    ours.ensure()
    ours.check()
    assert server.requests[-1].method == "POST"


def test_a_header_that_the_ehr_does_not_show_again_is_no_reason_to_renew(
    client: FhirClient, server: ScriptedServer, numbers: EventNumbers
) -> None:
    silent = _stored()
    del silent["channel"]["header"]
    server.answers(*_json(_searchset(_stored()), silent))
    ours, _ = _ours(client, numbers)
    ours.ensure()
    ours.check()
    assert [request.method for request in server.requests] == ["GET", "GET"]


def test_a_topic_subscription_asks_for_ids_alone(
    client: FhirClient, server: ScriptedServer
) -> None:
    server.answers(*_json(_searchset(), _stored(TOPIC)))
    ensure_subscription(client, "http://here/hook", SECRET, TOPIC)
    sent = json.loads(server.requests[-1].body)
    assert sent["criteria"] == TOPIC.url
    (filtered,) = sent["_criteria"]["extension"]
    assert filtered["valueString"] == TOPIC.criteria
    (content,) = sent["channel"]["_payload"]["extension"]
    assert content["valueCode"] == "id-only"
    assert {next(k for k in e if k != "url") for e in sent["channel"]["extension"]} == {
        "valueUnsignedInt"
    }


def test_events_that_the_ehr_counted_and_nobody_heard_are_looked_for(
    client: FhirClient, server: ScriptedServer, numbers: EventNumbers
) -> None:
    def status(total: int) -> Resource:
        return topic_notification("query-status", total=total)

    stored = _stored(TOPIC)
    server.answers(*_json(_searchset(stored), stored, status(4), stored, status(4)))
    heard = topic_notification("event-notification", "DocumentReference/1", total=2, numbers=(2,))
    numbers.note(read_notification(json.dumps(heard).encode()))
    ours, hinted = _ours(client, numbers, TOPIC)
    ours.ensure()
    ours.check()
    ours.check()
    assert hinted == ["Subscription/7/$events?3-4"]


@pytest.mark.parametrize("answer", [Answer(status=404), Answer(body=b"{}")])
def test_an_ehr_without_status_is_not_asked_for_it_again(
    client: FhirClient, server: ScriptedServer, numbers: EventNumbers, answer: Answer
) -> None:
    stored = _stored(TOPIC)
    server.answers(*_json(_searchset(stored), stored), answer, *_json(stored))
    ours, hinted = _ours(client, numbers, TOPIC)
    ours.ensure()
    ours.check()
    ours.check()
    assert hinted == []
    assert sum("$status" in request.path for request in server.requests) == 1
