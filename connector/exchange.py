"""What passes between a study's steps and the EHR: fenced before, told to the audit trail after.

httpx shows each request before it goes out and each answer as it comes. A request that changes
something goes out only while the run that makes it holds; what was read or written is told by
reference, without a search's criteria and without anything that a resource says.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

import httpx

from connector.fhir.wire import FHIR_JSON, Hooks
from connector.store import Store
from connector.stored import Clock, Run, utc_now
from connector.trail import Action

Json: TypeAlias = dict[str, Any]

_READING = ("GET", "HEAD")


class Interaction(StrEnum):
    """What was done, by FHIR R4's names (http://hl7.org/fhir/R4/valueset-type-restful-interaction)."""

    READ = "read"
    SEARCH = "search-type"
    CREATE = "create"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"
    TRANSACTION = "transaction"
    OPERATION = "operation"

    @property
    def is_read(self) -> bool:
        return self in (Interaction.READ, Interaction.SEARCH)


_BY_METHOD = {
    "POST": Interaction.CREATE,
    "PUT": Interaction.UPDATE,
    "PATCH": Interaction.PATCH,
    "DELETE": Interaction.DELETE,
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request to the EHR that was answered.

    Attributes:
        interaction: what was asked for.
        references: the resources, as "Observation/12"; the type alone where a search went over
            all of them.
        query: a search's criteria, as sent; for the EHR's own AuditEvent, and for no log.
        status: of the answer.
        at: when it was answered.
    """

    interaction: Interaction
    references: tuple[str, ...]
    query: str
    status: int
    at: datetime

    @property
    def succeeded(self) -> bool:
        return httpx.codes.is_success(self.status)


class EhrWatch:
    """Sees each request to one EHR, and knows for which run of a study it is made.

    Args:
        store: whose trail is told, and who knows whether a run holds.
        base_url: of the EHR.
        clock: the time of the exchanges.
    """

    def __init__(self, store: Store, base_url: str, clock: Clock = utc_now) -> None:
        self._store = store
        self._base_path = httpx.URL(base_url).path.rstrip("/") + "/"
        self._clock = clock
        self._here = threading.local()

    @property
    def hooks(self) -> Hooks:
        """To be given to the client."""
        return {"request": [self._before], "response": [self._after]}

    @contextmanager
    def step(self, run: Run) -> Iterator[list[Exchange]]:
        """Whatever this thread asks of the EHR meanwhile is for this run; gives what it was."""
        exchanges: list[Exchange] = []
        self._here.run, self._here.exchanges = run, exchanges
        try:
            yield exchanges
        finally:
            self._here.run = None

    def _before(self, request: httpx.Request) -> None:
        """
        Raises:
            RunEnded: the run is over, and writes nothing more.
            WorkerGone: its worker is.
        """
        run: Run | None = getattr(self._here, "run", None)
        if run is not None and request.method not in _READING:
            self._store.check(run)

    def _after(self, response: httpx.Response) -> None:
        exchange = self._exchange(response)
        run: Run | None = getattr(self._here, "run", None)
        if run is not None:
            self._here.exchanges.append(exchange)
        self._store.tell(
            Action.EHR_READ if exchange.interaction.is_read else Action.EHR_WRITTEN,
            run.study_id if run else None,
            {
                "interaction": exchange.interaction.value,
                "references": list(exchange.references),
                "status": exchange.status,
            },
            run.worker if run else None,
        )

    def _exchange(self, response: httpx.Response) -> Exchange:
        request = response.request
        path = request.url.path.removeprefix(self._base_path).strip("/")
        interaction = _interaction(request.method, path)
        return Exchange(
            interaction,
            self._references(interaction, path, response),
            request.url.query.decode("ascii", "replace"),
            response.status_code,
            self._clock(),
        )

    def _references(
        self, interaction: Interaction, path: str, response: httpx.Response
    ) -> tuple[str, ...]:
        if not response.is_success or interaction is Interaction.READ:
            return (path,)
        # A download must not be read here: it may be a night's recording.
        if response.request.headers.get("Accept") != FHIR_JSON:
            return (path,)
        response.read()
        found = tuple(dict.fromkeys(_named_in(_json(response))))
        return found or (path,)


def _interaction(method: str, path: str) -> Interaction:
    if method in _READING:
        return Interaction.READ if "/" in path else Interaction.SEARCH
    if not path:
        return Interaction.TRANSACTION
    if "$" in path or path.endswith("_search"):
        return Interaction.SEARCH if path.endswith("_search") else Interaction.OPERATION
    return _BY_METHOD.get(method, Interaction.OPERATION)


def _json(response: httpx.Response) -> Json:
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _named_in(body: Json) -> Iterator[str]:
    """The resources in an answer, by reference: itself, a searchset's, a transaction's."""
    if body.get("resourceType") != "Bundle":
        if isinstance(body.get("id"), str):
            yield f"{body['resourceType']}/{body['id']}"
        return
    entries = body.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict):
            continue
        resource, answer = entry.get("resource"), entry.get("response")
        if isinstance(resource, dict) and isinstance(resource.get("id"), str):
            yield f"{resource.get('resourceType')}/{resource['id']}"
        elif isinstance(answer, dict) and isinstance(answer.get("location"), str):
            yield "/".join(answer["location"].split("/_history/")[0].split("/")[-2:])
