"""The hook over real HTTP, and what a real server's topic subscription makes of it."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hospital import POLYSOMNOGRAPHY, Laboratory
from hypothesis import HealthCheck, given, settings
from sqlalchemy.orm import Session, sessionmaker
from test_notifications import _BODIES, topic_notification

from connector.app import serve
from connector.demo_ehr import DemoEhr
from connector.event_numbers import EventNumbers
from connector.fhir import FhirClient, Resource
from connector.hooks import HOOK, Listener, hook_routes
from connector.rounds import Rounds
from connector.service import service
from connector.settings import load_settings
from connector.study import find_studies
from connector.subscriptions import OurSubscription, Topic
from connector.tables import State

SECRET = "a-secret-of-the-tests"
AUTHORIZED = {"Authorization": f"Bearer {SECRET}"}
TOPIC = Topic("http://ehr.example/topics/recordings")


class Hints:
    """Hints as they were taken, to be waited for."""

    def __init__(self) -> None:
        self.taken: list[str | None] = []
        self._changed = threading.Condition()

    def take(self, hint: str | None) -> None:
        with self._changed:
            self.taken.append(hint)
            self._changed.notify_all()

    def wait_for(self, hint: str | None) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: hint in self.taken, 60), self.taken


@pytest.fixture
def hints() -> Hints:
    return Hints()


@pytest.fixture
def numbers(sessions: sessionmaker[Session]) -> EventNumbers:
    return EventNumbers(sessions)


@pytest.fixture
def hook(hints: Hints, numbers: EventNumbers) -> Iterator[httpx.Client]:
    app = FastAPI()
    app.include_router(hook_routes(Listener(hints.take, numbers), SECRET))
    with (
        serve(app, "127.0.0.1", 0) as address,
        httpx.Client(base_url=address, headers=AUTHORIZED) as client,
    ):
        yield client


def _post(hook: httpx.Client, body: Any) -> httpx.Response:
    return hook.post(HOOK, json=body)


def test_a_notification_that_names_thousands_is_one_hint(hook: httpx.Client, hints: Hints) -> None:
    names = [f"DocumentReference/{n}" for n in range(3000)]
    body = topic_notification("event-notification", *names, total=3000)
    assert _post(hook, body).status_code == 202
    (hint,) = hints.taken
    assert hint is not None
    assert hint.split(",") == names


def test_a_notification_too_long_to_read_asks_for_all_that_is_new(
    hook: httpx.Client, hints: Hints
) -> None:
    pieces = (b" " * 65536 for _ in range(17))
    answer = hook.post(HOOK, content=pieces)
    assert answer.status_code == 413
    assert hints.taken == [None]


def test_events_that_were_not_heard_are_looked_for(hook: httpx.Client, hints: Hints) -> None:
    _post(hook, topic_notification("handshake", total=0))
    document = "DocumentReference/4"
    _post(hook, topic_notification("event-notification", document, total=4, numbers=(4,)))
    _post(hook, topic_notification("heartbeat", total=6))
    assert hints.taken == [
        "DocumentReference/4,Subscription/7/$events?1-3",
        "Subscription/7/$events?5-6",
    ]


@given(_BODIES)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50
)
def test_no_body_breaks_the_hook(hook: httpx.Client, body: object) -> None:
    assert _post(hook, body).status_code in (202, 400)


# ── a real server's topics ────────────────────────────────────────────────────────────────


def _make_topic(fhir: FhirClient) -> None:
    """A topic for recordings, as R4 servers of the backport hold it: a Basic of extensions."""
    place = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic"
    uri = "http://hl7.org/fhir/StructureDefinition/DocumentReference"
    trigger = [
        {"url": "description", "valueMarkdown": "A recording was filed"},
        {"url": "resource", "valueUri": uri},
        {"url": "supportedInteraction", "valueCode": "create"},
    ]
    fhir.create(
        {
            "resourceType": "Basic",
            "modifierExtension": [{"url": f"{place}.status", "valueCode": "active"}],
            "extension": [
                {"url": f"{place}.url", "valueUri": TOPIC.url},
                {"url": f"{place}.title", "valueString": "Recordings"},
                {"url": f"{place}.resourceTrigger", "extension": trigger},
            ],
            "code": {
                "coding": [
                    {"system": "http://hl7.org/fhir/fhir-types", "code": "SubscriptionTopic"}
                ]
            },
        },
        {"identifier": TOPIC.url},
    )


def _until(fhir: FhirClient, endpoint: str, status: str) -> Resource:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        (stored,) = fhir.search("Subscription", {"url": endpoint})
        if stored["status"] == status:
            return stored
    raise AssertionError(f"the Subscription is {stored['status']}")


def test_a_real_servers_topic_is_heard_counted_and_brought_to_life_again(
    fhir: FhirClient, hook: httpx.Client, hints: Hints, numbers: EventNumbers
) -> None:
    _make_topic(fhir)
    endpoint = f"{str(hook.base_url).rstrip('/')}{HOOK}"
    ours = OurSubscription(fhir, endpoint, SECRET, TOPIC, numbers, hints.take)
    ours.ensure()
    stored = _until(fhir, endpoint, "active")  # once the handshake was answered

    first = Laboratory(document={"type": POLYSOMNOGRAPHY}).place(fhir)
    hints.wait_for(first.document)

    fhir.update({**fhir.read("Subscription", stored["id"]), "status": "off"})
    Laboratory(document={"type": POLYSOMNOGRAPHY}).place(fhir)  # nobody is told
    ours.check()
    assert _until(fhir, endpoint, "active")["id"] == stored["id"]

    third = Laboratory(document={"type": POLYSOMNOGRAPHY}).place(fhir)
    hints.wait_for(third.document)
    ours.check()  # compares the count, which holds
    assert all(hint is None or "$events" not in hint for hint in hints.taken)


def test_the_service_goes_by_a_topic_and_by_the_sweep_for_what_that_leaves_out(
    ehr: DemoEhr, fhir: FhirClient, tmp_path: Path
) -> None:
    _make_topic(fhir)
    scoring = tmp_path / "scoring.json"
    scoring.write_text(json.dumps([{"epoch": 0, "sleep_stage": "W"}]))
    chosen = load_settings(
        fhir_url=ehr.base_url,
        data=tmp_path,
        stager="scored",
        model=str(scoring),
        port=0,
        subscription_topic=TOPIC.url,
        sweep_seconds=1.0,
    )
    with service(chosen) as running:
        endpoint = f"{running.address}{HOOK}"
        stored = _until(fhir, endpoint, "active")
        told = Laboratory().place(fhir)  # without a type: the topic alone leads to it
        (order,) = find_studies(fhir, told.document)
        running.worker.wait(order.id, patience_s=300)
        fhir.update({**fhir.read("Subscription", stored["id"]), "criteria": "http://e/none"})
        placed = Laboratory(document={"type": POLYSOMNOGRAPHY}).place(fhir)
        (order,) = find_studies(fhir, placed.document)
        study = running.worker.wait(order.id, patience_s=300)
    assert study.state is State.FAILED, "its recording is none"


# ── rounds ────────────────────────────────────────────────────────────────────────────────


def test_any_number_of_askers_wait_for_one_more_round() -> None:
    begun, go_on = threading.Semaphore(0), threading.Semaphore(0)

    def work() -> None:
        begun.release()
        assert go_on.acquire(timeout=60)

    rounds = Rounds(every_s=3600)
    with rounds.going(work):
        assert begun.acquire(timeout=60)
        for _ in range(1000):
            rounds.ask()  # while the first is under way
        go_on.release()
        assert begun.acquire(timeout=60)
        go_on.release()
    assert not begun.acquire(blocking=False)


def test_a_round_that_fails_is_said_and_the_next_one_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done = threading.Semaphore(0)

    def broken() -> None:
        raise KeyError("Jane Doe")

    with Rounds(every_s=0.01).going(broken, done.release):
        assert done.acquire(timeout=60)
        assert done.acquire(timeout=60)
    assert "KeyError in broken" in caplog.text
    assert "Jane Doe" not in caplog.text
