"""A thin FHIR R4 client: the REST interactions that somnoaudit needs, each safe to repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self, TypeAlias

import httpx
from pydantic import ValidationError

from connector.fhir.attachments import Attachments
from connector.fhir.bundles import (
    CapabilityStatement,
    Page,
    Resource,
    is_identified,
    reference_in,
    reference_to,
)
from connector.fhir.errors import (
    BadAnswer,
    Conflict,
    FhirError,
    NotFound,
    NoTransaction,
    VersionConflict,
)
from connector.fhir.foreign import NO_HOSTS, ForeignHosts
from connector.fhir.wire import Hooks, Wire, json_object

Criteria: TypeAlias = Mapping[str, str | Sequence[str]]
Operations: TypeAlias = Sequence[Mapping[str, Any]]

# A search that goes on for longer is not one of ours; a circle may have ever new addresses.
_MOST_PAGES = 300

# Others write as well: who loses the race this often in a row meets no chance but a fault.
_AMENDED_WITHIN = 5


class FhirClient:
    """Speaks to one FHIR server.

    Failed connections and the answers 408, 429 and 5xx are met with retries, as long as
    repeating the request cannot do its work twice.

    Args:
        base_url: the server's base, ``https://ehr.example.org/fhir``.
        auth: adds credentials to each request; None for a server that asks for none.
        foreign: other hosts from which attachments are taken, without credentials.
        largest_attachment: bytes of an attachment that does not say its size.
        hooks: see each request to this server before it goes out, and each answer.

    Raises:
        UsageError: the base is not an http or https address, or holds a password.
    """

    def __init__(
        self,
        base_url: str,
        auth: httpx.Auth | None = None,
        foreign: ForeignHosts = NO_HOSTS,
        largest_attachment: int = 4 << 30,
        hooks: Hooks | None = None,
    ) -> None:
        self._wire = Wire(base_url, auth, hooks)
        self._attachments = Attachments(self._wire, foreign, largest_attachment)
        self._takes_transactions: bool | None = None

    @property
    def base_url(self) -> str:
        """The server's base without a slash at its end."""
        return str(self._wire.base)

    @property
    def server(self) -> str:
        """Host and port, for messages."""
        return self._wire.server

    def close(self) -> None:
        self._attachments.close()
        self._wire.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ── reading ───────────────────────────────────────────────────────────────────────────

    def read(self, resource_type: str, resource_id: str) -> Resource:
        """The resource as it is stored now.

        Raises:
            NotFound: there is none, or it was deleted.
            FhirError: the server did not answer as it must.
        """
        request = f"GET {resource_type}"
        url = self._wire.url(f"{resource_type}/{resource_id}")
        response = self._wire.send(request, "GET", url)
        return self._identified(request, self._resource(request, response, resource_type))

    def search(self, resource_type: str, criteria: Criteria) -> Iterator[Resource]:
        """Every match once, page after page; pages are asked for as they are needed.

        Raises:
            BadAnswer: an answer is no searchset, or its ``next`` link leads to another server
                or in a circle.
            FhirError: the server did not answer as it must.
        """
        request = f"GET {resource_type}"
        # Without strict handling a server may ignore a parameter it does not know, and answer
        # with everything it has.
        headers = {"Prefer": "handling=strict"}
        url = self._wire.url(resource_type).copy_merge_params(_query(criteria))
        pages: set[httpx.URL] = set()
        # What is stored in mid-search moves matches from one page to the next.
        known: set[str] = set()
        while True:
            if url in pages or len(pages) == _MOST_PAGES:
                raise BadAnswer(self.server, request, "the pages of its answer form a circle")
            pages.add(url)
            page = self._page(request, self._wire.send(request, "GET", url, headers))
            for resource in page.matches:
                reference = reference_to(self._identified(request, resource))
                if reference not in known:
                    known.add(reference)
                    yield resource
            if page.next_url is None:
                return
            url = self._wire.own(request, page.next_url)

    def operation(self, path: str, parameters: Criteria) -> bytes:
        """What an operation that changes nothing answers, such as "Subscription/7/$status".

        Raises:
            FhirError: the server did not answer as it must.
        """
        resource_type, _, rest = path.partition("/")
        name = f"GET {resource_type}/{rest.rpartition('/')[2]}"
        url = self._wire.url(path).copy_merge_params(_query(parameters))
        return self._wire.send(name, "GET", url).content

    def _page(self, request: str, response: httpx.Response) -> Page:
        body = self._resource(request, response, "Bundle")
        try:
            page = Page.model_validate(body)
        except ValidationError:
            # The validation error quotes the answer, which holds a patient's data.
            raise BadAnswer(self.server, request, "answered with a broken Bundle") from None
        if page.type != "searchset":
            raise BadAnswer(self.server, request, "answered a search with no searchset")
        return page

    def download(
        self,
        url: str,
        path: Path,
        *,
        size: int | None = None,
        sha1_base64: str | None = None,
    ) -> None:
        """Streams an attachment to ``path``; only a whole and right file ever stands there.

        Both the raw bytes and a FHIR Binary in JSON are taken.

        Args:
            url: absolute, or relative to the server's base.
            path: its folder must exist.
            size: bytes, as ``Attachment.size``; not checked where None.
            sha1_base64: as ``Attachment.hash``; not checked where None.

        Raises:
            AddressRefused: it leads to a host, or to a network, that is not allowed.
            BadAnswer: the answer is no attachment, or size or hash differ.
            SettingsRefused: the disk is full.
            FhirError: the server did not answer as it must.
        """
        self._attachments.download(url, path, size, sha1_base64)

    # ── writing ───────────────────────────────────────────────────────────────────────────

    def create(self, resource: Resource, if_none_exist: Criteria | None = None) -> Resource:
        """Stores a new resource and returns it as stored.

        With ``if_none_exist``, returns the one that matches if there already is one. Only then
        is the request repeated after a failure that leaves open whether it was done.

        Raises:
            SeveralMatch: several resources match.
            FhirError: the server did not answer as it must.
        """
        return self.created(resource, if_none_exist)[0]

    def created(
        self, resource: Resource, if_none_exist: Criteria | None = None
    ) -> tuple[Resource, bool]:
        """As :meth:`create`; and whether it is this request that created it."""
        resource_type = resource["resourceType"]
        request = f"POST {resource_type}"
        headers = {} if if_none_exist is None else {"If-None-Exist": query_of(if_none_exist)}
        response = self._wire.send(
            request,
            "POST",
            self._wire.url(resource_type),
            headers,
            resource,
            repeatable=if_none_exist is not None,
        )
        stored = self._stored(request, response, resource_type, if_none_exist)
        return stored, response.status_code == HTTPStatus.CREATED

    def post(self, resource: Resource) -> None:
        """Stores a new resource of which nobody needs to know more, such as an AuditEvent.

        Not repeated after a failure that leaves open whether it was done.

        Raises:
            FhirError: the server did not answer as it must.
        """
        resource_type = resource["resourceType"]
        url = self._wire.url(resource_type)
        self._wire.send(f"POST {resource_type}", "POST", url, body=resource, repeatable=False)

    def update(self, resource: Resource) -> Resource:
        """Stores a new version of a resource and returns it as stored.

        If the resource carries its ``meta.versionId``, the update holds only if that is still
        the version on the server.

        Raises:
            VersionConflict, Conflict: someone else changed it since; also where the answer to a
                first attempt was lost and the retry meets our own change.
            FhirError: the server did not answer as it must.
        """
        resource_type = resource["resourceType"]
        request = f"PUT {resource_type}"
        url = self._wire.url(reference_to(resource))
        response = self._wire.send(request, "PUT", url, _if_match(resource), resource)
        return self._stored(request, response, resource_type, {"_id": resource["id"]})

    def patch(self, resource: Resource, operations: Operations) -> Resource:
        """Applies a JSON Patch (RFC 6902) to a resource as it was read, and returns the result.

        Raises:
            VersionConflict, Conflict: someone else changed it since; see :meth:`update`.
            FhirError: the server did not answer as it must.
        """
        resource_type = resource["resourceType"]
        request = f"PATCH {resource_type}"
        match = _if_match(resource)
        response = self._wire.send(
            request,
            "PATCH",
            self._wire.url(reference_to(resource)),
            {"Content-Type": "application/json-patch+json", **match},
            list(operations),
            repeatable=bool(match),
        )
        return self._stored(request, response, resource_type, {"_id": resource["id"]})

    def amend(self, resource: Resource, wanted: Callable[[Resource], Operations]) -> Resource:
        """Patches a resource that others change too, until the patch and the version agree.

        Args:
            resource: as it was read.
            wanted: the JSON Patch that a version still needs; empty where it needs none, as
                when it turns out that our own patch arrived and its answer was lost.

        Raises:
            VersionConflict, Conflict: others changed it each time.
            FhirError: the server did not answer as it must.
        """
        for attempt in range(1, _AMENDED_WITHIN + 1):
            operations = wanted(resource)
            if not operations:
                return resource
            try:
                return self.patch(resource, operations)
            except (VersionConflict, Conflict):
                if attempt == _AMENDED_WITHIN:
                    raise
                resource = self.read(resource["resourceType"], resource["id"])
        raise AssertionError("the last conflict is raised")

    def delete(self, resource_type: str, resource_id: str) -> None:
        """Deletes a resource, unless it is gone already.

        Raises:
            FhirError: the server did not answer as it must.
        """
        url = self._wire.url(f"{resource_type}/{resource_id}")
        with suppress(NotFound):
            self._wire.send(f"DELETE {resource_type}", "DELETE", url)

    # ── transactions ──────────────────────────────────────────────────────────────────────

    @property
    def takes_transactions(self) -> bool:
        """Whether the server says so and has not shown otherwise."""
        if self._takes_transactions is None:
            request = "GET metadata"
            try:
                response = self._wire.send(request, "GET", self._wire.url("metadata"))
                body = self._resource(request, response, "CapabilityStatement")
                said = CapabilityStatement.model_validate(body)
            except (FhirError, ValidationError):
                return False  # for this time: there is a way without
            self._takes_transactions = said.offers_transactions
        return self._takes_transactions

    def transaction(self, entries: Sequence[Resource]) -> list[Resource]:
        """Sends Bundle entries as one transaction and returns the response's entries, in order.

        Raises:
            NoTransaction: the server answered, and not as to a transaction. It may have stored
                some of it.
            FhirError: the server did not answer as it must; then nothing of it was done.
        """
        request = "POST transaction"
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}
        response = self._wire.send(
            request,
            "POST",
            self._wire.base,
            body=bundle,
            repeatable=all(_is_repeatable(entry["request"]) for entry in entries),
        )
        answer = self._resource(request, response, "Bundle")
        results: list[Resource] = answer.get("entry", [])
        is_whole = len(results) == len(entries)
        if answer.get("type") != "transaction-response" or not is_whole:
            self._takes_transactions = False
            error = NoTransaction(self.server, request, "answered with no transaction-response")
            error.results = results if is_whole else ()
            raise error
        return results

    # ── answers ───────────────────────────────────────────────────────────────────────────

    def _resource(self, request: str, response: httpx.Response, resource_type: str) -> Resource:
        body = json_object(response)
        if body is None or body.get("resourceType") != resource_type:
            raise BadAnswer(self.server, request, f"answered with no {resource_type}")
        return body

    def _identified(self, request: str, resource: Resource) -> Resource:
        if not is_identified(resource):
            raise BadAnswer(self.server, request, "answered with a resource without type and id")
        return resource

    def _stored(
        self,
        request: str,
        response: httpx.Response,
        resource_type: str,
        criteria: Criteria | None,
    ) -> Resource:
        """The resource as stored: from the body, or found again where a server sends none."""
        body = json_object(response)
        if body and body.get("resourceType") == resource_type and is_identified(body):
            return body
        location = response.headers.get("Location") or response.headers.get("Content-Location", "")
        if reference := reference_in(location, resource_type):
            return self.read(resource_type, reference.partition("/")[2])
        if criteria is not None:
            for match in self.search(resource_type, criteria):
                return match
        raise BadAnswer(self.server, request, "does not say what it stored")


def query_of(criteria: Criteria) -> str:
    """Search criteria as they stand in a query."""
    return str(_query(criteria))


def _query(criteria: Criteria) -> httpx.QueryParams:
    return httpx.QueryParams(dict(criteria))


def _if_match(resource: Resource) -> dict[str, str]:
    meta = resource.get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    return {} if version is None else {"If-Match": f'W/"{version}"'}


def _is_repeatable(request: Mapping[str, Any]) -> bool:
    """Whether a transaction's entry does its work once however often it is sent."""
    match request["method"]:
        case "POST":
            return "ifNoneExist" in request
        case "PATCH":
            return "ifMatch" in request
        case _:
            return True
