"""How long a server asks to be left alone, in each of the ways in which servers say so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

# A larger number is no wait but a time on the clock, in seconds since 1970.
_LONGEST_WAIT_MEANT_S = 1e8

# draft-ietf-httpapi-ratelimit-headers: "default";r=0;t=30 since its version 08, and
# limit=100, remaining=0, reset=30 before.
_RATE_LIMIT_RESET = re.compile(r"(?:;|,|^)\s*(?:t|reset)=(\d{1,9})(?![\d.])")
_NOTHING_LEFT = re.compile(r"(?:;|,|^)\s*(?:r|remaining)=0(?![\d.])")


def rest_asked_for_s(status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds to wait before the next request; None where the server does not say.

    Reads ``Retry-After`` (RFC 9110: seconds or a date); of a 429 without it ``RateLimit`` in
    both forms of its drafts, else the older ``RateLimit-Reset`` and ``X-RateLimit-Reset``.
    """
    retry_after_s = _retry_after_s(headers.get("Retry-After", "").strip())
    if retry_after_s is not None or status != HTTPStatus.TOO_MANY_REQUESTS:
        return retry_after_s
    waits = (
        _rate_limit_s(headers.get("RateLimit", "")),
        _reset_s(headers.get("RateLimit-Reset", "").strip()),
        _reset_s(headers.get("X-RateLimit-Reset", "").strip()),
    )
    return next((wait for wait in waits if wait is not None), None)


def _retry_after_s(value: str) -> float | None:
    if _is_number(value):
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return _until(at.timestamp())


def _rate_limit_s(value: str) -> float | None:
    """Of the policies that are listed, the longest wait of those that have run out."""
    items = [value] if "=" in value.split(",", 1)[0].split(";", 1)[0] else value.split(",")
    waits = [
        float(found[1])
        for item in items
        if _NOTHING_LEFT.search(item) and (found := _RATE_LIMIT_RESET.search(item))
    ]
    return max(waits, default=None)


def _reset_s(value: str) -> float | None:
    if not _is_number(value):
        return None
    return _until(float(value)) if float(value) > _LONGEST_WAIT_MEANT_S else float(value)


def _until(timestamp_s: float) -> float:
    return max(0.0, timestamp_s - datetime.now(UTC).timestamp())


def _is_number(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) < 16
