"""How the EHR tells of a new study: a Subscription of ours, its notifications, and what they mean.

The Subscription is FHIR R4's own: a rest-hook with search criteria, which servers have known
longest. It asks for empty notifications, so that no patient's data travels that way. Whatever
arrives is only a hint of where to look: the resource is always read again from the EHR.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from pydantic import BaseModel, ValidationError

from connector import study
from connector.codes import POLYSOMNOGRAPHY_ORDER
from connector.fhir import FhirClient, Resource, reference_to
from connector.workflow import NamedStudy

_TYPES = ",".join(f"{system}|{code}" for system, code in POLYSOMNOGRAPHY_ORDER)
CRITERIA = f"DocumentReference?type={_TYPES}&status=current"
REASON = "somnoaudit audits new polysomnographies"

# How far back a notification that names nothing is taken to reach. An EHR gives up on a
# service that does not answer for longer, and then sends nothing at all.
_LOOK_BACK = timedelta(days=1)

_REFERENCE = re.compile(
    r"(?:^|/)((?:DocumentReference|ServiceRequest)/[A-Za-z0-9.\-]{1,64})(?:/_history/.*)?$"
)


class NotANotification(ValueError):
    """A body that no FHIR server sends to a hook; the text says why, in a sentence."""


def ensure_subscription(client: FhirClient, endpoint: str, secret: str) -> Resource:
    """The EHR's Subscription that notifies ``endpoint``: made, renewed, or left as it is.

    Raises:
        FhirError: the EHR does not take it.
    """
    wanted: Resource = {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": REASON,
        "criteria": CRITERIA,
        "channel": {
            "type": "rest-hook",
            "endpoint": endpoint,
            "header": [f"Authorization: {expected_authorization(secret)}"],
        },
    }
    stored = next(client.search("Subscription", {"url": endpoint}), None)
    if stored is None:
        return client.create(wanted, {"url": endpoint})
    serves = stored.get("status") in ("requested", "active") and all(
        stored.get(element) == wanted[element] for element in ("criteria", "channel")
    )
    if serves:
        return stored
    return client.update(wanted | {"id": stored["id"], "meta": stored.get("meta", {})})


def expected_authorization(secret: str) -> str:
    """The Authorization header of a notification that comes from our Subscription."""
    return f"Bearer {secret}"


# ── notifications ─────────────────────────────────────────────────────────────────────────


class _Reference(BaseModel):
    reference: str | None = None


class _Part(BaseModel):
    name: str
    valueReference: _Reference | None = None  # noqa: N815 FHIR's names, here and below


class _Parameter(BaseModel):
    name: str
    valueCode: str | None = None  # noqa: N815
    part: list[_Part] = []


class _Event(BaseModel):
    focus: _Reference | None = None


class _Status(BaseModel):
    """The first entry of a topic's notification: Parameters in R4, SubscriptionStatus in R4B."""

    resourceType: str  # noqa: N815
    type: str | None = None
    parameter: list[_Parameter] = []
    notificationEvent: list[_Event] = []  # noqa: N815

    def kind(self) -> str | None:
        if self.resourceType != "Parameters":
            return self.type
        return next((p.valueCode for p in self.parameter if p.name == "type"), None)

    def focuses(self) -> Iterator[str | None]:
        """The resource that each event is about; None where the server does not say."""
        for event in self.notificationEvent:
            yield event.focus.reference if event.focus else None
        for parameter in self.parameter:
            if parameter.name in ("notification-event", "notificationEvent"):
                focus = [p.valueReference for p in parameter.part if p.name == "focus"]
                yield focus[0].reference if focus and focus[0] else None


class _Entry(BaseModel):
    resource: Resource = {}


class _Bundle(BaseModel):
    entry: list[_Entry] = []


class _Resource(BaseModel):
    resourceType: str  # noqa: N815
    id: str | None = None


def hints(body: bytes) -> list[str | None]:
    """What a notification points at: documents and orders; None is "something new".

    Takes R4 notifications, empty or with the resource, and those of topic subscriptions
    (handshakes and heartbeats point at nothing).

    Raises:
        NotANotification: it is none of these.
    """
    if not body.strip():
        return [None]
    try:
        resource = _Resource.model_validate_json(body)
        if resource.resourceType != "Bundle":
            named = f"{resource.resourceType}/{resource.id}" if resource.id else None
            return _only_studies([named])
        entries = _Bundle.model_validate_json(body).entry or [_Entry()]
        status = _Status.model_validate(entries[0].resource)
    except ValidationError:
        raise NotANotification("The body is not a FHIR notification in JSON.") from None
    kind = status.kind()
    if kind is None:
        raise NotANotification("The Bundle does not begin with a subscription's status.")
    if kind != "event-notification":
        return []
    return _only_studies(list(status.focuses()) or [None])


def _only_studies(references: list[str | None]) -> list[str | None]:
    """Without references to what is no document or order, and without servers' addresses."""
    found: list[str | None] = []
    for reference in references:
        match = _REFERENCE.search(reference or "")
        if reference is None or match:
            found.append(match[1] if match else None)
    return list(dict.fromkeys(found))


# ── what they mean ────────────────────────────────────────────────────────────────────────


def find_studies(client: FhirClient, hint: str | None, now: datetime) -> list[NamedStudy]:
    """The polysomnographies that a hint leads to; without a hint, those of the last day.

    Raises:
        FhirError: the EHR did not answer as it must.
    """
    sources = [hint] if hint else _new_documents(client, now)
    return [
        NamedStudy(study_id=order.id, source=order.document)
        for source in sources
        for order in study.find_studies(client, source)
    ]


def _new_documents(client: FhirClient, now: datetime) -> list[str]:
    since = (now - _LOOK_BACK).isoformat(timespec="seconds")
    criteria = {"type": _TYPES, "status": "current", "_lastUpdated": f"ge{since}"}
    return [reference_to(document) for document in client.search("DocumentReference", criteria)]
