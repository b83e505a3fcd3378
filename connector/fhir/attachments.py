"""Attachments, streamed to disk: gone on with where a server can, begun again where not.

Credentials go to the EHR's own origin. Redirects are followed by hand, each one checked like the
address that it came from; from the first foreign address on no credentials are sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import cached_property
from pathlib import Path

import httpx

from connector.binary_json import NotABinary, decode_binary
from connector.fhir.addresses import is_of
from connector.fhir.errors import AddressRefused, FhirError, ServerDown, WrongAttachment, error_of
from connector.fhir.foreign import ForeignHosts, NotAllowed
from connector.fhir.partial import Partial, TooLong, check_room
from connector.fhir.retries import retrying
from connector.fhir.wire import FHIR_JSON, TIMEOUT, Wire, failures, tls

_REQUEST = "GET attachment"

# FHIR asks for the raw bytes of a Binary by any type but FHIR's own; servers that know only
# the JSON form send that, and both are read.
_HEADERS = {
    "Accept": f"application/octet-stream, {FHIR_JSON};q=0.5, */*;q=0.1",
    # A range of compressed bytes is of no use.
    "Accept-Encoding": "identity",
}

_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_RANGE_NOT_SATISFIABLE = 416
_PARTIAL_CONTENT = 206
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-\d{1,15}/(?:\d{1,15}|\*)")


class Attachments:
    """Downloads from the EHR, and from the hosts that are allowed beside it.

    Args:
        wire: to the EHR.
        foreign: the other hosts.
        largest: bytes of an attachment that does not say its size.
    """

    def __init__(self, wire: Wire, foreign: ForeignHosts, largest: int) -> None:
        self._wire = wire
        self._foreign = foreign
        self._largest = largest

    def download(self, url: str, path: Path, size: int | None, sha1_base64: str | None) -> None:
        """See :meth:`connector.fhir.FhirClient.download`."""
        first = self._wire.joined(_REQUEST, url)
        if not is_of(self._wire.base, first):
            self._check(first)
        check_room(path.parent, size or 0)
        partial = Partial(path, self._largest if size is None else size)

        def fetch() -> None:
            try:
                self._fetch(first, partial, sha1_base64 is not None)
            except TooLong:
                raise self._too_long(size) from None
            if problem := partial.difference(size, sha1_base64):
                # What was pieced together of two answers may be of two versions.
                kind = ServerDown if partial.pieced else WrongAttachment
                partial.begin()
                raise kind(self._wire.server, _REQUEST, problem)

        try:
            retrying(fetch, repeatable=True, within_s=None)
            partial.finish()
        finally:
            partial.discard()

    def close(self) -> None:
        if "_foreign_http" in self.__dict__:
            self._foreign_http.close()

    # ── one answer ────────────────────────────────────────────────────────────────────────

    def _fetch(self, url: httpx.URL, partial: Partial, is_hashed: bool) -> None:
        """Takes one answer, from where the one before broke off if that is safe."""
        headers = dict(_HEADERS)
        if partial.n_bytes and partial.resumable and (partial.validator or is_hashed):
            headers["Range"] = f"bytes={partial.n_bytes}-"
            if partial.validator:
                headers["If-Range"] = partial.validator
        with self._answer(url, headers) as response:
            if response.status_code == _RANGE_NOT_SATISFIABLE and "Range" in headers:
                partial.begin()
                raise ServerDown(self._wire.server, _REQUEST, "has no more where it broke off")
            if not response.is_success:
                response.read()
                raise error_of(self._wire.server, _REQUEST, response)
            if response.status_code == _PARTIAL_CONTENT:
                self._check_range(response, partial)
                partial.pieced = True
            else:
                # What is decoded is no longer what the server counts its bytes by.
                encoded = "Content-Encoding" in response.headers or _is_json(response)
                partial.begin(_validator(response), resumable=not encoded)
            if _is_json(response):
                partial.append(self._decoded(response))
            else:
                partial.append(response.iter_bytes())

    def _decoded(self, response: httpx.Response) -> Iterator[bytes]:
        try:
            yield from decode_binary(response.iter_bytes())
        except NotABinary as error:
            problem = f"answered with JSON that is no attachment: {error}"
            raise WrongAttachment(self._wire.server, _REQUEST, problem) from error

    def _check_range(self, response: httpx.Response, partial: Partial) -> None:
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != partial.n_bytes:
            partial.begin()
            raise ServerDown(self._wire.server, _REQUEST, "sent another part than it was asked for")

    def _too_long(self, size: int | None) -> FhirError:
        if size is not None:
            problem = f"sent more than the {size} bytes that the attachment says"
        else:
            problem = (
                f"sent more than {self._largest >> 20} MB of an attachment that does not say its "
                "size, which is all that SOMNOAUDIT_LARGEST_ATTACHMENT_MB lets in"
            )
        return WrongAttachment(self._wire.server, _REQUEST, problem)

    # ── where it comes from ───────────────────────────────────────────────────────────────

    @contextmanager
    def _answer(self, url: httpx.URL, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """The answer at the end of the redirects, its body unread."""
        trusted = True
        with ExitStack() as open_until_then:
            for _ in range(_MOST_REDIRECTS + 1):
                trusted = trusted and is_of(self._wire.base, url)
                source = self._from_ehr if trusted else self._from_elsewhere
                response = open_until_then.enter_context(source(url, headers))
                location = response.headers.get("Location")
                if response.status_code not in _REDIRECTS or location is None:
                    yield response
                    return
                url = self._wire.joined(_REQUEST, str(url.join(location)))
            raise AddressRefused(self._wire.server, _REQUEST, "is redirected again and again")

    @contextmanager
    def _from_ehr(self, url: httpx.URL, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        with (
            failures(self._wire.server, _REQUEST),
            self._wire.http.stream("GET", url, headers=headers) as response,
        ):
            yield response

    @contextmanager
    def _from_elsewhere(
        self, url: httpx.URL, headers: Mapping[str, str]
    ) -> Iterator[httpx.Response]:
        try:
            addresses = self._foreign.resolve(url)
        except NotAllowed as refusal:
            raise AddressRefused(self._wire.server, _REQUEST, str(refusal)) from None
        except OSError:
            problem = f"gave an address of {url.host}, which has no network address"
            raise ServerDown(self._wire.server, _REQUEST, problem) from None
        with failures(url.host, _REQUEST):
            for nth, address in enumerate(addresses, start=1):
                asked = self._foreign_http.build_request(
                    "GET",
                    address.url,
                    headers={**headers, "Host": address.host},
                    extensions={"sni_hostname": address.name},
                )
                try:
                    response = self._foreign_http.send(asked, stream=True)
                    break
                except httpx.ConnectError:
                    if nth == len(addresses):
                        raise
            with closing(response):
                yield response

    def _check(self, url: httpx.URL) -> None:
        try:
            self._foreign.check(url)
        except NotAllowed as refusal:
            raise AddressRefused(self._wire.server, _REQUEST, str(refusal)) from None

    @cached_property
    def _foreign_http(self) -> httpx.Client:
        # A proxy would resolve the name once more, and where it likes.
        return httpx.Client(verify=tls(), timeout=TIMEOUT, follow_redirects=False, trust_env=False)


def _validator(response: httpx.Response) -> str:
    """What If-Range may hold; a weak ETag or a date promises nothing about single bytes."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else ""


def _is_json(response: httpx.Response) -> bool:
    return "json" in response.headers.get("Content-Type", "").lower()
