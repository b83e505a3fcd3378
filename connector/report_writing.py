"""The resources of one report on their way into the EHR, one of each in the end.

Each is created on the condition that its identifier is not there yet. Two can come of one all the
same: some servers do not hold the condition against a second writer at the same moment; and where
an answer is lost of a request that was carried out, while the server's index lags behind, neither
a search nor the condition finds what was stored. So at the end this waits until the index shows
what was stored last, and with it what was stored before. Of two reports the older one counts for
every writer, and the younger one is taken back with its parts.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import stamina

from connector import codes
from connector.fhir import (
    BadAnswer,
    Conflict,
    FhirClient,
    FhirError,
    NotFound,
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
from connector.report import DEVICE, REPORT, Entry

# So many identifiers of some 120 characters each make an address that every server takes.
_LOOKED_UP_AT_ONCE = 20

# A second writer takes its report back within a request or two.
_RACE_OVER_WITHIN = 5

# Chosen, not measured: servers whose index lags call it a matter of seconds.
_SHOWN_WITHIN_S = 30.0

_WITHDRAWN = "entered-in-error"

log = logging.getLogger("somnoaudit")


class _SeveralStored(BadAnswer):
    remedy = "let the server's administrator keep the oldest alone"


class _NotShownYet(Exception):
    """A search does not find what is there."""


class ReportWriting:
    """Brings the resources of one report into an EHR, and takes them back.

    Args:
        client: of the EHR.
        entries: the report's resources, each after those it refers to.

    Attributes:
        stored: the reference of each resource that the EHR has, by full URL.
    """

    def __init__(self, client: FhirClient, entries: Sequence[Entry]) -> None:
        self.stored: dict[str, str] = {}
        self._found: dict[str, Resource] = {}
        self._taken_back: set[str] = set()
        self._client = client
        self._entries = entries
        self._urls = frozenset(entry.full_url for entry in entries)

    @property
    def is_complete(self) -> bool:
        return not self._missing()

    def _missing(self) -> list[Entry]:
        return [entry for entry in self._entries if entry.full_url not in self.stored]

    # ── what is there ─────────────────────────────────────────────────────────────────────

    def look_up(self) -> None:
        """Finds what the EHR has by now, in as few searches as may be."""
        self.stored.clear()
        self._found.clear()
        for resource_type in self._types():
            self._look_up(resource_type)

    def _types(self) -> list[str]:
        return list(dict.fromkeys(entry.resource["resourceType"] for entry in self._entries))

    def _look_up(self, resource_type: str) -> None:
        for entry, found in self._searched(resource_type):
            if found:
                self._keep(entry, counting(entry.resource, found))

    def _searched(self, resource_type: str) -> Iterator[tuple[Entry, list[Resource]]]:
        """All that is found of each entry of a type, as far as it can be searched for by now."""
        entries = [e for e in self._entries if e.resource["resourceType"] == resource_type]
        for some in _in_lots([e for e in entries if self._stands_alone(e)], _LOOKED_UP_AT_ONCE):
            named = ",".join(entry.criteria["identifier"] for entry in some)
            found = self._search(resource_type, {"identifier": named})
            for entry in some:
                yield entry, [resource for resource in found if _has_identifier(resource, entry)]
        for entry in entries:
            criteria = self._resolved(entry.criteria)
            if not self._stands_alone(entry) and self._urls.isdisjoint(criteria.values()):
                found = self._search(resource_type, criteria)
                yield entry, [resource for resource in found if _has_activity(resource, entry)]

    def _search(self, resource_type: str, criteria: Mapping[str, str]) -> list[Resource]:
        """An index that lags behind finds for a while what was taken back."""
        found = self._client.search(resource_type, criteria)
        return [each for each in found if reference_to(each) not in self._taken_back]

    def _stands_alone(self, entry: Entry) -> bool:
        """Whether it can be searched for before any other is stored."""
        return self._urls.isdisjoint(entry.criteria.values())

    def _keep(self, entry: Entry, stored: Resource) -> None:
        """Counts as stored, unless it is yet to be set right."""
        self._found[entry.full_url] = stored
        if not self._is_unfit(stored):
            self.stored[entry.full_url] = reference_to(stored)

    def _is_unfit(self, stored: Resource) -> bool:
        """A batch leaves references that lead nowhere; a failure, what could not be deleted."""
        text = json.dumps(stored)
        return stored.get("status") == _WITHDRAWN or any(url in text for url in self._urls)

    # ── at once ───────────────────────────────────────────────────────────────────────────

    def write_at_once(self) -> None:
        """Stores in a transaction what it can; leaves it where the server will not have it so."""
        missing = [entry for entry in self._missing() if self._stands_alone(entry)]
        if not missing:
            return
        answered = list(zip(missing, self._sent_at_once(missing), strict=False))
        self.look_up()
        # An index that lags behind does not find what the answer names.
        for entry, result in answered:
            reference = _reference_of(entry, result)
            if reference is not None and entry.full_url not in self._found:
                self._keep(entry, self._client.read(*reference.split("/")))

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

    # ── one by one ────────────────────────────────────────────────────────────────────────

    def write_one_by_one(self) -> None:
        """Stores what is missing, and sets right what is unfit."""
        for entry in self._missing():
            resource = self._resolved(entry.resource)
            stored = self._found.get(entry.full_url)
            if stored is None:
                stored = created_once(self._client, resource, self._resolved(entry.criteria))
            if self._is_unfit(stored):
                kept = {"id": stored["id"], "meta": stored.get("meta", {})}
                stored = self._client.update(resource | kept)
            self.stored[entry.full_url] = reference_to(stored)

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

    # ── one of each ───────────────────────────────────────────────────────────────────────

    def settle(self) -> None:
        """Leaves one report and one of each of its parts, where more were stored.

        Raises:
            BadAnswer: the server does not let go of the others, or others have changed them.
        """
        on = (_SeveralStored, NotFound)
        for attempt in stamina.retry_context(on, attempts=_RACE_OVER_WITHIN):
            with attempt:
                if attempt.num > 1:
                    self.look_up()
                    self.write_one_by_one()
                self._take_back_surplus()

    def _take_back_surplus(self) -> None:
        """
        Raises:
            BadAnswer: there was some, and what may be missing without it is to be stored.
            NotFound: another writer takes back what this one has stored.
        """
        found = self._shown()
        report = report_of(self._entries)
        if not found.get(report.full_url):
            return
        counts = counting(report.resource, found[report.full_url])
        surplus = [
            (entry, resource)
            for entry in reversed(self._entries)
            for resource in _surplus(entry, found.get(entry.full_url, ()), counts)
        ]
        for entry, resource in surplus:
            if resource.get("status") == entry.resource.get("status"):
                self._take_back(reference_to(resource))
        if surplus:
            entry, _ = surplus[-1]
            request = f"GET {entry.resource['resourceType']}"
            raise _SeveralStored(
                self._client.server, request, f"finds several for the {entry.role} of one study"
            )

    def _shown(self) -> dict[str, list[Resource]]:
        """What is found of each entry, once that is true of what was stored last of each type."""
        newest = {e.resource["resourceType"]: self.stored[e.full_url] for e in self._entries}
        found: dict[str, list[Resource]] = {}
        try:
            for attempt in stamina.retry_context(
                _NotShownYet, attempts=None, timeout=_SHOWN_WITHIN_S
            ):
                with attempt:
                    found = {
                        entry.full_url: [r for r in same if r.get("status") != _WITHDRAWN]
                        for resource_type in newest
                        for entry, same in self._searched(resource_type)
                    }
                    shown = {reference_to(each) for same in found.values() for each in same}
                    if hidden := set(newest.values()) - shown:
                        for reference in hidden:
                            self._client.read(*reference.split("/"))
                        raise _NotShownYet
        except _NotShownYet:
            log.warning(
                "FHIR server %s: searches do not find what was stored %.0f s ago",
                self._client.server,
                _SHOWN_WITHIN_S,
            )
        return found

    # ── taken back ────────────────────────────────────────────────────────────────────────

    def withdraw(self) -> None:
        """Takes back a part of a report; a whole one, or one under review, stays.

        What cannot be found is left: the server may fail in one kind of search alone.
        """
        for resource_type in self._types():
            with _left_where_refused():
                self._look_up(resource_type)
        there = [entry for entry in self._entries if entry.full_url in self._found]
        if self.is_complete or not all(self._is_untouched(entry) for entry in there):
            return
        for entry in reversed(there):
            if entry.role != DEVICE:  # which is many studies'
                self._take_back(reference_to(self._found[entry.full_url]))

    def _is_untouched(self, entry: Entry) -> bool:
        status = self._found[entry.full_url].get("status")
        return status in (entry.resource.get("status"), _WITHDRAWN)

    def _take_back(self, reference: str) -> None:
        if taken_back(self._client, reference):
            self._taken_back.add(reference)


def report_of(entries: Sequence[Entry]) -> Entry:
    """The DiagnosticReport among a report's resources."""
    return next(entry for entry in entries if entry.role == REPORT)


def created_once(client: FhirClient, resource: Resource, criteria: Mapping[str, str]) -> Resource:
    """The one resource that matches, created if there is none.

    Raises:
        FhirError: the server did not answer as it must.
    """
    resource_type = resource["resourceType"]
    # Searched before and after: some servers ignore the condition of a conditional create, and
    # some do not hold it against a second writer.
    if found := list(client.search(resource_type, criteria)):
        return counting(resource, found)
    try:
        mine, is_new = client.created(resource, if_none_exist=criteria)
    except (SeveralMatch, Conflict):
        if found := list(client.search(resource_type, criteria)):
            return counting(resource, found)
        raise
    if not is_new:
        return mine
    counts = counting(resource, list(client.search(resource_type, criteria)) or [mine])
    if counts["id"] != mine["id"]:
        taken_back(client, reference_to(mine))
    return counts


def counting(written: Resource, found: Sequence[Resource]) -> Resource:
    """Which of several counts, for every writer the same: one under review, else the oldest."""

    def order(stored: Resource) -> tuple[bool, bool, str, str]:
        status = stored.get("status")
        age = stored.get("meta", {}).get("lastUpdated", "")
        return status == _WITHDRAWN, status == written.get("status"), age, stored["id"]

    return min(found, key=order)


def taken_back(client: FhirClient, reference: str) -> bool:
    """Deletes what this program stored and does not need, or else marks it as stored in error.

    Returns:
        Whether the server took that.
    """
    resource_type, _, resource_id = reference.partition("/")
    with _left_where_refused():
        client.delete(resource_type, resource_id)
        return True
    with _left_where_refused():
        stored = client.read(resource_type, resource_id)
        if "status" in stored:
            client.amend(stored, lambda found: changes(found, {"status": _WITHDRAWN}))
            return True
    return False


def changes(stored: Resource, wanted: Mapping[str, Any]) -> Operations:
    """The JSON Patch that gives a resource these elements; nothing for those it has."""
    return [
        {"op": "replace" if name in stored else "add", "path": f"/{name}", "value": value}
        for name, value in wanted.items()
        if stored.get(name) != value
    ]


@contextmanager
def _left_where_refused() -> Iterator[None]:
    """Goes on where the server refuses a part of the clearing up, and says so."""
    try:
        yield
    except FhirError as error:
        log.warning("clearing up: %s: %s", error.request, error.problem)


def _surplus(entry: Entry, found: Sequence[Resource], report: Resource) -> Iterator[Resource]:
    """What is found of an entry beside the one that belongs to the report which counts."""
    if entry.role == DEVICE:  # which is many studies'
        return
    own = [each for each in found if _belongs(each, report)]
    if not own and entry.resource["resourceType"] == "Observation":
        return
    kept = counting(entry.resource, own) if own else None
    yield from (each for each in found if each is not kept)


def _belongs(resource: Resource, report: Resource) -> bool:
    """Whether it is this report, a part of it, or about it."""
    return resource["id"] == report["id"] or any(
        re.search(rf'[/"]{re.escape(reference_to(named))}[/"]', json.dumps(names))
        for named, names in ((resource, report), (report, resource))
    )


def _in_lots(entries: Sequence[Entry], size: int) -> Iterator[Sequence[Entry]]:
    return (entries[i : i + size] for i in range(0, len(entries), size))


def _has_identifier(resource: Resource, entry: Entry) -> bool:
    _, _, value = entry.criteria["identifier"].partition("|")
    identifiers = resource.get("identifier", [])
    return {"system": codes.IDENTIFIERS, "value": value} in [
        {"system": each.get("system"), "value": each.get("value")} for each in identifiers
    ]


def _has_activity(resource: Resource, entry: Entry) -> bool:
    """Whether a Provenance tells of the same as ours: that of a signature has our target too."""
    ours, its = (
        [coding.get("code") for coding in each.get("activity", {}).get("coding", [])]
        for each in (entry.resource, resource)
    )
    return ours == its


def _reference_of(entry: Entry, result: Resource) -> str | None:
    """Where an entry of a transaction is stored, by the response to it: "201 Created", say."""
    response = result.get("response", {})
    if not str(response.get("status", "")).startswith("2"):
        return None
    return reference_in(str(response.get("location", "")), entry.resource["resourceType"])
