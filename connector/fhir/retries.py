"""Asking again, with jittered waits, where that can help and cannot do the work twice."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from connector.fhir.errors import FhirError, ServerBroken, ServerDown, Throttled

_T = TypeVar("_T")

# Chosen, not measured: a durable workflow takes over from a server that is away for longer.
_ATTEMPTS = 5
_RETRY_FOR_S = 120.0
_LONGEST_WAIT_S = 60.0

log = logging.getLogger("somnoaudit")


def retrying(
    action: Callable[[], _T], *, repeatable: bool, within_s: float | None = _RETRY_FOR_S
) -> _T:
    """Does it, again where that can help: the last error comes through.

    Args:
        action: may raise FhirError.
        repeatable: whether doing it twice is doing it once. A throttled request was not
            carried out, so that repeating it is always safe.
        within_s: no new attempt after so long; None where each attempt may itself take long.
    """

    def wait(error: Exception) -> bool | float:
        failed = isinstance(error, ServerDown | ServerBroken) and repeatable
        if not (isinstance(error, Throttled) or failed):
            return False
        assert isinstance(error, FhirError)  # noqa: S101 for the type checker
        if error.retry_after_s is None:
            return True
        return error.retry_after_s if error.retry_after_s <= _LONGEST_WAIT_S else False

    for attempt in stamina.retry_context(on=wait, attempts=_ATTEMPTS, timeout=within_s):
        with attempt:
            return action()
    raise AssertionError("stamina lets the last error through")


def _tell_of_retry(details: RetryDetails) -> None:
    """One plain line; of an error of ours, that names no patient."""
    error = details.caused_by
    if isinstance(error, FhirError):
        again = f"trying again in {details.wait_for:.1f} s"
        log.warning("FHIR server %s: %s: %s; %s", error.server, error.request, error.problem, again)


# stamina's own hook logs the name of an event, which tells an operator nothing.
set_on_retry_hooks([_tell_of_retry])
