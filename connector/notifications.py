"""What an EHR sends to a hook, read: R4 notifications and those of topic subscriptions.

FHIR R4's own rest-hook sends nothing, or the resource. The Subscriptions R5 Backport IG sends a
Bundle that begins with a subscription's status: Parameters in R4, SubscriptionStatus in R4B. Its
operations ``$status`` and ``$events`` answer in the same form.

Whatever is said is only a hint of where to look: the resource is always read again from the EHR.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ValidationError

from connector.fhir import Resource

_FOCUS = re.compile(
    r"(?:^|/)((?:DocumentReference|ServiceRequest)/[A-Za-z0-9.\-]{1,64})(?:/_history/.*)?$"
)
_SUBSCRIPTION = re.compile(r"(?:^|/)(Subscription/[A-Za-z0-9.\-]{1,64})(?:/_history/.*)?$")

# Event numbers are integer64 in R5, and strings or unsigned integers in R4.
_MOST_EVENTS = 2**63 - 1


class NotANotification(ValueError):
    """A body that no FHIR server sends to a hook; the text says why, in a sentence."""


class Kind(StrEnum):
    """Why a notification was sent."""

    CHANGE = "change"
    """An R4 subscription's: something meets the criteria."""
    EVENT = "event-notification"
    HANDSHAKE = "handshake"
    HEARTBEAT = "heartbeat"
    STATUS = "query-status"
    """The answer of ``$status``."""
    EVENTS = "query-event"
    """The answer of ``$events``."""

    @property
    def tells_of_events(self) -> bool:
        return self in (Kind.CHANGE, Kind.EVENT, Kind.EVENTS)


@dataclass(frozen=True, slots=True)
class Notification:
    """What a notification says.

    Attributes:
        kind: why it was sent.
        focuses: the documents and orders that it names ("DocumentReference/12"), each once.
        names_nothing: whether something is new that it does not name.
        subscription: of a topic, "Subscription/7".
        total: events since that subscription began, this one's included.
        numbers: of the events that it tells of.
        status: of the subscription ("active", "error", …).
    """

    kind: Kind
    focuses: tuple[str, ...] = ()
    names_nothing: bool = False
    subscription: str | None = None
    total: int | None = None
    numbers: tuple[int, ...] = ()
    status: str | None = None


def read_notification(body: bytes) -> Notification:
    """A notification as it came, or the answer of ``$status`` or ``$events``.

    Raises:
        NotANotification: it is none of these.
    """
    if not body.strip():
        return Notification(Kind.CHANGE, names_nothing=True)
    try:
        resource = _Resource.model_validate_json(body)
        if resource.resourceType != "Bundle":
            named = f"{resource.resourceType}/{resource.id}" if resource.id else None
            return _change(named)
        entries = _Bundle.model_validate_json(body).entry or [_Entry()]
        status = _Status.model_validate(entries[0].resource)
    except ValidationError:
        raise NotANotification("The body is not a FHIR notification in JSON.") from None
    try:
        kind = Kind(status.one("type") or "")
    except ValueError:
        raise NotANotification("The Bundle does not begin with a subscription's status.") from None
    return status.notification(kind)


def _change(named: str | None) -> Notification:
    focus = _referred(_FOCUS, named)
    return Notification(Kind.CHANGE, (focus,) if focus else (), named is None)


def _referred(pattern: re.Pattern[str], reference: str | None) -> str | None:
    """The reference without the server's address; None where it is to something else."""
    found = pattern.search(reference or "")
    return found[1] if found else None


# ── as it is sent: FHIR's names ───────────────────────────────────────────────────────────


def _count(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MOST_EVENTS else None


_Count = Annotated[int | None, BeforeValidator(_count)]


class _Reference(BaseModel):
    reference: str | None = None


class _Value(BaseModel):
    name: str
    valueCode: str | None = None  # noqa: N815 FHIR's names, here and below
    valueReference: _Reference | None = None  # noqa: N815
    valueString: Any = None  # noqa: N815
    valueUnsignedInt: Any = None  # noqa: N815
    valueInteger: Any = None  # noqa: N815
    valueInteger64: Any = None  # noqa: N815

    @property
    def count(self) -> int | None:
        said = (self.valueString, self.valueUnsignedInt, self.valueInteger, self.valueInteger64)
        return next((number for value in said if (number := _count(value)) is not None), None)


class _Parameter(_Value):
    part: list[_Value] = []


class _Event(BaseModel):
    eventNumber: _Count = None  # noqa: N815
    focus: _Reference | None = None


class _Status(BaseModel):
    resourceType: str  # noqa: N815
    type: str | None = None
    status: str | None = None
    subscription: _Reference | None = None
    eventsSinceSubscriptionStart: _Count = None  # noqa: N815
    notificationEvent: list[_Event] = []  # noqa: N815
    parameter: list[_Parameter] = []

    def one(self, name: str) -> str | None:
        """A code, wherever it stands."""
        if self.resourceType != "Parameters":
            return self.type if name == "type" else self.status
        return next((p.valueCode for p in self.parameter if p.name == name), None)

    def notification(self, kind: Kind) -> Notification:
        events = tuple(self._events())
        focuses = [_referred(_FOCUS, named) for named, _ in events]
        told = kind.tells_of_events
        # An answer of $events without events says that there were none.
        nameless = any(named is None for named, _ in events) or not events
        return Notification(
            kind,
            tuple(dict.fromkeys(focus for focus in focuses if focus)) if told else (),
            nameless if kind is Kind.EVENT else False,
            _referred(_SUBSCRIPTION, self._subscription()),
            self._total(),
            tuple(number for _, number in events if number is not None),
            self.one("status"),
        )

    def _events(self) -> Iterator[tuple[str | None, int | None]]:
        """The resource that each event is about, where the server says so, and its number."""
        for event in self.notificationEvent:
            yield event.focus.reference if event.focus else None, event.eventNumber
        for parameter in self.parameter:
            if parameter.name in ("notification-event", "notificationEvent"):
                parts = {part.name: part for part in reversed(parameter.part)}
                focus, number = parts.get("focus"), parts.get("event-number")
                number = number or parts.get("eventNumber")
                about = focus.valueReference if focus else None
                yield about.reference if about else None, number.count if number else None

    def _subscription(self) -> str | None:
        if self.subscription is not None:
            return self.subscription.reference
        named = (p.valueReference for p in self.parameter if p.name == "subscription")
        return next((reference.reference for reference in named if reference), None)

    def _total(self) -> int | None:
        if self.eventsSinceSubscriptionStart is not None:
            return self.eventsSinceSubscriptionStart
        names = ("events-since-subscription-start", "eventsSinceSubscriptionStart")
        return next((p.count for p in self.parameter if p.name in names), None)


class _Entry(BaseModel):
    resource: Resource = {}


class _Bundle(BaseModel):
    entry: list[_Entry] = []


class _Resource(BaseModel):
    resourceType: str  # noqa: N815
    id: str | None = None
