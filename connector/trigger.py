"""What a hint means: the polysomnographies in the EHR that it leads to.

A hint is text, for it waits in the queue: references with commas between, such as
"DocumentReference/12,ServiceRequest/3"; a patient; or a topic subscription's events that were
not heard of. However often and by whatever way a study is named, its id is the same, and only
the first time counts.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session, sessionmaker

from connector import study
from connector.codes import POLYSOMNOGRAPHY_ORDER
from connector.event_numbers import Missed
from connector.fhir import (
    BadAnswer,
    FhirClient,
    FhirError,
    NotFound,
    Resource,
    ServerDown,
    Throttled,
    Unprocessable,
    reference_to,
)
from connector.notifications import NotANotification, read_notification
from connector.stored import Clock
from connector.study import StudyOrder
from connector.tables import MarkRow
from connector.workflow import NamedStudy

log = logging.getLogger("somnoaudit")

TYPES = ",".join(f"{system}|{code}" for system, code in POLYSOMNOGRAPHY_ORDER)

# How far back something new is taken to reach where nothing says since when. An EHR gives up on
# a service that does not answer for longer, and then sends nothing at all.
_LOOK_BACK = timedelta(days=1)

# Servers stamp a resource before it can be found: a long transaction's appears later than what
# came after it.
_OVERLAP = timedelta(hours=1)

# An address stays below 2,000 characters, which every proxy takes.
_NAMED_AT_ONCE = 20
_EVENTS = re.compile(r"(Subscription/[A-Za-z0-9.\-]{1,64})/\$events\?(\d+)-(\d+)")


def hint_of(missed: Missed) -> str:
    """Events that were not heard of, as a hint."""
    return f"{missed.subscription}/$events?{missed.first}-{missed.last}"


def find_studies(client: FhirClient, hint: str | None, now: datetime) -> list[NamedStudy]:
    """The polysomnographies that a hint leads to; without a hint, those of the last day.

    Raises:
        FhirError: the EHR did not answer as it must.
    """
    if hint is None:
        return list(_named(study.studies_among(client, new_documents(client, now - _LOOK_BACK))))
    named: dict[str, None] = {}
    for part in hint.split(","):
        events = _EVENTS.fullmatch(part)
        if events is None:
            named[part] = None
            continue
        told = _told_again(client, *events.groups())
        if told is None:
            return find_studies(client, None, now)
        named |= dict.fromkeys(told)
    return list(_named(_among(client, tuple(named))))


def _among(client: FhirClient, references: tuple[str, ...]) -> Iterator[StudyOrder]:
    documents = [each for each in references if each.startswith("DocumentReference/")]
    for first in range(0, len(documents), _NAMED_AT_ONCE):
        ids = (each.partition("/")[2] for each in documents[first : first + _NAMED_AT_ONCE])
        found = client.search("DocumentReference", {"_id": ",".join(ids)})
        yield from study.studies_among(client, found)
    for reference in references:
        if reference.startswith("ServiceRequest/"):
            yield from study.find_studies(client, reference)
        elif reference.startswith("Patient/"):
            criteria = {"patient": reference, "type": TYPES, "status": "current"}
            yield from study.studies_among(client, client.search("DocumentReference", criteria))


def _named(orders: Iterable[StudyOrder]) -> Iterator[NamedStudy]:
    for order in orders:
        yield NamedStudy(study_id=order.id, source=order.document, priority=order.priority)


def _told_again(
    client: FhirClient, subscription: str, first: str, last: str
) -> tuple[str, ...] | None:
    """What a topic's events were about; None where the server does not tell them all again."""
    range_asked = {"eventsSinceNumber": first, "eventsUntilNumber": last}
    try:
        answer = client.operation(f"{subscription}/$events", range_asked)
        told = read_notification(answer)
    except (Unprocessable, NotFound, BadAnswer, NotANotification):  # $events is optional
        return None
    asked_for = range(int(first), int(last) + 1)
    missing = len(asked_for) != len(set(told.numbers) & set(asked_for))
    return None if missing else told.focuses


def new_documents(client: FhirClient, since: datetime) -> Iterator[Resource]:
    """The recordings of polysomnographies that were stored or changed since.

    Of a server that cannot search by that time, all are looked through.

    Raises:
        FhirError: the EHR did not answer as it must.
    """
    criteria = {"type": TYPES, "status": "current"}
    told_since = {**criteria, "_lastUpdated": f"ge{since.isoformat(timespec='seconds')}"}
    try:
        yield from client.search("DocumentReference", told_since)
    except Unprocessable:
        for document in client.search("DocumentReference", criteria):
            stored = _stored_at(document)
            if stored is None or stored >= since:
                yield document


class Sweep:
    """Finds what has come into the EHR since the last time; whatever else failed, this does not.

    How far it has come is kept, by the EHR's own clock where its resources say when they were
    stored, so that neither a restart nor a clock that is off leaves a gap. Each sweep reaches
    back before that; what the one before has looked at is not looked at again.

    Args:
        client: of the EHR.
        sessions: of the database where the mark is kept.
        clock: where the EHR does not say when.
    """

    _MARK = "documents"

    def __init__(self, client: FhirClient, sessions: sessionmaker[Session], clock: Clock) -> None:
        self._client = client
        self._sessions = sessions
        self._clock = clock
        self._looked_at: frozenset[tuple[str, str]] = frozenset()

    def __call__(self) -> list[NamedStudy]:
        """The studies that are new, or may be.

        Raises:
            FhirError: the EHR did not answer as it must; the next sweep begins where this did.
        """
        now = self._clock()
        mark = self._mark()
        since = mark - _OVERLAP if mark else now - _LOOK_BACK
        found: list[NamedStudy] = []
        looked_at: set[tuple[str, str]] = set()
        latest, unresolved = mark or since, now
        for document in new_documents(self._client, since):
            stored = _stored_at(document) or now
            version = (reference_to(document), _version(document))
            if version not in self._looked_at:
                try:
                    found += _named(study.studies_among(self._client, [document]))
                except (ServerDown, Throttled):
                    raise
                except FhirError as error:  # of this one alone: the others are not kept waiting
                    log.warning("%s is looked at again later: %s", version[0], error)
                    unresolved = min(unresolved, stored)
                    continue
            looked_at.add(version)
            latest = max(latest, stored)
        # Never beyond now: a resource stamped with next year would hide all before it.
        self._set_mark(min(latest, unresolved))
        self._looked_at = frozenset(looked_at)
        return found

    def _mark(self) -> datetime | None:
        with self._sessions() as session:
            row = session.get(MarkRow, self._MARK)
            return row.moment if row else None

    def _set_mark(self, moment: datetime) -> None:
        with self._sessions.begin() as session:
            session.merge(MarkRow(name=self._MARK, moment=moment))


def _meta(document: Resource) -> Resource:
    meta = document.get("meta")
    return meta if isinstance(meta, dict) else {}


def _stored_at(document: Resource) -> datetime | None:
    try:
        stored = datetime.fromisoformat(str(_meta(document).get("lastUpdated")))
        return stored.astimezone(UTC) if stored.tzinfo else None
    except (ValueError, OverflowError):  # the latter in the year 1
        return None


def _version(document: Resource) -> str:
    meta = _meta(document)
    return f"{meta.get('versionId')} {meta.get('lastUpdated')}"
