"""A topic's events counted: what is lost shows, whichever process hears of it, and whenever."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from connector.event_numbers import EventCountRow, EventNumbers, Missed
from connector.notifications import Kind, Notification
from connector.store import Store

_subscriptions = count(1)


def _heard(kind: Kind, total: int, *numbers: int, subscription: str = "Subscription/7") -> Any:
    return Notification(kind, subscription=subscription, total=total, numbers=numbers)


def _take_in(numbers: EventNumbers, heard: Notification) -> Missed | None:
    missed = numbers.missed_before(heard)
    numbers.note(heard)
    return missed


@pytest.fixture
def numbers(sessions: sessionmaker[Session]) -> EventNumbers:
    return EventNumbers(sessions)


def test_a_lost_notification_shows_at_the_next_event_or_heartbeat(numbers: EventNumbers) -> None:
    assert _take_in(numbers, _heard(Kind.HANDSHAKE, 0)) is None
    assert _take_in(numbers, _heard(Kind.EVENT, 1, 1)) is None
    assert _take_in(numbers, _heard(Kind.EVENT, 4, 4)) == Missed("Subscription/7", 2, 3)
    assert _take_in(numbers, _heard(Kind.HEARTBEAT, 4)) is None
    assert _take_in(numbers, _heard(Kind.HEARTBEAT, 6)) == Missed("Subscription/7", 5, 6)
    assert _take_in(numbers, _heard(Kind.EVENT, 9, 7, 9)) == Missed("Subscription/7", 8, 8)


def test_what_comes_late_or_twice_is_no_gap(numbers: EventNumbers) -> None:
    _take_in(numbers, _heard(Kind.EVENT, 5, 5))
    assert _take_in(numbers, _heard(Kind.EVENT, 5, 5)) is None
    assert _take_in(numbers, _heard(Kind.EVENT, 3, 3)) is None
    assert _take_in(numbers, _heard(Kind.EVENT, 6, 6)) is None


def test_a_subscription_that_starts_anew_counts_from_its_handshake(numbers: EventNumbers) -> None:
    _take_in(numbers, _heard(Kind.EVENT, 50, 50))
    assert _take_in(numbers, _heard(Kind.HANDSHAKE, 0)) is None
    assert _take_in(numbers, _heard(Kind.EVENT, 2, 2)) == Missed("Subscription/7", 1, 1)
    # Another one is not measured by the count of the first.
    assert _take_in(numbers, _heard(Kind.EVENT, 9, 9, subscription="Subscription/8")) is None


def test_a_subscription_brought_to_life_tells_what_it_counted_meanwhile(
    numbers: EventNumbers,
) -> None:
    _take_in(numbers, _heard(Kind.EVENT, 3, 3))
    assert _take_in(numbers, _heard(Kind.HANDSHAKE, 5)) == Missed("Subscription/7", 4, 5)


@given(st.integers(1, 12), st.sets(st.integers(0, 11)), st.randoms(use_true_random=False))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30
)
def test_each_event_is_heard_or_missed_whatever_is_lost(
    numbers: EventNumbers, n_events: int, lost: set[int], chance: Any
) -> None:
    subscription = f"Subscription/{next(_subscriptions)}"

    def heard(kind: Kind, total: int, *told: int) -> Notification:
        return Notification(kind, subscription=subscription, total=total, numbers=told)

    known: set[int] = set()

    def take_in(notification: Notification) -> None:
        if missed := _take_in(numbers, notification):
            known.update(range(missed.first, missed.last + 1))

    take_in(heard(Kind.HANDSHAKE, 0))
    arrived = [number for number in range(1, n_events + 1) if number not in lost]
    chance.shuffle(arrived)
    for number in arrived:
        known.add(number)
        take_in(heard(Kind.EVENT, number, number))
    take_in(heard(Kind.HEARTBEAT, n_events))
    assert known == set(range(1, n_events + 1))


# ── any number of processes ───────────────────────────────────────────────────────────────


@pytest.fixture
def stores(database_url: str) -> Iterator[tuple[Store, Store]]:
    """As two processes of the service have them."""
    both = Store.open(database_url), Store.open(database_url)
    yield both
    for store in both:
        store.close()


def test_what_one_process_has_heard_the_next_one_knows(stores: tuple[Store, Store]) -> None:
    first, second = (EventNumbers(store.sessions) for store in stores)
    _take_in(first, _heard(Kind.EVENT, 3, 3))
    assert _take_in(second, _heard(Kind.EVENT, 6, 6)) == Missed("Subscription/7", 4, 5)
    assert _take_in(first, _heard(Kind.HEARTBEAT, 6)) is None


def test_a_process_that_ends_before_it_has_noted_leaves_the_hole_to_the_next(
    stores: tuple[Store, Store],
) -> None:
    first, second = (EventNumbers(store.sessions) for store in stores)
    _take_in(first, _heard(Kind.EVENT, 3, 3))
    hole = Missed("Subscription/7", 4, 5)
    assert first.missed_before(_heard(Kind.EVENT, 6, 6)) == hole
    assert second.missed_before(_heard(Kind.HEARTBEAT, 6)) == Missed("Subscription/7", 4, 6)


def test_processes_that_hear_of_a_subscription_at_once_keep_one_count(
    stores: tuple[Store, Store],
) -> None:
    numbers = [EventNumbers(store.sessions) for store in stores]

    def hear(number: int) -> None:
        numbers[number % 2].note(_heard(Kind.EVENT, number, number))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(hear, range(1, 9)))
    with stores[0].sessions() as session:
        (row,) = session.scalars(select(EventCountRow))
    assert row.known == 8


def test_a_subscription_that_is_no_more_is_forgotten(sessions: sessionmaker[Session]) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    numbers = EventNumbers(sessions, lambda: now)
    numbers.note(_heard(Kind.EVENT, 3, 3))
    for days, left in ((29, {"Subscription/7", "Subscription/8"}), (31, {"Subscription/8"})):
        EventNumbers(sessions, lambda days=days: now + timedelta(days=days)).note(  # type: ignore[misc]
            _heard(Kind.EVENT, 1, 1, subscription=f"Subscription/{8 if days == 29 else 9}")
        )
        with sessions() as session:
            kept = set(session.scalars(select(EventCountRow.subscription)))
        assert kept - {"Subscription/9"} == left
