"""How a report comes into the EHR exactly once, or a failure is told there in its place.

One transaction where the server has them: all of it or nothing. Where a server has none, takes
only short ones, or carries them out as a batch, the resources go one by one in their order, the
report after all that it consists of. Either way each is created on the condition that its
identifier is not there yet, and what the server then holds is read again: cut short at any point
and run again, it ends with one of each, and a report is never seen without its Observations.

Some servers do not hold the condition against a second writer at the same moment. Both then find
two; the older one counts for both, and the writer of the younger one takes it back.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import stamina

from connector import codes
from connector.fhir import (
    BadAnswer,
    Conflict,
    FhirClient,
    FhirError,
    NoTransaction,
    Operations,
    Resource,
    SeveralMatch,
    Throttled,
    Unauthorized,
    query_of,
    reference_in,
    reference_to,
)
from connector.report import DEVICE, FAILURE, REPORT, Entry, build_failure

# So many identifiers of some 120 characters each make an address that every server takes.
_LOOKED_UP_AT_ONCE = 20

# A second writer takes its report back within a request or two.
_RACE_OVER_WITHIN = 5

_WITHDRAWN = "entered-in-error"
_CREATED = 201

log = logging.getLogger("somnoaudit")


def write_report(client: FhirClient, entries: Sequence[Entry]) -> dict[str, str]:
    """Stores what is not yet stored; returns each role's reference ("DiagnosticReport/9").

    What is stored already is left as it is, for it may have been reviewed since. A Task that
    told of an earlier failure is closed.

    Raises:
        FhirError: the EHR did not answer as it must; BadAnswer also where it holds several
            reports of this study.
    """
    writing = _Writing(client, entries)
    writing.look_up()
    if not writing.is_complete and client.takes_transactions:
        writing.write_at_once()
    writing.write_one_by_one()
    (report,) = (entry for entry in entries if entry.role == REPORT)
    _check_that_it_is_the_only_one(client, report, writing.stored[report.full_url])
    _close_failure(client, report)
    return {entry.role: writing.stored[entry.full_url] for entry in entries}


def write_failure(
    client: FhirClient,
    study_id: str,
    source: str,
    reason: str,
    now: datetime,
    entries: Sequence[Entry] = (),
) -> str:
    """Leaves a Task of status ``failed`` in place of a report, and no part of a report.

    Args:
        client: of the EHR.
        study_id: as in :class:`connector.study.StudyOrder`.
        source: "DocumentReference/12".
        reason: a sentence for a reader, without a patient's data.
        now: of the failure, with its time zone.
        entries: of the report, where it was built.

    Returns:
        "Task/9".

    Raises:
        FhirError: the EHR did not answer as it must.
    """
    if entries:
        _Writing(client, entries).withdraw()
    task = build_failure(study_id, source, _patient_of(client, source), reason, now)
    stored, _ = _created_once(client, task.resource, task.criteria)

    def failed_for_this(stored: Resource) -> Operations:
        said = {name: task.resource[name] for name in ("status", "statusReason")}
        return _changes(stored, said)

    return reference_to(client.amend(stored, failed_for_this))


# ── a report's resources ──────────────────────────────────────────────────────────────────


class _Writing:
    """The resources of one report on their way.

    Attributes:
        stored: the reference of each resource that the EHR has, by full URL.
    """

    def __init__(self, client: FhirClient, entries: Sequence[Entry]) -> None:
        self.stored: dict[str, str] = {}
        self._found: dict[str, Resource] = {}
        self._client = client
        self._entries = entries
        self._urls = frozenset(entry.full_url for entry in entries)

    @property
    def is_complete(self) -> bool:
        return not self._missing()

    def _missing(self) -> list[Entry]:
        return [entry for entry in self._entries if entry.full_url not in self.stored]

    def look_up(self) -> None:
        """Finds what the EHR has by now, in as few searches as may be."""
        self.stored.clear()
        self._found.clear()
        for resource_type in self._types():
            self._look_up(resource_type)

    def _types(self) -> list[str]:
        return list(dict.fromkeys(entry.resource["resourceType"] for entry in self._entries))

    def _look_up(self, resource_type: str) -> None:
        entries = [
            entry
            for entry in self._entries
            if entry.resource["resourceType"] == resource_type and self._stands_alone(entry)
        ]
        for some in _in_lots(entries, _LOOKED_UP_AT_ONCE):
            named = ",".join(entry.criteria["identifier"] for entry in some)
            found = list(self._client.search(resource_type, {"identifier": named}))
            for entry in some:
                if same := [r for r in found if _has_identifier(r, entry)]:
                    self._keep(entry, _counting(entry.resource, same))

    def _stands_alone(self, entry: Entry) -> bool:
        """Whether it can be searched for before any other is stored."""
        return self._urls.isdisjoint(entry.criteria.values())

    def _keep(self, entry: Entry, stored: Resource) -> None:
        """Counts as stored, unless a batch has left references in it that lead nowhere."""
        self._found[entry.full_url] = stored
        if not _mentions(stored, self._urls):
            self.stored[entry.full_url] = reference_to(stored)

    # ── at once ───────────────────────────────────────────────────────────────────────────

    def write_at_once(self) -> None:
        """Stores in a transaction what it can; leaves it where the server will not have it so."""
        missing = [entry for entry in self._missing() if self._stands_alone(entry)]
        if not missing:
            return
        answered = [
            (entry, reference, _status(result))
            for entry, result in zip(missing, self._sent_at_once(missing), strict=False)
            if (reference := _reference_of(entry, result)) is not None
        ]
        self.look_up()
        # An index that lags behind does not find what the answer names.
        for entry, reference, _ in answered:
            if entry.full_url not in self._found:
                self._keep(entry, self._client.read(*reference.split("/")))
        self._give_way([(entry, mine) for entry, mine, status in answered if status == _CREATED])

    def _sent_at_once(self, entries: Sequence[Entry]) -> Sequence[Resource]:
        """What is answered to each entry; nothing where the server will not have them so."""
        try:
            return self._client.transaction([self._request_for(entry) for entry in entries])
        except (Throttled, Unauthorized):
            raise
        except FhirError as error:
            # Not only a refusal: what takes too long at once ends in a gateway's 504.
            log.info("%s; the resources go one by one", error.problem)
            return error.results if isinstance(error, NoTransaction) else ()

    def _request_for(self, entry: Entry) -> Resource:
        return {
            "fullUrl": entry.full_url,
            "resource": self._resolved(entry.resource),
            "request": {
                "method": "POST",
                "url": entry.resource["resourceType"],
                "ifNoneExist": query_of(entry.criteria),
            },
        }

    def _give_way(self, created: Sequence[tuple[Entry, str]]) -> None:
        """Takes back what a transaction created beside the older report of another writer."""
        reports = (
            (reference_to(self._found[e.full_url]), mine) for e, mine in created if e.role == REPORT
        )
        if all(counts == mine for counts, mine in reports):
            return
        self._take_back_unless_reported(created)
        self.look_up()

    def _take_back_unless_reported(self, created: Sequence[tuple[Entry, str]]) -> None:
        report = next(e for e in self._entries if e.role == REPORT)
        named = json.dumps(self._found.get(report.full_url, {}))
        for entry, mine in reversed(created):
            # A Device is many studies': another one may refer to it by now.
            if entry.role != DEVICE and f'"{mine}"' not in named:
                _take_back(self._client, mine)

    def withdraw(self) -> None:
        """Takes back a part of a report; a whole one, or one under review, stays.

        What cannot be found is left: the server may fail in one kind of search alone.
        """
        for resource_type in self._types():
            with _left_where_refused():
                self._look_up(resource_type)
        for entry in self._missing():
            criteria = self._resolved(entry.criteria)
            if not self._stands_alone(entry) and self._urls.isdisjoint(criteria.values()):
                with _left_where_refused():
                    for stored in self._client.search(entry.resource["resourceType"], criteria):
                        self._keep(entry, stored)
        untouched = all(
            self._found[entry.full_url].get("status") == entry.resource.get("status")
            for entry in self._entries
            if entry.full_url in self._found
        )
        if self.is_complete or not untouched:
            return
        for entry in reversed(self._entries):
            if entry.role != DEVICE and entry.full_url in self._found:
                _take_back(self._client, reference_to(self._found[entry.full_url]))

    # ── one by one ────────────────────────────────────────────────────────────────────────

    def write_one_by_one(self) -> None:
        created = []
        for entry in self._missing():
            criteria = self._resolved(entry.criteria)
            resource = self._resolved(entry.resource)
            if (found := self._found.get(entry.full_url)) is not None:
                stored, is_new = found, False
            else:
                stored, is_new = _created_once(self._client, resource, criteria)
            if _mentions(stored, self._urls):
                kept = {"id": stored["id"], "meta": stored.get("meta", {})}
                stored = self._client.update(resource | kept)
            self.stored[entry.full_url] = reference_to(stored)
            if is_new:
                created.append((entry, reference_to(stored)))
            elif entry.role == REPORT:
                # Another writer's, or a transaction's whose answer was lost: it has its own.
                self._found[entry.full_url] = stored
                self._take_back_unless_reported(created)

    def _resolved(self, value: Any) -> Any:
        """The same with the references of what is stored in place of their full URLs."""
        match value:
            case dict():
                return {name: self._resolved(element) for name, element in value.items()}
            case list():
                return [self._resolved(element) for element in value]
            case str():
                return self.stored.get(value, value)
            case _:
                return value


def _created_once(
    client: FhirClient, resource: Resource, criteria: Mapping[str, str]
) -> tuple[Resource, bool]:
    """The one resource that matches, created if there is none; and whether it was."""
    resource_type = resource["resourceType"]
    # Searched before and after: some servers ignore the condition of a conditional create, and
    # some do not hold it against a second writer.
    if found := list(client.search(resource_type, criteria)):
        return _counting(resource, found), False
    try:
        mine, is_new = client.created(resource, if_none_exist=criteria)
    except (SeveralMatch, Conflict):
        if found := list(client.search(resource_type, criteria)):
            return _counting(resource, found), False
        raise
    if not is_new:
        return mine, False
    counts = _counting(resource, list(client.search(resource_type, criteria)) or [mine])
    if counts["id"] != mine["id"]:
        _take_back(client, reference_to(mine))
    return counts, counts["id"] == mine["id"]


def _counting(written: Resource, found: Sequence[Resource]) -> Resource:
    """Which of several counts, for every writer the same: one under review, else the oldest."""

    def order(stored: Resource) -> tuple[bool, bool, str, str]:
        status = stored.get("status")
        age = stored.get("meta", {}).get("lastUpdated", "")
        return status == _WITHDRAWN, status == written.get("status"), age, stored["id"]

    return min(found, key=order)


def _take_back(client: FhirClient, reference: str) -> None:
    """Deletes what this program stored and does not need; else marks it as stored in error."""
    resource_type, _, resource_id = reference.partition("/")
    with _left_where_refused():
        client.delete(resource_type, resource_id)
        return
    with _left_where_refused():
        stored = client.read(resource_type, resource_id)
        if "status" in stored:
            client.amend(stored, lambda found: _changes(found, {"status": _WITHDRAWN}))


@contextmanager
def _left_where_refused() -> Iterator[None]:
    """Goes on where the server refuses a part of the clearing up, and says so."""
    try:
        yield
    except FhirError as error:
        log.warning("clearing up: %s: %s", error.request, error.problem)


# ── afterwards ────────────────────────────────────────────────────────────────────────────


class _SeveralReports(BadAnswer):
    remedy = "let the server's administrator keep the oldest alone"


def _check_that_it_is_the_only_one(client: FhirClient, entry: Entry, reference: str) -> None:
    for attempt in stamina.retry_context(on=_SeveralReports, attempts=_RACE_OVER_WITHIN):
        with attempt:
            found = [
                report
                for report in client.search("DiagnosticReport", entry.criteria)
                if report.get("status") != _WITHDRAWN
            ]
            if len(found) > 1:
                problem = f"holds {len(found)} of the study's identifier where one was created"
                raise _SeveralReports(client.server, "POST DiagnosticReport", problem)
    # What a search does not find may still be on its way into the index.
    client.read(*reference.split("/"))


def _close_failure(client: FhirClient, report: Entry) -> None:
    """A study that failed and was reported after all needs nobody's attention."""
    named = report.criteria["identifier"].removesuffix(REPORT) + FAILURE
    closed = {"status": "completed", "statusReason": {"text": "Tried again, and reported."}}
    for task in client.search("Task", {"identifier": named}):
        if task.get("status") == "failed":
            client.amend(task, lambda found: _changes(found, closed))


def _patient_of(client: FhirClient, source: str) -> str | None:
    """The patient of the document, where the EHR says so: a work list may be by patient."""
    try:
        document = client.read(*source.split("/"))
    except FhirError:
        return None
    subject = document.get("subject")
    reference = subject.get("reference") if isinstance(subject, dict) else None
    if not isinstance(reference, str):
        return None
    relative = reference.removeprefix(f"{client.base_url}/")
    return relative if relative == reference_in(relative, "Patient") else None


# ── small things ──────────────────────────────────────────────────────────────────────────


def _changes(stored: Resource, wanted: Mapping[str, Any]) -> Operations:
    """The JSON Patch that gives a resource these elements; nothing for those it has."""
    return [
        {"op": "replace" if name in stored else "add", "path": f"/{name}", "value": value}
        for name, value in wanted.items()
        if stored.get(name) != value
    ]


def _in_lots(entries: Sequence[Entry], size: int) -> Iterator[Sequence[Entry]]:
    return (entries[i : i + size] for i in range(0, len(entries), size))


def _has_identifier(resource: Resource, entry: Entry) -> bool:
    _, _, value = entry.criteria["identifier"].partition("|")
    identifiers = resource.get("identifier", [])
    return {"system": codes.IDENTIFIERS, "value": value} in [
        {"system": each.get("system"), "value": each.get("value")} for each in identifiers
    ]


def _mentions(resource: Resource, urls: frozenset[str]) -> bool:
    text = json.dumps(resource)
    return any(url in text for url in urls)


def _status(result: Resource) -> int:
    """Of an entry of a transaction's response: "201 Created" is 201; 0 where it says none."""
    number = str(result.get("response", {}).get("status", "")).partition(" ")[0]
    return int(number) if number.isdigit() else 0


def _reference_of(entry: Entry, result: Resource) -> str | None:
    resource_type = entry.resource["resourceType"]
    if not 200 <= _status(result) < 300:
        return None
    location = str(result.get("response", {}).get("location", ""))
    return reference_in(location, resource_type)
