"""How long a server asks to be left alone, in each of the ways in which servers say so."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.fhir.waits import rest_asked_for_s

SOON = datetime.now(UTC) + timedelta(seconds=1000)


@pytest.mark.parametrize(
    ("status", "headers", "wait_s"),
    [
        (429, {}, None),
        (429, {"Retry-After": "7"}, 7),
        (503, {"Retry-After": "7"}, 7),
        (503, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0),
        (429, {"RateLimit": '"day";r=0;t=30'}, 30),
        (429, {"RateLimit": '"burst";r=0;t=5, "day";r=0;t=3600'}, 3600),
        (429, {"RateLimit": '"burst";r=0;t=5, "day";r=99;t=3600'}, 5),
        (429, {"RateLimit": "limit=100, remaining=0, reset=40"}, 40),
        (429, {"RateLimit": "limit=100, remaining=3, reset=40"}, None),
        (429, {"RateLimit-Reset": "12"}, 12),
        (429, {"X-RateLimit-Reset": "13"}, 13),
        (429, {"Retry-After": "7", "RateLimit": '"day";r=0;t=30'}, 7),
        (429, {"Retry-After": "soon", "RateLimit": '"day";r=0;t=30'}, 30),
        # Not asked to wait: these count what is left, on every answer.
        (503, {"RateLimit": '"day";r=0;t=30', "X-RateLimit-Reset": "13"}, None),
        (429, {"RateLimit": "gibberish", "RateLimit-Reset": "-1"}, None),
    ],
)
def test_a_wait_is_read(status: int, headers: dict[str, str], wait_s: float | None) -> None:
    assert rest_asked_for_s(status, httpx.Headers(headers)) == wait_s


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": format_datetime(SOON, usegmt=True)},
        {"X-RateLimit-Reset": str(int(SOON.timestamp()))},
    ],
)
def test_a_time_is_taken_as_the_wait_until_then(headers: dict[str, str]) -> None:
    wait_s = rest_asked_for_s(429, httpx.Headers(headers))
    assert wait_s is not None
    assert 0 < wait_s <= 1000


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
def test_any_text_is_a_wait_or_none(text: str) -> None:
    for name in ("Retry-After", "RateLimit", "RateLimit-Reset", "X-RateLimit-Reset"):
        wait_s = rest_asked_for_s(429, httpx.Headers({name: text}))
        assert wait_s is None or wait_s >= 0
