"""Whether the service runs, and whether it can do its work: for whoever starts and watches it."""

# Without annotations as text: FastAPI reads those of routes, which name what is local here.

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import httpx
from fastapi import APIRouter, Response
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from connector.fhir.addresses import LOOPBACK
from connector.fhir.wire import tls

# Orchestrators give a probe about a second; an EHR that takes longer counts as away.
_EHR_ANSWERS_WITHIN_S = 2.0
# However often we are asked, the EHR is asked this seldom.
_KEPT_S = 15.0

Probe: TypeAlias = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the service needs, each by a probe; all are to hold."""

    probes: Mapping[str, Probe]

    def parts(self) -> dict[str, bool]:
        """Each part, and whether it is there."""
        return {name: probe() for name, probe in self.probes.items()}


def database_answers(sessions: sessionmaker[Session]) -> Probe:
    """Whether the database answers."""

    def probe() -> bool:
        try:
            with sessions() as session:
                session.execute(text("SELECT 1"))
        except DBAPIError:
            return False
        return True

    return probe


def ehr_answers(fhir_url: str) -> Probe:
    """Whether the EHR answers anything at all but a failure of its own; asked without a token."""
    lock = threading.Lock()
    asked_s, answered = float("-inf"), False
    local = httpx.URL(fhir_url).host in LOOPBACK

    def probe() -> bool:
        nonlocal asked_s, answered
        with lock:
            if time.monotonic() - asked_s > _KEPT_S:
                answered = _answers(f"{fhir_url}/metadata", trust_env=not local)
                asked_s = time.monotonic()
            return answered

    return probe


def _answers(url: str, *, trust_env: bool) -> bool:
    try:
        with httpx.stream(
            "GET", url, timeout=_EHR_ANSWERS_WITHIN_S, verify=tls(), trust_env=trust_env
        ) as response:
            return response.status_code < 500
    except httpx.HTTPError:
        return False


def probe_routes(readiness: Readiness) -> APIRouter:
    """``/readyz``; 200 and 503, with each part in words."""
    routes = APIRouter()

    @routes.get("/readyz", responses={503: {"description": "Something is missing."}})
    def ready(response: Response) -> dict[str, str]:
        """Whether this service can do its work."""
        parts = readiness.parts()
        whole = all(parts.values())
        response.status_code = 200 if whole else 503
        words = {name: "ok" if holds else "missing" for name, holds in parts.items()}
        return {"status": "ready" if whole else "not ready", **words}

    return routes
