"""Requests to one FHIR server: its addresses, its credentials, its failures as our errors.

The credentials in ``auth`` go to the server's own origin and nowhere else: no redirect is
followed here, and an address that a resource gives is used only where it is the server's own.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeAlias

import httpx

from connector.fhir.addresses import LOOPBACK, checked_base, is_of
from connector.fhir.bundles import Resource
from connector.fhir.errors import BadAnswer, ServerDown, error_of
from connector.fhir.retries import retrying

FHIR_JSON = "application/fhir+json"

# Chosen, not measured: long enough for a busy EHR's search, short enough that a durable
# workflow takes over from a server that is away for longer.
_ANSWER_WITHIN_S = 30.0
_CONNECT_WITHIN_S = 10.0
TIMEOUT = httpx.Timeout(_ANSWER_WITHIN_S, connect=_CONNECT_WITHIN_S)

# At INFO httpx logs every URL, and a search's URL may name a patient.
logging.getLogger("httpx").setLevel(logging.WARNING)

Hooks: TypeAlias = Mapping[str, list[Callable[..., Any]]]
"""httpx's event hooks: told of each request before it goes out, and of each answer."""


class Wire:
    """The connection to one FHIR server.

    Attributes:
        base: the server's base.
        server: host and port, for messages.
        http: sends the credentials with each request, and follows no redirect.

    Raises:
        UsageError: the base is not an http or https address, or holds a password.
    """

    def __init__(self, base_url: str, auth: httpx.Auth | None, hooks: Hooks | None = None) -> None:
        self.base = checked_base(base_url)
        self.server = self.base.netloc.decode("ascii")
        self.http = httpx.Client(
            auth=auth,
            event_hooks=hooks,
            verify=tls(),
            headers={"Accept": FHIR_JSON},
            timeout=TIMEOUT,
            follow_redirects=False,
            # A proxy of the environment is for the hospital's network, not for this machine.
            trust_env=self.base.host not in LOOPBACK,
        )

    def url(self, path: str) -> httpx.URL:
        return self.base.copy_with(path=f"{self.base.path}/{path}")

    def joined(self, request: str, url: str) -> httpx.URL:
        """An address as a resource gives it, which may be relative to the base.

        Raises:
            BadAnswer: it is no address.
        """
        try:
            return httpx.URL(f"{self.base}/").join(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise BadAnswer(self.server, request, "gave an address that is none") from error

    def own(self, request: str, url: str) -> httpx.URL:
        """The same, if it is this server's own.

        Raises:
            BadAnswer: it is no address, or another server's.
        """
        found = self.joined(request, url)
        if not is_of(self.base, found):
            raise BadAnswer(
                self.server,
                request,
                "gave an address of another server, to which no credentials are sent",
            )
        return found

    def send(
        self,
        request: str,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        repeatable: bool = True,
    ) -> httpx.Response:
        """The answer to a request, once it says that the request succeeded.

        Args:
            request: how messages name it, as "POST Observation".
            repeatable: whether to send it again where it may have been carried out already.

        Raises:
            FhirError: the server did not answer as it must.
        """
        sent = dict(headers or {})
        if body is not None:
            sent = {"Content-Type": FHIR_JSON, "Prefer": "return=representation"} | sent

        def once() -> httpx.Response:
            with failures(self.server, request):
                response = self.http.request(method, url, headers=sent, json=body)
            if not response.is_success:
                raise error_of(self.server, request, response)
            return response

        return retrying(once, repeatable=repeatable)


@cache
def tls() -> ssl.SSLContext:
    """The certificates that this process trusts; to read them takes longer than a request."""
    return httpx.create_ssl_context()


@contextmanager
def failures(server: str, request: str) -> Iterator[None]:
    """Turns httpx's errors into ours.

    Only the text of a failed connection, which is the operating system's, is passed on: others
    may quote headers.
    """
    try:
        yield
    except httpx.ConnectError as error:
        raise ServerDown(server, request, f"no connection ({error})") from error
    except httpx.TimeoutException as error:
        raise ServerDown(server, request, "no answer in time") from error
    except httpx.TransportError as error:
        raise ServerDown(server, request, "the connection broke off") from error
    except httpx.RequestError as error:
        raise BadAnswer(server, request, "an answer that cannot be decoded") from error


def json_object(response: httpx.Response) -> Resource | None:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None
