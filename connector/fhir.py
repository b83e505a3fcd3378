"""A thin FHIR R4 client: the REST interactions that somnoaudit needs, each safe to repeat.

    ServerFailed
    └── FhirError
        ├── Unauthorized          401
        ├── Forbidden             403
        ├── NotFound              404, 410
        ├── Conflict              409
        ├── PreconditionFailed    412: another version is stored, or several resources match
        ├── Unprocessable         every other 4xx: the server does not take what was sent
        ├── Throttled             429
        ├── ServerDown            502, 503, 504, and connections that fail or break off
        ├── ServerBroken          every other 5xx
        └── BadAnswer             an answer that is not what FHIR says it must be

A message names the server, the verb and the resource type. It leaves out the query and the
OperationOutcome's free text, for both may name a patient; of the outcome it quotes the issue
codes and element paths.

The credentials in ``auth`` go to the EHR's own origin and nowhere else: links and attachments
of another origin are refused, and redirects are not followed.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, TypeVar

import httpx
import stamina
from pydantic import BaseModel, ValidationError
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from auditor.errors import ServerFailed, UsageError
from connector.binary_json import NotABinary, decode_binary

Resource: TypeAlias = dict[str, Any]
Criteria: TypeAlias = Mapping[str, str | Sequence[str]]
_T = TypeVar("_T")

FHIR_JSON = "application/fhir+json"
# FHIR asks for the raw bytes of a Binary by any type but FHIR's own; servers that know only
# the JSON form send that, and both are read.
_ATTACHMENT_TYPES = f"application/octet-stream, {FHIR_JSON};q=0.5, */*;q=0.1"

# Chosen, not measured: long enough for a busy EHR's search, short enough that a durable
# workflow takes over from a server that is away for longer.
_ANSWER_WITHIN_S = 30.0
_CONNECT_WITHIN_S = 10.0
_ATTEMPTS = 5
_RETRY_FOR_S = 120.0
_LONGEST_WAIT_S = 60.0
_PIECE_BYTES = 1 << 20
_LOOPBACK = ("127.0.0.1", "::1", "localhost")

log = logging.getLogger("somnoaudit")
# At INFO httpx logs every URL, and a search's URL may name a patient.
logging.getLogger("httpx").setLevel(logging.WARNING)


class FhirError(ServerFailed):
    """The FHIR server did not do what it was asked.

    Attributes:
        server: host and port.
        request: verb and resource type, as "POST Observation".
        problem: what came of it.
        retry_after_s: how long the server asks to be left alone; None where it does not say.
    """

    remedy = "look into the server's log"

    def __init__(
        self, server: str, request: str, problem: str, retry_after_s: float | None = None
    ) -> None:
        self.server = server
        self.request = request
        self.problem = problem
        self.retry_after_s = retry_after_s
        super().__init__(f"FHIR server {server}: {request}: {problem}; {self.remedy}")

    def __reduce__(self) -> tuple[type[FhirError], tuple[str, str, str, float | None]]:
        return type(self), (self.server, self.request, self.problem, self.retry_after_s)


class Unauthorized(FhirError):
    remedy = "check the credentials that somnoaudit was given for this server"


class Forbidden(FhirError):
    remedy = "let the server's administrator grant somnoaudit this interaction"


class NotFound(FhirError):
    remedy = "check that the server has it and that somnoaudit may see it"


class Conflict(FhirError):
    remedy = "read the resource again and repeat the change"


class PreconditionFailed(FhirError):
    remedy = "read the resource again and repeat, or remove duplicates of its identifier"


class Unprocessable(FhirError):
    remedy = "compare with the server's CapabilityStatement and profiles"


class Throttled(FhirError):
    remedy = "try again later, or let the server's administrator raise its limit"


class ServerDown(FhirError):
    remedy = "check that the server runs and can be reached, then try again"


class ServerBroken(FhirError):
    pass


class BadAnswer(FhirError):
    remedy = "check that the address is a FHIR R4 server's base, and look into its log"


_ERROR_OF_STATUS: Mapping[int, type[FhirError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    412: PreconditionFailed,
    429: Throttled,
    502: ServerDown,
    503: ServerDown,
    504: ServerDown,
}


class _Link(BaseModel):
    relation: str
    url: str


class _Search(BaseModel):
    mode: str = "match"


class _Entry(BaseModel):
    resource: Resource
    search: _Search = _Search()


class _Bundle(BaseModel):
    type: str
    link: list[_Link] = []
    entry: list[_Entry] = []

    @property
    def next_url(self) -> str | None:
        return next((link.url for link in self.link if link.relation == "next"), None)


class _Issue(BaseModel):
    severity: str
    code: str
    expression: list[str] = []


class _Outcome(BaseModel):
    resourceType: Literal["OperationOutcome"]  # noqa: N815 FHIR's name
    issue: list[_Issue]


def reference_to(resource: Resource) -> str:
    """The relative reference to a stored resource: ``Patient/12``."""
    return f"{resource['resourceType']}/{resource['id']}"


class FhirClient:
    """Speaks to one FHIR server.

    Failed connections and the answers 429, 502, 503 and 504 are met with retries, as long as
    repeating the request cannot do its work twice.

    Args:
        base_url: the server's base, ``https://ehr.example.org/fhir``.
        auth: adds credentials to each request; None for a server that asks for none.

    Raises:
        UsageError: the base is not an http or https address, or holds a password.
    """

    def __init__(self, base_url: str, auth: httpx.Auth | None = None) -> None:
        self._base = _checked_base(base_url)
        self.server = self._base.netloc.decode("ascii")
        self._http = httpx.Client(
            auth=auth,
            headers={"Accept": FHIR_JSON},
            timeout=httpx.Timeout(_ANSWER_WITHIN_S, connect=_CONNECT_WITHIN_S),
            follow_redirects=False,
            # A proxy of the environment is for the hospital's network, not for this machine.
            trust_env=self._base.host not in _LOOPBACK,
        )

    @property
    def base_url(self) -> str:
        """The server's base without a slash at its end."""
        return str(self._base)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ── reading ───────────────────────────────────────────────────────────────────────────

    def read(self, resource_type: str, resource_id: str) -> Resource:
        """The resource as it is stored now.

        Raises:
            NotFound: there is none, or it was deleted.
            FhirError: the server did not answer as it must.
        """
        request = f"GET {resource_type}"
        response = self._send(request, "GET", self._url(f"{resource_type}/{resource_id}"))
        return self._identified(request, self._resource(request, response, resource_type))

    def search(self, resource_type: str, criteria: Criteria) -> Iterator[Resource]:
        """Every match, page after page; pages are asked for as they are needed.

        Raises:
            BadAnswer: an answer is no searchset, or its ``next`` link leads to another server
                or in a circle.
            FhirError: the server did not answer as it must.
        """
        request = f"GET {resource_type}"
        # Without strict handling a server may ignore a parameter it does not know, and answer
        # with everything it has.
        headers = {"Prefer": "handling=strict"}
        url = self._url(resource_type).copy_merge_params(_query(criteria))
        seen: set[httpx.URL] = set()
        while True:
            if url in seen:
                raise BadAnswer(self.server, request, "the pages of its answer form a circle")
            seen.add(url)
            response = self._send(request, "GET", url, headers)
            page = self._page(request, response)
            for entry in page.entry:
                if entry.search.mode == "match":
                    yield self._identified(request, entry.resource)
            if page.next_url is None:
                return
            url = self._own(request, page.next_url)

    def _page(self, request: str, response: httpx.Response) -> _Bundle:
        body = self._resource(request, response, "Bundle")
        try:
            page = _Bundle.model_validate(body)
        except ValidationError:
            # The validation error quotes the answer, which holds a patient's data.
            raise BadAnswer(self.server, request, "answered with a broken Bundle") from None
        if page.type != "searchset":
            raise BadAnswer(self.server, request, "answered a search with no searchset")
        return page

    # ── writing ───────────────────────────────────────────────────────────────────────────

    def create(self, resource: Resource, if_none_exist: Criteria | None = None) -> Resource:
        """Stores a new resource and returns it as stored.

        With ``if_none_exist``, returns the one that matches if there already is one. Only then
        is the request repeated after a failure that leaves open whether it was done.

        Raises:
            PreconditionFailed: several resources match.
            FhirError: the server did not answer as it must.
        """
        resource_type = resource["resourceType"]
        request = f"POST {resource_type}"
        headers = {} if if_none_exist is None else {"If-None-Exist": str(_query(if_none_exist))}
        response = self._send(
            request,
            "POST",
            self._url(resource_type),
            headers,
            resource,
            repeatable=if_none_exist is not None,
        )
        return self._stored(request, response, resource_type, if_none_exist)

    def update(self, resource: Resource) -> Resource:
        """Stores a new version of a resource and returns it as stored.

        If the resource carries its ``meta.versionId``, the update holds only if that is still
        the version on the server.

        Raises:
            PreconditionFailed: someone else changed it since; also where the answer to a first
                attempt was lost and the retry meets our own change.
            FhirError: the server did not answer as it must.
        """
        resource_type = resource["resourceType"]
        request = f"PUT {resource_type}"
        url = self._url(reference_to(resource))
        response = self._send(request, "PUT", url, _if_match(resource), resource)
        return self._stored(request, response, resource_type, {"_id": resource["id"]})

    def update_matching(self, resource: Resource, criteria: Criteria) -> Resource:
        """Stores a new version of the one resource that matches, or creates it.

        Raises:
            PreconditionFailed: several resources match.
            FhirError: the server did not answer as it must.
        """
        resource_type = resource["resourceType"]
        request = f"PUT {resource_type}"
        url = self._url(resource_type).copy_merge_params(_query(criteria))
        response = self._send(request, "PUT", url, body=resource)
        return self._stored(request, response, resource_type, criteria)

    def patch(self, resource: Resource, operations: Sequence[Mapping[str, Any]]) -> Resource:
        """Applies a JSON Patch (RFC 6902) to a resource as it was read, and returns the result.

        Raises:
            PreconditionFailed: someone else changed it since; see :meth:`update`.
            FhirError: the server did not answer as it must.
        """
        resource_type = resource["resourceType"]
        request = f"PATCH {resource_type}"
        match = _if_match(resource)
        response = self._send(
            request,
            "PATCH",
            self._url(reference_to(resource)),
            {"Content-Type": "application/json-patch+json", **match},
            list(operations),
            repeatable=bool(match),
        )
        return self._stored(request, response, resource_type, {"_id": resource["id"]})

    def transaction(self, entries: Sequence[Resource]) -> list[Resource]:
        """Sends Bundle entries as one transaction and returns the response's entries, in order.

        Raises:
            BadAnswer: the server did not treat them as a transaction.
            FhirError: the server did not answer as it must; then nothing of it was done.
        """
        request = "POST transaction"
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}
        response = self._send(
            request,
            "POST",
            self._base,
            body=bundle,
            repeatable=all(_is_repeatable(entry["request"]) for entry in entries),
        )
        answer = self._resource(request, response, "Bundle")
        results: list[Resource] = answer.get("entry", [])
        if answer.get("type") != "transaction-response" or len(results) != len(entries):
            raise BadAnswer(self.server, request, "answered with no transaction-response")
        return results

    # ── attachments ───────────────────────────────────────────────────────────────────────

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
            BadAnswer: the address is another server's, the answer is no attachment, or size or
                hash differ.
            FhirError: the server did not answer as it must.
        """
        request = "GET attachment"
        own = self._own(request, url)
        partial = path.with_name(path.name + ".part")

        def fetch() -> None:
            with self._stream(request, own) as pieces, partial.open("wb") as file:
                found = _write(pieces, file.write)
                file.flush()
                os.fsync(file.fileno())
            problem = difference(*found, size, sha1_base64)
            if problem:
                raise BadAnswer(self.server, request, problem)

        try:
            _retrying(fetch, repeatable=True)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    @contextmanager
    def _stream(self, request: str, url: httpx.URL) -> Iterator[Iterator[bytes]]:
        headers = {"Accept": _ATTACHMENT_TYPES}
        with (
            self._failures(request),
            self._http.stream("GET", url, headers=headers) as response,
        ):
            if not response.is_success:
                response.read()
                raise self._error(request, response)
            pieces = response.iter_bytes(_PIECE_BYTES)
            as_json = "json" in response.headers.get("Content-Type", "").lower()
            try:
                yield decode_binary(pieces) if as_json else pieces
            except NotABinary as error:
                problem = f"answered with JSON that is no attachment: {error}"
                raise BadAnswer(self.server, request, problem) from error

    # ── the wire ──────────────────────────────────────────────────────────────────────────

    def _url(self, path: str) -> httpx.URL:
        return self._base.copy_with(path=f"{self._base.path}/{path}")

    def _own(self, request: str, url: str) -> httpx.URL:
        """The address that a resource gives, if it is this server's own."""
        try:
            found = httpx.URL(f"{self._base}/").join(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise BadAnswer(self.server, request, "gave an address that is none") from error
        if _origin(found) != _origin(self._base) or found.userinfo:
            raise BadAnswer(
                self.server,
                request,
                "gave an address of another server, to which no credentials are sent",
            )
        return found

    def _send(
        self,
        request: str,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        repeatable: bool = True,
    ) -> httpx.Response:
        sent = dict(headers or {})
        if body is not None:
            sent = {"Content-Type": FHIR_JSON, "Prefer": "return=representation"} | sent

        def once() -> httpx.Response:
            with self._failures(request):
                response = self._http.request(method, url, headers=sent, json=body)
            if not response.is_success:
                raise self._error(request, response)
            return response

        return _retrying(once, repeatable=repeatable)

    @contextmanager
    def _failures(self, request: str) -> Iterator[None]:
        """Turns httpx's errors into ours.

        Only the text of a failed connection, which is the operating system's, is passed on:
        others may quote headers.
        """
        try:
            yield
        except httpx.ConnectError as error:
            raise ServerDown(self.server, request, f"no connection ({error})") from error
        except httpx.TimeoutException as error:
            raise ServerDown(self.server, request, "no answer in time") from error
        except httpx.TransportError as error:
            raise ServerDown(self.server, request, "the connection broke off") from error
        except httpx.RequestError as error:
            raise BadAnswer(self.server, request, "an answer that cannot be decoded") from error

    def _error(self, request: str, response: httpx.Response) -> FhirError:
        status = response.status_code
        kind = _ERROR_OF_STATUS.get(status)
        if kind is None:
            kind = Unprocessable if 400 <= status < 500 else BadAnswer
            kind = ServerBroken if status >= 500 else kind
        problem = f"answered {status}{_phrase(status)}{_issues(response)}"
        return kind(self.server, request, problem, _retry_after_s(response))

    def _resource(self, request: str, response: httpx.Response, resource_type: str) -> Resource:
        body = _json_object(response)
        if body is None or body.get("resourceType") != resource_type:
            raise BadAnswer(self.server, request, f"answered with no {resource_type}")
        return body

    def _identified(self, request: str, resource: Resource) -> Resource:
        if not _is_identified(resource):
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
        body = _json_object(response)
        if body and body.get("resourceType") == resource_type and _is_identified(body):
            return body
        location = response.headers.get("Location", "") or response.headers.get(
            "Content-Location", ""
        )
        if found := re.search(
            rf"{resource_type}/([A-Za-z0-9.\-]{{1,64}})(?:/_history/|$)", location
        ):
            return self.read(resource_type, found[1])
        if criteria is not None:
            for match in self.search(resource_type, criteria):
                return match
        raise BadAnswer(self.server, request, "does not say what it stored")


def _tell_of_retry(details: RetryDetails) -> None:
    """One plain line; of an error of ours, that names no patient."""
    error = details.caused_by
    if isinstance(error, FhirError):
        again = f"trying again in {details.wait_for:.1f} s"
        log.warning("FHIR server %s: %s: %s; %s", error.server, error.request, error.problem, again)


# stamina's own hook logs the name of an event, which tells an operator nothing.
set_on_retry_hooks([_tell_of_retry])


def _retrying(action: Callable[[], _T], *, repeatable: bool) -> _T:
    """Does it, again where that can help: the last error comes through."""

    def wait(error: Exception) -> bool | float:
        # A throttled request was not carried out, so that repeating it is always safe.
        if not (isinstance(error, Throttled) or (isinstance(error, ServerDown) and repeatable)):
            return False
        if error.retry_after_s is None:
            return True
        return error.retry_after_s if error.retry_after_s <= _LONGEST_WAIT_S else False

    for attempt in stamina.retry_context(on=wait, attempts=_ATTEMPTS, timeout=_RETRY_FOR_S):
        with attempt:
            return action()
    raise AssertionError("stamina lets the last error through")


def _checked_base(base_url: str) -> httpx.URL:
    remedy = "give one like https://ehr.example.org/fhir"
    try:
        base = httpx.URL(base_url.rstrip("/"))
    except httpx.InvalidURL as error:
        raise UsageError(f"the FHIR server's address is none; {remedy}") from error
    if base.scheme not in ("http", "https") or not base.host or base.query:
        raise UsageError(f"the FHIR server's address is not an http(s) address; {remedy}")
    if base.userinfo:
        raise UsageError(f"the FHIR server's address holds a password; {remedy}, without it")
    return base


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


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


def _json_object(response: httpx.Response) -> Resource | None:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


_TYPE = re.compile(r"[A-Za-z]{1,64}")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def _is_identified(resource: Resource) -> bool:
    """Whether a resource can be referred to: others' code relies on that of every answer."""
    return all(
        isinstance(value := resource.get(element), str) and pattern.fullmatch(value)
        for element, pattern in (("resourceType", _TYPE), ("id", _ID))
    )


_CODE = re.compile(r"[a-z][a-z-]{0,40}")
_ELEMENT_PATH = re.compile(r"[A-Za-z][A-Za-z0-9_.\[\]]{0,120}")


def _issues(response: httpx.Response) -> str:
    """Codes and element paths of the errors in an OperationOutcome, in brackets."""
    try:
        outcome = _Outcome.model_validate_json(response.content)
    except ValidationError:
        return ""
    said = []
    for issue in outcome.issue:
        if issue.severity in ("fatal", "error") and _CODE.fullmatch(issue.code):
            paths = [path for path in issue.expression if _ELEMENT_PATH.fullmatch(path)]
            said.append(f"{issue.code} at {paths[0]}" if paths else issue.code)
    return f" ({', '.join(dict.fromkeys(said[:5]))})" if said else ""


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def _retry_after_s(response: httpx.Response) -> float | None:
    """Seconds to wait by the Retry-After header, which is a number or a date (RFC 9110)."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def _write(pieces: Iterator[bytes], write: Callable[[bytes], object]) -> tuple[int, bytes]:
    """Writes the pieces; returns how many bytes they had and their SHA-1 digest."""
    # SHA-1 is what FHIR R4 defines for Attachment.hash: it detects damage, not forgery.
    digest = hashlib.sha1(usedforsecurity=False)
    size = 0
    for piece in pieces:
        write(piece)
        digest.update(piece)
        size += len(piece)
    return size, digest.digest()


def difference(
    found_size: int, found_sha1: bytes, size: int | None, sha1_base64: str | None
) -> str | None:
    """In what bytes differ from what an attachment says of them; None if in nothing."""
    if size is not None and found_size != size:
        return f"sent {found_size} bytes where the attachment says {size}"
    if sha1_base64 is not None:
        try:
            expected = base64.b64decode(sha1_base64, validate=True)
        except ValueError:  # binascii.Error, or characters that are not ASCII
            return "the attachment's hash is not base64"
        if expected != found_sha1:
            return "sent bytes whose SHA-1 is not the attachment's hash"
    return None
