"""Addresses: the server's base, what is its own, and what is another's."""

from __future__ import annotations

import httpx

from auditor.errors import UsageError

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def checked_base(base_url: str) -> httpx.URL:
    """The base of a FHIR server, without a slash at its end.

    Raises:
        UsageError: it is not an http or https address, or holds a password.
    """
    remedy = "give one like https://ehr.example.org/fhir"
    try:
        base = httpx.URL(base_url.rstrip("/"))
    except httpx.InvalidURL as error:
        raise UsageError(f"the FHIR server's address is none; {remedy}") from error
    if base.scheme not in ("http", "https") or not base.host or base.query:
        raise UsageError(f"the FHIR server's address is not an http(s) address; {remedy}")
    if base.userinfo:
        raise UsageError(f"the FHIR server's address holds a password; {remedy}, without it")
    return base


def is_of(base: httpx.URL, url: httpx.URL) -> bool:
    """Whether an address is of the base's origin (RFC 6454), and brings no password along."""
    return _origin(url) == _origin(base) and not url.userinfo


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
