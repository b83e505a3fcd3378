"""Authorization as SMART backend services has it (SMART App Launch 2.2).

A token is asked for with a signed assertion, is renewed before it runs out, and once more where
the server has given it up early. What is asked of the token endpoint goes there and nowhere else:
redirects are not followed. Neither tokens nor assertions stand in any message.
"""

from __future__ import annotations

import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx
from pydantic import BaseModel, Field, ValidationError

from connector.client_keys import SigningKey
from connector.fhir.addresses import LOOPBACK, checked_base
from connector.fhir.errors import BadAnswer, FhirError, Unauthorized, error_of
from connector.fhir.wire import TIMEOUT, failures, tls

# SMART allows five minutes from the assertion to its end. It is dated back a little, for clocks
# differ, and some servers refuse what was signed in their future.
_ASSERTION_LIVES_S = 240
_DATED_BACK_S = 30

# Two clocks that are closer than this agree with the assertion's span.
_CLOCKS_AGREE_WITHIN_S = 25.0

# A token is renewed when a fifth of its life is left, but at most this long before its end.
_RENEWED_BEFORE_S = 60.0
_RENEWED_AT_SHARE = 0.8
# Of a token whose answer does not say it: SMART asks for at most five minutes.
_ASSUMED_LIFE_S = 300.0

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_OAUTH_ERROR = re.compile(r"[a-z_]{1,40}")

log = logging.getLogger("somnoaudit")


class _Configuration(BaseModel):
    """What is read of .well-known/smart-configuration."""

    token_endpoint: str
    algorithms: list[str] = Field([], alias="token_endpoint_auth_signing_alg_values_supported")


class _Grant(BaseModel):
    access_token: str = Field(pattern=r"^[\x21-\x7e]+$")
    token_type: str = "bearer"  # noqa: S105 its kind, and no secret
    expires_in: float = Field(_ASSUMED_LIFE_S, ge=0)


class _OAuthError(BaseModel):
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    renew_at: float
    """By the clock that only goes forward."""


class BearerToken(httpx.Auth):
    """A token that was given to somnoaudit, and stays the same."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = self._header
        yield request


class SmartBackend(httpx.Auth):
    """Tokens for one FHIR server, shared by all who speak to it.

    Args:
        base_url: the FHIR server's base, where its SMART configuration is found.
        client_id: by which the server knows somnoaudit.
        key: signs the assertions.
        scopes: asked for, as "system/Patient.r system/Task.crus".
        token_url: the token endpoint, where the server does not publish it.
        clock: seconds since 1970.

    Raises:
        UsageError: the base is no address.
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        key: SigningKey,
        scopes: str,
        token_url: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._base = checked_base(base_url)
        self._server = self._base.netloc.decode("ascii")
        self._client_id = client_id
        self._key = key
        self._scopes = scopes
        self._given_token_url = token_url
        self._clock = clock
        self._clock_is_behind_s = 0.0
        self._endpoint: httpx.URL | None = None
        self._token: _Token | None = None
        self._one_at_a_time = threading.Lock()

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        token = self._usable()
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            request.headers["Authorization"] = f"Bearer {self._usable(instead_of=token)}"
            yield request

    def _usable(self, instead_of: str | None = None) -> str:
        """A token that holds, unless it is the one that the server has just refused."""
        with self._one_at_a_time:
            token = self._token
            if token is None or token.value == instead_of or time.monotonic() >= token.renew_at:
                token = self._token = self._granted()
            return token.value

    # ── the token endpoint ────────────────────────────────────────────────────────────────

    def _granted(self) -> _Token:
        request = "POST token"
        endpoint = self._endpoint or self._discover()
        asked_at = time.monotonic()
        response = self._ask(request, endpoint)
        if response.status_code in (400, 401) and self._set_clock_by(response):
            response = self._ask(request, endpoint)
        if not response.is_success:
            self._endpoint = None  # it may have moved
            raise self._refused(request, response)
        self._endpoint = endpoint
        try:
            grant = _Grant.model_validate_json(response.content)
        except ValidationError:
            raise BadAnswer(self._server, request, "answered with no token") from None
        if grant.token_type.lower() != "bearer":
            raise BadAnswer(self._server, request, "answered with a token that is no bearer's")
        lives_s = max(grant.expires_in * _RENEWED_AT_SHARE, grant.expires_in - _RENEWED_BEFORE_S)
        return _Token(grant.access_token, asked_at + lives_s)

    def _ask(self, request: str, endpoint: httpx.URL) -> httpx.Response:
        form = {
            "grant_type": "client_credentials",
            "scope": self._scopes,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": self._assertion(endpoint),
        }
        with failures(self._server, request), self._http(endpoint) as http:
            return http.post(endpoint, data=form)

    def _assertion(self, endpoint: httpx.URL) -> str:
        now = int(self._clock() + self._clock_is_behind_s)
        return self._key.sign(
            {
                "iss": self._client_id,
                "sub": self._client_id,
                "aud": str(endpoint),
                "iat": now - _DATED_BACK_S,
                "exp": now + _ASSERTION_LIVES_S,
                "jti": secrets.token_urlsafe(24),
            }
        )

    def _set_clock_by(self, response: httpx.Response) -> bool:
        """Goes by the server's clock where it differs so much that it may be why it refused."""
        try:
            theirs = parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
        except ValueError:
            return False
        behind_s = theirs - self._clock()
        if abs(behind_s - self._clock_is_behind_s) <= _CLOCKS_AGREE_WITHIN_S:
            return False
        log.warning(
            "the clock of FHIR server %s is %.0f s from this machine's; assertions go by it",
            self._server,
            behind_s,
        )
        self._clock_is_behind_s = behind_s
        return True

    def _refused(self, request: str, response: httpx.Response) -> FhirError:
        """An OAuth error is about our credentials, whatever its status."""
        try:
            error = _OAuthError.model_validate_json(response.content).error
        except ValidationError:
            error = ""
        if response.status_code >= 500 or not _OAUTH_ERROR.fullmatch(error):
            return error_of(self._server, request, response)
        problem = f"answered {response.status_code} ({error})"
        return Unauthorized(self._server, request, problem)

    # ── where it is ───────────────────────────────────────────────────────────────────────

    def _discover(self) -> httpx.URL:
        if self._given_token_url:
            return httpx.URL(self._given_token_url)
        request = "GET smart-configuration"
        url = self._base.copy_with(path=f"{self._base.path}/.well-known/smart-configuration")
        with failures(self._server, request), self._http(url) as http:
            response = http.get(url, headers={"Accept": "application/json"})
        if not response.is_success:
            raise error_of(self._server, request, response)
        try:
            found = _Configuration.model_validate_json(response.content)
            endpoint = httpx.URL(found.token_endpoint)
        except (ValidationError, httpx.InvalidURL):
            raise BadAnswer(self._server, request, "names no token endpoint") from None
        if found.algorithms and self._key.algorithm not in found.algorithms:
            problem = f"takes no {self._key.algorithm}, only {_listed(found.algorithms)}"
            raise Unauthorized(self._server, request, problem)
        if not self._may_be_told_to(endpoint):
            problem = "names a token endpoint that is not https"
            raise BadAnswer(self._server, request, problem)
        return endpoint

    def _may_be_told_to(self, endpoint: httpx.URL) -> bool:
        """Never with less protection than the resources themselves have."""
        if endpoint.userinfo or not endpoint.host:
            return False
        return endpoint.scheme == "https" or (endpoint.scheme == self._base.scheme == "http")

    def _http(self, url: httpx.URL) -> httpx.Client:
        return httpx.Client(
            verify=tls(),
            timeout=TIMEOUT,
            follow_redirects=False,
            trust_env=url.host not in LOOPBACK,
        )


def _listed(algorithms: Iterable[str]) -> str:
    return ", ".join(each for each in algorithms if re.fullmatch(r"[A-Z]{2}\d{3}", each)) or "none"
