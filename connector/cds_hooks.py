"""CDS Hooks 2.0: the EHR asks, while someone orders a study or opens a patient's chart.

A call is answered with what is known already, within milliseconds. It is a hint as well: what
the EHR has of this patient or order is looked into later.
"""

# Without annotations as text: FastAPI reads those of routes, which name what is local here.

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from prometheus_client import Counter
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from connector.bodies import read_body
from connector.cds_callers import CallerRefused, Callers
from connector.cds_cards import Card, Desk, order_card, studies_of, study_cards
from connector.codes import POLYSOMNOGRAPHY_ORDER
from connector.store import Store
from connector.trail import Action

SERVICES = "/cds-services"

# A draft order is small; an EHR may send many at once.
_LONGEST_BODY = 1 << 20

# A chart is opened many times a day; its recordings are looked for once in this time.
_SAME_HINT_EACH_S = 600.0
_HINTS_REMEMBERED = 10_000

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_USER = re.compile(r"[A-Za-z]{1,64}/[A-Za-z0-9\-.]{1,64}")

_FEEDBACK = Counter("somnoaudit_cds_feedback", "What became of cards.", ["outcome"])


class Service(StrEnum):
    """Our services, by id; each serves the hook of this name."""

    PATIENT_VIEW = "patient-view"
    ORDER_SIGN = "order-sign"


_DISCOVERY = {
    "services": [
        {
            "hook": Service.PATIENT_VIEW.value,
            "id": Service.PATIENT_VIEW.value,
            "title": "Sleep studies of this patient",
            "description": "Shows how far the AI staging and audit of sleep studies has come.",
        },
        {
            "hook": Service.ORDER_SIGN.value,
            "id": Service.ORDER_SIGN.value,
            "title": "Polysomnography ordered",
            "description": "Says that a polysomnography will be staged and audited.",
        },
    ]
}


# ── as the EHR calls: CDS Hooks' names ────────────────────────────────────────────────────


class _Coding(BaseModel):
    system: str = ""
    code: str = ""


class _Concept(BaseModel):
    coding: list[_Coding] = []


class _Order(BaseModel):
    resourceType: str = ""  # noqa: N815
    id: str = ""
    code: _Concept = _Concept()


class _Entry(BaseModel):
    resource: dict[str, Any] = {}


class _Bundle(BaseModel):
    entry: list[_Entry] = []


class _Context(BaseModel):
    userId: str = ""  # noqa: N815
    patientId: str = ""  # noqa: N815
    draftOrders: _Bundle = _Bundle()  # noqa: N815


class _Call(BaseModel):
    hook: str
    hookInstance: UUID  # noqa: N815
    fhirServer: str | None = None  # noqa: N815
    context: _Context


class _Outcome(StrEnum):
    ACCEPTED = "accepted"
    OVERRIDDEN = "overridden"


class _CardFeedback(BaseModel):
    outcome: _Outcome


class _Feedback(BaseModel):
    feedback: list[_CardFeedback]


_CALL_BODY = {
    "requestBody": {
        "content": {"application/json": {"schema": _Call.model_json_schema()}},
        "required": True,
    }
}
_FEEDBACK_BODY = {
    "requestBody": {
        "content": {"application/json": {"schema": _Feedback.model_json_schema()}},
        "required": True,
    }
}


class _NewHints:
    """Passes a hint on unless the same one went by not long ago."""

    def __init__(self, take_hint: Callable[[str], None]) -> None:
        self._take_hint = take_hint
        self._lock = threading.Lock()
        self._until_s: OrderedDict[str, float] = OrderedDict()

    def take(self, hint: str) -> None:
        now = time.monotonic()
        with self._lock:
            if self._until_s.get(hint, 0.0) > now:
                return
        self._take_hint(hint)
        with self._lock:
            self._until_s.pop(hint, None)
            self._until_s[hint] = now + _SAME_HINT_EACH_S
            while len(self._until_s) > _HINTS_REMEMBERED:
                self._until_s.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Cds:
    """What the services are made of.

    Attributes:
        store: of the studies.
        callers: who may call.
        desk: where cards lead; its address is also the one that callers' tokens are for.
        fhir_url: of our EHR: of another's patients nothing is known.
        take_hint: told where to look; must return at once.
    """

    store: Store
    callers: Callers
    desk: Desk
    fhir_url: str
    take_hint: Callable[[str], None]

    def cards(self, service: Service, call: _Call) -> list[Card]:
        """The answer to a call."""
        if (call.fhirServer or self.fhir_url).rstrip("/") != self.fhir_url:
            return []
        if service is Service.ORDER_SIGN:
            return self._of_orders(call)
        return self._of_patient(call)

    def _of_orders(self, call: _Call) -> list[Card]:
        ordered = [_order_of(entry) for entry in call.context.draftOrders.entry]
        ours = [order for order in ordered if order is not None]
        for order in ours:
            if _ID.fullmatch(order.id):
                self.take_hint(f"ServiceRequest/{order.id}")
        return [order_card(self.desk, call.hookInstance)] if ours else []

    def _of_patient(self, call: _Call) -> list[Card]:
        if not _ID.fullmatch(call.context.patientId):
            return []
        patient = f"Patient/{call.context.patientId}"
        self.take_hint(patient)
        studies = studies_of(self.store.sessions, patient)
        user = call.context.userId if _USER.fullmatch(call.context.userId) else None
        for study in studies:
            self.store.tell(Action.VIEWED, study.id, {"page": "card"}, user)
        return study_cards(studies, self.desk, call.hookInstance)


def _order_of(entry: _Entry) -> _Order | None:
    """A draft order for polysomnography; None for any other."""
    try:
        order = _Order.model_validate(entry.resource)
    except ValidationError:
        return None
    is_ours = any((c.system, c.code) in POLYSOMNOGRAPHY_ORDER for c in order.code.coding)
    return order if order.resourceType == "ServiceRequest" and is_ours else None


def cds_routes(
    store: Store, callers: Callers, desk: Desk, fhir_url: str, take_hint: Callable[[str], None]
) -> APIRouter:
    """The services, their discovery and their feedback; arguments as of :class:`Cds`."""
    cds = Cds(store, callers, desk, fhir_url, _NewHints(take_hint).take)
    routes = APIRouter(prefix=SERVICES)

    async def admitted(request: Request, service: str, path: str = "") -> tuple[Service, bytes]:
        if service not in tuple(Service):
            raise HTTPException(404, "There is no such service.")
        sent = request.headers.get("Authorization", "")
        try:
            await run_in_threadpool(callers.check, sent, f"{desk.url}{SERVICES}/{service}{path}")
        except CallerRefused as refusal:
            raise HTTPException(401, str(refusal), {"WWW-Authenticate": "Bearer"}) from None
        return Service(service), await read_body(request, _LONGEST_BODY)

    @routes.get("")
    def discovery() -> dict[str, Any]:
        """The services that there are."""
        return _DISCOVERY

    @routes.post("/{service}", openapi_extra=_CALL_BODY)
    async def called(service: str, request: Request) -> dict[str, list[Card]]:
        """The EHR asks; the answer is cards."""
        asked, body = await admitted(request, service)
        try:
            call = _Call.model_validate_json(body)
        except ValidationError:
            raise HTTPException(400, "The body is no call of CDS Hooks.") from None
        if call.hook != asked.value:
            raise HTTPException(400, "The call is of another hook than this service's.")
        return {"cards": await run_in_threadpool(cds.cards, asked, call)}

    @routes.post("/{service}/feedback", openapi_extra=_FEEDBACK_BODY, response_class=Response)
    async def feedback(service: str, request: Request) -> None:
        """What people did with cards; counted, and their comments are not kept."""
        _, body = await admitted(request, service, "/feedback")
        try:
            told = _Feedback.model_validate_json(body)
        except ValidationError:
            raise HTTPException(400, "The body is no feedback of CDS Hooks.") from None
        for each in told.feedback:
            _FEEDBACK.labels(each.outcome.value).inc()

    return routes
