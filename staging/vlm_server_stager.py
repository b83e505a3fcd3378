"""Stages by a vision-language model on servers of their own, such as vLLM on many GPUs.

The model is one of the SleepVLM family (arXiv:2603.26738), asked by OpenAI-compatible chat
completions: the images go as PNG data URLs, and the reply is held to its schema where the server
can do so, and read as if it were not. A reply that cannot be read leaves its epoch unscored and
is kept for the physician; a server that does not answer stops the study. The replies that
came before are kept on disk, so that another try goes on where it was.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from auditor.errors import ServerFailed, UsageError, os_reason
from auditor.rulebook import load_rulebook
from auditor.vocabulary import Hypnogram, Montage, ScoredEpoch, StagerIdentity
from staging.chat_server import CONNECT_S, Answer, ChatServers, Payload, RequestRefused
from staging.kept_replies import KEPT, KeptReplies, name_of_night
from staging.prompt import Prompt, Window, own_prompt, read_prompt, user_turn
from staging.render import Image, Renderer, png
from staging.reply import REPLY_SCHEMA, scored_epoch
from staging.stage_likelihood import stage_probabilities
from staging.stager import Progress
from staging.vlm_hypnogram import asked_sha256, hypnogram, windows_of
from staging.vlm_settings import VlmSettings, load_vlm_settings

DECODING: Payload = {"temperature": 1e-6, "top_p": 0.8, "max_tokens": 1024}
"""As published for these weights (arXiv:2603.26738)."""

_SCHEMA: Payload = {
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "epoch", "schema": REPLY_SCHEMA, "strict": True},
    }
}
_LIKELIHOODS: Payload = {"logprobs": True, "top_logprobs": 20}  # vLLM's own limit

_ABILITIES: Sequence[tuple[Payload, tuple[str, ...]]] = (
    ({**_SCHEMA, **_LIKELIHOODS}, ()),
    (_LIKELIHOODS, ("the model's server does not hold replies to a schema",)),
    (
        {},
        (
            "the model's server neither holds replies to a schema nor tells likelihoods: "
            "there are no stage probabilities",
        ),
    ),
)
"""What is asked of a server besides the reply, most first, with what its lack means."""

_MOST_IN_VAIN = 8
"""Epochs that no server answers with a chat completion before the first that one does; chosen."""

_LONGEST_NAME = 200
"""Characters of a model's name, as it comes from its server."""


@dataclass(frozen=True, slots=True)
class VlmServerStager:
    """Asks servers of one model, several epochs at a time.

    Attributes:
        addresses: base addresses of the servers.
        model: which of several models they serve; None where there is but one.
        settings: prompt, key, timeouts, mains.
    """

    addresses: tuple[httpx.URL, ...]
    model: str | None
    settings: VlmSettings

    def stage(self, montage: Montage, progress: Progress) -> Hypnogram:
        """See :class:`staging.stager.Stager`.

        Raises:
            RecordingRefused: no channel that could be drawn, or no epoch without a gap.
            SettingsRefused: the prompt's file cannot be read.
            ServerFailed: no server answers, or none with a chat completion, or one refuses what
                it is asked.
        """
        path = self.settings.vlm_prompt
        prompt = read_prompt(path) if path else own_prompt(load_rulebook())
        windows = windows_of(montage)
        progress("stage", 0.0)
        renderer = Renderer(montage, self.settings.mains_hz)
        night = asyncio.run(self._ask(montage, renderer, windows, prompt, progress))
        night.kept.forget()
        progress("stage", 1.0)
        name = _for_the_record(night.model)
        notes = (f"staged by the model {name} with {prompt}", *night.notes)
        stager = StagerIdentity("vlm-server", name)
        return hypnogram(stager, montage, renderer, windows, night.scored, notes)

    async def _ask(
        self,
        montage: Montage,
        renderer: Renderer,
        windows: Sequence[Window],
        prompt: Prompt,
        progress: Progress,
    ) -> _Night:
        async with self._http() as http:
            servers = ChatServers(self.addresses, http, self.settings.vlm_timeout_s)
            model = await servers.model(self.model)
            mains_hz = str(self.settings.mains_hz)
            asked = name_of_night(montage, model, prompt.sha256, mains_hz)
            night = _Night(model, KeptReplies(self.settings.data / KEPT, asked))
            remaining = [window for window in windows if window.target not in night.scored]
            if not remaining:
                return night

            def hear(conversation: _Conversation, answer: Answer) -> None:
                night.hear(conversation, answer, len(remaining))
                progress("stage", len(night.scored) / len(windows))

            with closing(_conversations(renderer, remaining, prompt)) as conversations:
                first = next(conversations)
                answer, extras, lacks = await _first_answer(
                    servers, {"model": model, **DECODING}, first
                )
                night.notes += lacks
                hear(first, answer)
                request = {"model": model, **DECODING, **extras}
                room = asyncio.Semaphore(self.settings.vlm_requests)

                async def ask(conversation: _Conversation) -> None:
                    said = {"messages": conversation.messages}
                    try:
                        answer = await servers.complete({**request, **said})
                    finally:
                        room.release()
                    hear(conversation, answer)

                try:
                    async with asyncio.TaskGroup() as group:
                        for conversation in conversations:
                            await room.acquire()
                            group.create_task(ask(conversation))
                except ExceptionGroup as failures:  # the first of them cancelled the rest
                    raise failures.exceptions[0] from None
        return night

    def _http(self) -> httpx.AsyncClient:
        token = self.settings.vlm_token
        return httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token.get_secret_value()}"} if token else {},
            timeout=httpx.Timeout(self.settings.vlm_timeout_s, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=None),  # bounded by the requests under way
            # A proxy of the environment is for the hospital's network, not for this machine.
            trust_env=not all(address.host in _LOOPBACK for address in self.addresses),
        )


_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def make(model: str | None) -> VlmServerStager:
    """The stager for ``--model``: addresses with commas between, ``http://gpu1:8000/v1``.

    A server of several models has the model's name behind a ``#``.

    Raises:
        UsageError: there is no address, or one that is none.
        SettingsRefused: a setting is wrong.
    """
    if not model:
        raise UsageError(
            "the stager 'vlm-server' needs --model ADDRESS, such as http://gpu1:8000/v1; "
            "several have commas between them"
        )
    addresses = [_address(written.strip()) for written in model.split(",")]
    named = {address.fragment for address in addresses} - {""}
    if len(named) > 1:
        raise UsageError(f"--model names several models, {', '.join(sorted(named))}: name one")
    return VlmServerStager(
        tuple(dict.fromkeys(address.copy_with(fragment=None) for address in addresses)),
        named.pop() if named else None,
        load_vlm_settings(),
    )


def _address(written: str) -> httpx.URL:
    try:
        url = httpx.URL(written)
    except httpx.InvalidURL:
        url = httpx.URL()
    is_address = url.scheme in ("http", "https") and url.host and (url.port or 0) <= 65535
    if not is_address or url.query:
        raise UsageError("--model: give addresses such as http://gpu1:8000/v1, commas between")
    if url.userinfo:
        raise UsageError("--model: leave the key out of the address; set SOMNOAUDIT_VLM_TOKEN")
    return url.copy_with(path=url.path.rstrip("/") or "/v1")


# ── what is asked ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Conversation:
    """What is said to the model about one epoch.

    Attributes:
        epoch: by its number from 0.
        messages: as the OpenAI API has them.
        asked_sha256: of what the model is shown.
    """

    epoch: int
    messages: list[dict[str, Any]]
    asked_sha256: str


def _conversations(
    renderer: Renderer, windows: Sequence[Window], prompt: Prompt
) -> Generator[_Conversation]:
    """In order; each image is drawn and encoded once, and kept while a window may show it."""
    epochs = sorted({epoch for window in windows for epoch in window.epochs})
    drawn = zip(epochs, renderer.images(epochs), strict=True)
    urls: dict[int, str] = {}
    shown: dict[int, Image] = {}
    system = {"role": "system", "content": prompt.text}
    for window in windows:
        while window.epochs[-1] not in urls:
            epoch, image = next(drawn)
            shown[epoch] = image
            urls[epoch] = f"data:image/png;base64,{b64encode(png(image)).decode()}"
        content = [
            {"type": "text", "text": part}
            if isinstance(part, str)
            else {"type": "image_url", "image_url": {"url": urls[part]}}
            for part in user_turn(window)
        ]
        messages: list[dict[str, Any]] = [system, {"role": "user", "content": content}]
        asked = asked_sha256(prompt, (shown[epoch] for epoch in window.epochs))
        yield _Conversation(window.target, messages, asked)
        for epoch in [epoch for epoch in shown if epoch < window.target]:
            del shown[epoch], urls[epoch]


async def _first_answer(
    servers: ChatServers, request: Payload, conversation: _Conversation
) -> tuple[Answer, Payload, tuple[str, ...]]:
    """The first epoch's answer, with as much as the servers can do besides the reply."""
    *ambitious, modest = _ABILITIES
    said = {"messages": conversation.messages}
    for extras, lacks in ambitious:
        with suppress(RequestRefused):
            return await servers.complete({**request, **extras, **said}), extras, lacks
    extras, lacks = modest
    return await servers.complete({**request, **extras, **said}), extras, lacks


# ── what is heard ─────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Night:
    """What servers said about a night, in this try and before.

    Attributes:
        model: its name, as its servers have it.
        kept: the replies on disk.
        scored: an epoch for each answer.
        notes: on what the servers cannot do, and on replies that are not on disk.
    """

    model: str
    kept: KeptReplies
    scored: dict[int, ScoredEpoch] = field(init=False)
    notes: list[str] = field(default_factory=list)
    _completions: int = 0
    _in_vain: int = 0

    def __post_init__(self) -> None:
        self.scored = dict(self.kept.read())

    def hear(self, conversation: _Conversation, answer: Answer, n_asked: int) -> None:
        """Notes an answer; of those that are no chat completion, none is kept for another try.

        Raises:
            ServerFailed: this is all that servers answer, however often they are asked.
        """
        epoch = scored_epoch(
            conversation.epoch,
            answer.text,
            stage_probabilities(answer.tokens),
            conversation.asked_sha256,
        )
        self.scored[epoch.index] = epoch
        if answer.problem is not None:
            self._in_vain += 1
            if not self._completions and self._in_vain >= min(_MOST_IN_VAIN, n_asked):
                raise ServerFailed(answer.problem)
            return
        self._completions += 1
        try:
            self.kept.add([epoch])
        except OSError as error:  # the night can do without
            note = f"replies could not be kept for another try ({os_reason(error)})"
            if note not in self.notes:
                self.notes.append(note)


def _for_the_record(model: str) -> str:
    """A model's name without what terminals obey and FHIR does not allow."""
    return "".join(filter(str.isprintable, model)).strip()[:_LONGEST_NAME] or "unnamed"
