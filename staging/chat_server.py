"""A client of OpenAI-compatible chat servers, such as vLLM: several addresses, one model.

An address that fails rests for a while, and another is asked at once; when all have failed, the
waits grow, with jitter, or last as long as the server says.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from math import exp, inf
from typing import Annotated, Any, TypeAlias, TypeVar

import httpx
import stamina
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from auditor.errors import ServerFailed
from staging.stage_likelihood import Token

Payload: TypeAlias = Mapping[str, Any]
"""The body of a chat completion's request, without the model."""

# Chosen, not measured: a study's workflow takes over from servers that are away for longer.
_ATTEMPTS = 6
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0
_REST_S = 15.0
CONNECT_S = 10.0
_LONGEST_ANSWER_BYTES = 1 << 24
"""1,024 tokens with twenty alternatives each take some 2 MB."""
_KEPT_BYTES = 1 << 15
"""Of an answer that is no chat completion."""

log = logging.getLogger("somnoaudit")
# stamina's own line is the name of an event, which tells an operator nothing; ours say it.
logging.getLogger("stamina").disabled = True

_M = TypeVar("_M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered.

    Attributes:
        text: the model's reply; the beginning of the body where that is no chat completion.
        tokens: of the reply, where the server tells them.
        problem: why it is no chat completion, for an operator; None where it is one.
    """

    text: str
    tokens: tuple[Token, ...] = ()
    problem: str | None = None


class RequestRefused(ServerFailed):
    """The server does not take the request as it is: 400, 422 or 501."""


class _Unavailable(ServerFailed):
    """No answer this time; another address, or another time, may give one.

    Attributes:
        retry_after_s: how long the server asks to be left alone; None where it does not say.
    """

    def __init__(self, problem: str, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(problem)


class _NoCompletion(_Unavailable):
    """An answer that is no chat completion, though the server says that all went well."""

    def __init__(self, problem: str, body: bytes) -> None:
        self.body = body
        super().__init__(problem)


# ── what goes over the wire: the OpenAI API's chat completions and models ─────────────────


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _TopToken(_Wire):
    token: str
    logprob: float = Field(lt=inf)  # which NaN is not, and what is impossible is


class _WrittenToken(_TopToken):
    top_logprobs: tuple[_TopToken, ...] = ()


class _LogProbs(_Wire):
    content: tuple[_WrittenToken, ...] | None = None


class _Part(_Wire):
    text: str = ""


class _Message(_Wire):
    content: str | tuple[_Part, ...] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, tuple):
            return "".join(part.text for part in self.content)
        return self.content or ""


def _where_right(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


class _Choice(_Wire):
    message: _Message
    # A reply without likelihoods is worth more than none.
    logprobs: Annotated[_LogProbs | None, WrapValidator(_where_right)] = None


class _Completion(_Wire):
    choices: tuple[_Choice, ...] = Field(min_length=1)


class _Model(_Wire):
    id: str


class _Models(_Wire):
    data: tuple[_Model, ...]


# ── the client ────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class ChatServers:
    """Servers of one model, asked as one.

    Args:
        addresses: base addresses, such as ``http://gpu1:8000/v1``.
        http: sends the requests.
        timeout_s: for one whole answer.
    """

    addresses: Sequence[httpx.URL]
    http: httpx.AsyncClient
    timeout_s: float
    _rests_until: dict[httpx.URL, float] = field(default_factory=dict)
    _under_way: Counter[httpx.URL] = field(default_factory=Counter)

    async def model(self, name: str | None) -> str:
        """The model that every server serves.

        Servers that do not answer are left to the requests, while one does.

        Args:
            name: which of several; taken as it is. None where each server has but one.

        Raises:
            ServerFailed: no server answers, or they do not serve the one same model.
        """
        if name is not None:
            return name
        listed = await asyncio.gather(
            *(self._models(address) for address in self.addresses), return_exceptions=True
        )
        served: dict[str, list[str]] = {}
        away: dict[httpx.URL, _Unavailable] = {}
        for address, names in zip(self.addresses, listed, strict=True):
            if isinstance(names, _Unavailable):
                away[address] = names
            elif isinstance(names, BaseException):
                raise names
            else:
                served[place(address)] = names
        if not served:
            raise next(iter(away.values()))
        for address, error in away.items():
            log.warning("%s; going on without it", error)
            self._rest(address)
        for server, names in served.items():
            if len(names) != 1:
                raise ServerFailed(
                    f"{server}: serves {len(names)} models; name one behind the address, "
                    "as http://HOST/v1#MODEL"
                )
        if len({names[0] for names in served.values()}) > 1:
            raise ServerFailed(
                f"{', '.join(served)}: serve different models; give servers of one model"
            )
        return next(iter(served.values()))[0]

    async def complete(self, payload: Payload) -> Answer:
        """One chat completion, from whichever server gives it.

        An answer that is no chat completion, after as many attempts, comes as its text with
        the problem.

        Raises:
            RequestRefused: a server does not take the request as it is.
            ServerFailed: no server answered.
        """
        tried: set[httpx.URL] = set()

        def wait(error: Exception) -> bool | float:
            if not isinstance(error, _Unavailable):
                return False
            log.warning("%s", error)
            if len(tried) < len(self.addresses):
                return 0.0
            tried.clear()
            if error.retry_after_s is None:
                return True
            return min(error.retry_after_s, _LONGEST_WAIT_S)

        try:
            async for attempt in stamina.retry_context(
                on=wait,
                attempts=max(_ATTEMPTS, 2 * len(self.addresses)),
                timeout=None,
                wait_initial=_FIRST_WAIT_S,
                wait_max=_LONGEST_WAIT_S,
            ):
                with attempt:
                    address = self._next(tried)
                    tried.add(address)
                    return await self._complete_at(address, payload)
        except _NoCompletion as error:
            return Answer(error.body[:_KEPT_BYTES].decode(errors="replace"), problem=str(error))
        raise AssertionError("stamina lets the last error through")

    def _next(self, tried: set[httpx.URL]) -> httpx.URL:
        """Untried before tried, rested before resting, idle before busy."""
        now = time.monotonic()
        return min(
            self.addresses,
            key=lambda a: (a in tried, self._rests_until.get(a, 0.0) > now, self._under_way[a]),
        )

    def _rest(self, address: httpx.URL) -> None:
        self._rests_until[address] = time.monotonic() + _REST_S

    async def _complete_at(self, address: httpx.URL, payload: Payload) -> Answer:
        self._under_way[address] += 1
        try:
            body = await self._send("POST", address, "chat/completions", payload)
            completion = _read(_Completion, body, address)
        except _Unavailable:
            self._rest(address)
            raise
        finally:
            self._under_way[address] -= 1
        choice = completion.choices[0]
        written = (choice.logprobs and choice.logprobs.content) or ()
        return Answer(choice.message.text, tuple(map(_token, written)))

    async def _models(self, address: httpx.URL) -> list[str]:
        body = await self._send("GET", address, "models")
        return [model.id for model in _read(_Models, body, address).data]

    async def _send(
        self, verb: str, address: httpx.URL, path: str, payload: Payload | None = None
    ) -> bytes:
        url = address.copy_with(path=f"{address.path}/{path}")
        server = place(address)
        try:
            async with (
                asyncio.timeout(self.timeout_s),
                self.http.stream(verb, url, json=payload) as response,
            ):
                _check(response, server)
                body = b""
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > _LONGEST_ANSWER_BYTES:
                        problem = "answers without end; give a server of the OpenAI API"
                        raise _NoCompletion(f"{server}: {problem}", body)
                return body
        except (httpx.TransportError, httpx.DecodingError) as error:
            problem = type(error).__name__  # its words may hold addresses of proxies
            raise _Unavailable(f"{server}: no answer ({problem}); is it running?") from None
        except TimeoutError:
            raise _Unavailable(
                f"{server}: no answer within {self.timeout_s:g} s; "
                "raise SOMNOAUDIT_VLM_TIMEOUT_S or lower SOMNOAUDIT_VLM_REQUESTS"
            ) from None


def place(address: httpx.URL) -> str:
    """The server as messages name it: "model server HOST:PORT"."""
    return f"model server {address.netloc.decode()}"


def _check(response: httpx.Response, server: str) -> None:
    status = response.status_code
    if status == 200:
        return
    if status in (408, 429) or (status >= 500 and status != 501):
        raise _Unavailable(
            f"{server}: answered {status}; look into its log",
            _rest_asked_for_s(response.headers.get("Retry-After")),
        )
    if status in (401, 403):
        raise ServerFailed(f"{server}: answered {status}; set SOMNOAUDIT_VLM_TOKEN to its key")
    if status in (400, 422, 501):
        raise RequestRefused(f"{server}: refused the request ({status}); look into its log")
    raise ServerFailed(
        f"{server}: answered {status}; check the address, such as http://HOST:PORT/v1, "
        "and the model's name"
    )


def _read(kind: type[_M], body: bytes, address: httpx.URL) -> _M:
    try:
        return kind.model_validate_json(body)
    except ValidationError:
        problem = f"{place(address)}: its answer is not the OpenAI API's; give a server that is"
        raise _NoCompletion(problem, body) from None


def _token(written: _WrittenToken) -> Token:
    alternatives = {top.token: exp(min(top.logprob, 0.0)) for top in written.top_logprobs}
    alternatives.setdefault(written.token, exp(min(written.logprob, 0.0)))
    return Token(written.token, alternatives)


def _rest_asked_for_s(retry_after: str | None) -> float | None:
    """What a Retry-After header asks for, seconds or a date (RFC 9110, section 10.2.3)."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
