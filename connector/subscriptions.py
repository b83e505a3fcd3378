"""Our Subscription in the EHR: made, watched, and brought to life again.

By default it is FHIR R4's own, a rest-hook with search criteria, which servers have known
longest. Where the EHR has a topic for recordings, it is a topic subscription of the
Subscriptions R5 Backport IG, whose notifications are counted, so that a lost one is noticed.
Neither carries a patient's data: an R4 notification is empty, a topic's has ids alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from connector.event_numbers import EventNumbers
from connector.fhir import (
    BadAnswer,
    Conflict,
    FhirClient,
    Forbidden,
    NotFound,
    Resource,
    Unprocessable,
    VersionConflict,
    reference_to,
)
from connector.notifications import NotANotification, read_notification
from connector.trigger import TYPES, hint_of

log = logging.getLogger("somnoaudit")

CRITERIA = f"DocumentReference?type={TYPES}&status=current"
REASON = "somnoaudit audits new polysomnographies"

_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
# What is missed shows at the next heartbeat; each costs the EHR a request.
_HEARTBEAT_S = 60
# The hook answers in milliseconds; this is for the network between.
_HOOK_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of the EHR that tells of recordings.

    Attributes:
        url: its canonical address.
        criteria: a filter that it allows ("DocumentReference?type=…"); None takes all it has.
    """

    url: str
    criteria: str | None = None


def expected_authorization(secret: str) -> str:
    """The Authorization header of a notification that comes from our Subscription."""
    return f"Bearer {secret}"


def wanted_subscription(endpoint: str, secret: str, topic: Topic | None = None) -> Resource:
    """The Subscription as we ask for it."""
    header = [f"Authorization: {expected_authorization(secret)}"]
    asked: Resource = {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": REASON,
        "criteria": CRITERIA,
        "channel": {"type": "rest-hook", "endpoint": endpoint, "header": header},
    }
    if topic is None:
        return asked
    asked["meta"] = {"profile": [f"{_BACKPORT}/backport-subscription"]}
    asked["criteria"] = topic.url
    if topic.criteria is not None:
        asked["_criteria"] = {"extension": [_extension("filter-criteria", String=topic.criteria)]}
    asked["channel"] |= {
        "extension": [
            _extension("heartbeat-period", UnsignedInt=_HEARTBEAT_S),
            _extension("timeout", UnsignedInt=_HOOK_TIMEOUT_S),
        ],
        "payload": "application/fhir+json",
        "_payload": {"extension": [_extension("payload-content", Code="id-only")]},
    }
    return asked


def _extension(name: str, **value: object) -> Resource:
    ((kind, said),) = value.items()
    return {"url": f"{_BACKPORT}/backport-{name}", f"value{kind}": said}


def ensure_subscription(
    client: FhirClient, endpoint: str, secret: str, topic: Topic | None = None
) -> Resource:
    """The EHR's Subscription that notifies ``endpoint``: made, renewed, or left as it is.

    Raises:
        FhirError: the EHR does not take it.
    """
    wanted = wanted_subscription(endpoint, secret, topic)
    stored = next(client.search("Subscription", {"url": endpoint}), None)
    if stored is None:
        return client.create(wanted, {"url": endpoint})
    serves = stored.get("status") in ("requested", "active") and all(
        stored.get(element) == wanted.get(element)
        for element in ("criteria", "_criteria", "channel")
    )
    if serves:
        return stored
    meta = stored.get("meta")
    meta = (meta if isinstance(meta, dict) else {}) | wanted.get("meta", {})
    return client.update(wanted | {"id": stored["id"], "meta": meta})


class OurSubscription:
    """Kept alive for as long as the service runs.

    Args:
        client: of the EHR.
        endpoint: where notifications are to go.
        secret: that they bring.
        topic: of the EHR; None for R4's own criteria.
        numbers: of the events that the hook has heard.
        take_hint: told where to look when the EHR has counted more.
    """

    def __init__(
        self,
        client: FhirClient,
        endpoint: str,
        secret: str,
        topic: Topic | None,
        numbers: EventNumbers,
        take_hint: Callable[[str], None],
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._secret = secret
        self._topic = topic
        self._numbers = numbers
        self._take_hint = take_hint
        self._reference: str | None = None
        self._counts = True

    def ensure(self) -> None:
        """Makes or renews it. An EHR that takes none is swept alone.

        Raises:
            FhirError: the EHR cannot be asked.
        """
        try:
            stored = ensure_subscription(self._client, self._endpoint, self._secret, self._topic)
        except (Unprocessable, Forbidden, NotFound) as refusal:
            log.warning("no notifications will come, new studies wait for a sweep: %s", refusal)
            return
        except (VersionConflict, Conflict):  # it has just changed: it is looked at again
            return
        self._reference = reference_to(stored)

    def check(self) -> None:
        """Brings it to life again where the EHR has ended it, and compares the count.

        Raises:
            FhirError: the EHR cannot be asked.
        """
        if self._reference is None:
            self.ensure()
            return
        try:
            stored = self._client.read(*self._reference.split("/"))
        except NotFound:
            stored = {}
        # The rest was compared when it was made: some servers show no header again.
        if stored.get("status") not in ("requested", "active"):
            log.warning("the EHR has ended %s; it is asked for again", self._reference)
            self.ensure()
        elif self._topic is not None and self._counts:
            self._compare(self._reference)

    def _compare(self, reference: str) -> None:
        try:
            status = read_notification(self._client.operation(f"{reference}/$status", {}))
        except (Unprocessable, NotFound, BadAnswer, NotANotification):
            self._counts = False  # $status is missing here: heartbeats and sweeps remain
            return
        missed = self._numbers.missed_before(status)
        if missed is not None:
            self._take_hint(hint_of(missed))
        self._numbers.note(status)
