"""A caller's token counts once, whichever process of the service it comes to."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from connector.store import Store
from connector.used_tokens import UsedTokenRow, UsedTokens

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=6)


def test_a_token_counts_once_for_all_processes(database_url: str) -> None:
    stores = Store.open(database_url), Store.open(database_url)
    first, second = (UsedTokens(store.sessions, lambda: NOW) for store in stores)
    assert first.use("https://ehr.example", "a", LATER)
    assert not first.use("https://ehr.example", "a", LATER)
    assert not second.use("https://ehr.example", "a", LATER)
    assert second.use("https://other.example", "a", LATER), "ids are each issuer's own"
    for store in stores:
        store.close()


def test_of_processes_that_are_shown_a_token_at_once_one_takes_it(database_url: str) -> None:
    stores = [Store.open(database_url) for _ in range(2)]
    tokens = [UsedTokens(store.sessions, lambda: NOW) for store in stores]
    with ThreadPoolExecutor(4) as threads:
        took = list(threads.map(lambda n: tokens[n % 2].use("i", "a", LATER), range(8)))
    assert took.count(True) == 1
    for store in stores:
        store.close()


def test_a_token_is_forgotten_once_it_is_refused_anyway(database_url: str) -> None:
    store = Store.open(database_url)
    UsedTokens(store.sessions, lambda: NOW).use("i", "a", LATER)
    UsedTokens(store.sessions, lambda: LATER + timedelta(seconds=1)).use("i", "b", LATER)
    with store.sessions() as session:
        assert session.scalar(select(func.count()).select_from(UsedTokenRow)) == 1
    store.close()
